# Asks on this host whether a daemon serves, for a host that forwards no connections.
#
# Variables: kind (http, https or tcp), url, name, port, path, authority, seconds, limit, mark; and tool, if
# an earlier look has chosen one. It prints what the tool prints, at most limit bytes of it; a line of the mark, the
# tool ("none" if the host has none for it) and the tool's status; and what the tool said on stderr.
(
	exec </dev/null
	unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

	has() { command -v "$1" >/dev/null 2>&1; }

	# choose finds out which tool the host has. A busybox's own are other than those of the same name.
	choose() {
		tool=none
		if [ "$kind" != tcp ] && has curl; then
			tool=curl
		elif [ "$kind" != tcp ] && has wget; then
			case $(wget --help 2>&1) in
			*BusyBox*) tool=busybox ;;
			*) tool=wget ;;
			esac
		elif [ "$kind" = https ]; then
			:
		elif has bash; then
			tool=bash
		elif has nc; then
			case $kind,$(nc -h 2>&1) in
			http,* | *-z*) tool=nc ;;
			*"-e PROG"*) tool=busybox ;;
			esac
		fi
		if [ "$kind,$tool" = tcp,none ] && has curl; then
			tool=curl
		fi
	}

	# say prints the request of one who speaks HTTP without help.
	say() {
		printf 'GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: davit\r\nConnection: close\r\n\r\n' "$path" "$authority"
	}

	# ask becomes the tool.
	ask() {
		case $kind,$tool in
		tcp,bash) exec bash -c 'exec 3<>"/dev/tcp/$1/$2"' davit "$name" "$port" ;;
		tcp,nc) exec nc -z -w "$seconds" "$name" "$port" ;;
		tcp,busybox) exec nc -w "$seconds" "$name" "$port" -e true ;;
		tcp,curl) exec curl -q -gsS --noproxy '*' --max-time 2 -w '%{time_connect}' "telnet://$authority" ;;
		*,curl) exec curl -q -gisSk --http1.1 --noproxy '*' --max-time "$seconds" -A davit "$url" ;;
		*,wget)
			export HOME=/dev/null # where it would look for, and leave, files of its own
			exec wget -nv -S -O - --no-proxy --no-check-certificate --max-redirect=0 --content-on-error -t 1 -T "$seconds" -U davit "$url"
			;;
		https,busybox) exec wget -q -S -O - --no-check-certificate -U davit "$url" ;;
		http,busybox) exec wget -q -S -O - -U davit "$url" ;;
		http,bash) exec bash -c 'exec 3<>"/dev/tcp/$1/$2" && printf %s "${3%.}" >&3 && exec cat <&3' davit "$name" "$port" "$(say; printf .)" ;;
		http,nc)
			exec nc -w "$seconds" "$name" "$port" <<-.
				$(say)
			.
			;;
		esac
	}

	# bounded has the tool ask, and ends it when its time is over.
	bounded() {
		ask &
		asking=$!
		(
			while [ "$seconds" -gt 0 ]; do
				sleep 1
				kill -0 "$asking" || exit
				seconds=$((seconds - 1))
			done
			kill "$asking"
		) >/dev/null 2>&1 3>&- 4>&- &
		wait "$asking" 2>/dev/null
	}

	[ -n "$tool" ] || choose
	exec 3>&1
	said=$(
		exec 4>&1
		{
			exec 2>&4 # for good: a shell keeps what it is to restore, and so would the clock
			bounded
			echo "$mark $?" >&4
		} | head -c "$limit" >&3
	)
	printf '\n%s %s %s\n%.16384s\n' "$mark" "$tool" "${said##*"$mark "}" "${said%"$mark "*}"
)
