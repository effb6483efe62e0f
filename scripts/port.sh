# port.sh: who listens at a port of the host, without a tool that may not be there. Given: what service.sh was.

# port NUMBER ADDRESS... tells who listens at one of the addresses, which are as in /proc/net/tcp:
#
#	port free                              nobody
#	port ours                              the daemon
#	port unknown                           it cannot be seen
#	port taken SOCKET USER PID COMMAND     somebody else, and the daemon listens nowhere
#	port other SOCKET USER PID COMMAND     somebody else, and the daemon listens at another place
#
# SOCKET and PID are 0 if they cannot be seen. It is for a subshell, as it leaves nothing as it was.
port() {
	number=$1 sockets='' holder='' owner=0
	shift
	if [ -r /proc/net/tcp ]; then
		port_sockets "$@"
		if [ -z "$sockets" ]; then
			tell port free
			return
		fi
		# It may be the one that was just looked at: then all the rest need not be.
		if [ -n "${pid-}" ] && [ -n "$(port_holds "$sockets" "/proc/$pid/fd")" ]; then
			tell port ours
			return
		fi
	elif has lsof; then
		holder=$(lsof -nP "-iTCP:$number" -sTCP:LISTEN -t 2>/dev/null | head -n 1)
	fi
	kind_of_service
	state='' pid='' why='' members='' what=taken
	if [ -z "$sockets$holder" ] || ! "${kind}_fits" || ! port_daemon; then
		tell port unknown
		return
	fi
	[ -z "$sockets" ] || port_holder
	if port_is_ours "$holder"; then
		tell port ours
		return
	fi
	command=
	if [ -r "/proc/${holder:-0}/comm" ]; then
		read -r command <"/proc/$holder/comm"
	elif [ -n "$holder" ]; then
		command=$(ps -o comm= -p "$holder") owner=$(ps -o uid= -p "$holder")
	fi 2>/dev/null
	socket=${sockets# }
	socket=${socket%% *}
	tell port "$what" "${socket:-0}" "$(port_user "$((owner))")" "${holder:-0}" "${command##*/}"
}

# port_daemon sets pid and members to the daemon's. It is false if it cannot be seen what those have open, as of one
# with capabilities of its own.
port_daemon() {
	"${kind}_all"
	"${kind}_look"
	[ -z "$pid" ] || [ -z "$sockets" ] || ls "/proc/$pid/fd" >/dev/null 2>&1 || [ ! -d "/proc/$pid" ]
}

# port_sockets ADDRESS... sets sockets to those that listen there, and owner to whose they are.
port_sockets() {
	# shellcheck disable=SC2046 # numbers
	set -- $(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v at=" $* " -v port="$(printf %04X "$number")" '
		$4 == "0A" && split($2, place, ":") == 2 && place[2] == port && index(at, " " place[1] " ") { print $10, $8 }')
	while [ $# -gt 1 ]; do
		sockets="$sockets $1" owner=$2
		shift 2
	done
}

# port_holder sets holder to the first process that has one of the sockets, one of the daemon's if there is one.
# If it is another, what is other if the daemon listens elsewhere.
port_holder() {
	set --
	for member in $members; do
		set -- "$@" "/proc/$member/fd"
	done
	if [ $# -gt 0 ]; then
		holder=$(port_holds "$sockets" "$@")
		[ -z "$holder" ] || return 0
		all=$(cat /proc/net/tcp /proc/net/tcp6 /proc/net/unix 2>/dev/null | awk '
			$4 == "0A" { print $10 }
			$4 == "00010000" { print $7 }' | tr '\n' ' ')
		[ -z "$(port_holds "$all" "$@")" ] || what=other
	fi
	holder=$(port_holds "$sockets" /proc/[0-9]*/fd)
}

# port_holds SOCKETS DIR... prints the lowest number of a process that has one of the sockets, by its fd directory.
port_holds() {
	wanted=$1
	shift
	# shellcheck disable=SC2012 # numbers
	# /dev/null has ls say which directory it lists, also of one alone.
	ls -ln /dev/null "$@" 2>/dev/null | awk -v wanted="$wanted" '
		BEGIN { n = split(wanted, s, " "); for (i = 1; i <= n; i++) of["socket:[" s[i] "]"] = 1 }
		/^\/proc\/[0-9]+\/fd:$/ { split($0, part, "/"); pid = part[3] }
		($NF in of) && (first == "" || pid + 0 < first) { first = pid + 0 }
		END { print first }'
}

# port_is_ours PID is true of a process of the daemon's, and of what descends from one.
port_is_ours() {
	above=$1
	while [ "${above:-0}" -gt 1 ]; do
		case " $pid $members " in
		*" $above "*) return 0 ;;
		esac
		above=$(stat_of "$above" 2)
	done
	return 1
}

# port_user UID prints the name of the user.
port_user() {
	called=$({ getent passwd "$1" || cat /etc/passwd; } 2>/dev/null |
		awk -F : -v uid="$1" '$3 == uid { print $1; exit }')
	printf '%s' "${called:-$1}"
}
