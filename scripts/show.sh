# show.sh: tells of daemons, and changes nothing. Given: what service.sh was; what, the function that tells;
# lines, how many of them, and since when, where that is asked for; follow, "yes" to go on until our side ends.

# show_status tells how the daemon is.
show_status() {
	current=$(link_of "$base/current") previous=$(link_of "$base/previous")
	fact current "${current#releases/}"
	fact previous "${previous#releases/}"
	[ ! -e "$base/pending" ] || fact pending
	if [ -f "$svc/kind" ]; then
		kind_of_service
	else # it was never started by us, or that was removed by hand
		kind=process
		process_recall supervisor
		if [ -z "$pid" ]; then
			[ -z "$current" ] || fact state stopped
			return
		fi
	fi
	state=stopped pid='' why=''
	"${kind}_look"
	fact kind "$kind"
	fact state "$state"
	[ -z "$why" ] || fact why "$why"
	[ -n "$pid" ] || return 0
	fact pid "$pid"
	fact since "$(since "$pid")"
	fact memory "$(memory "$pid")"
}

# since PID prints for how many seconds the process has been there.
since() {
	if born=$(stat_of "$1" 20) && [ -n "$born" ]; then
		read -r up _ </proc/uptime
		echo "$((${up%.*} - born / $(getconf CLK_TCK 2>/dev/null || echo 100)))"
		return
	fi
	ps -o etime= -p "$1" 2>/dev/null | tr -d ' '
}

# memory PID prints how many KiB of memory the process has.
memory() {
	if [ ! -r "/proc/$1/status" ]; then
		ps -o rss= -p "$1" 2>/dev/null | tr -d ' '
		return
	fi
	while read -r field value _; do
		if [ "$field" = VmRSS: ]; then
			echo "$value"
			return
		fi
	done <"/proc/$1/status"
}

# show_releases tells of all releases, the newest first.
show_releases() {
	current=$(link_of "$base/current") previous=$(link_of "$base/previous")
	fact current "${current#releases/}"
	fact previous "${previous#releases/}"
	# The names are hex digits: no word of this list can be split.
	# shellcheck disable=SC2045
	for release in $(ls -1t "$base/releases" 2>/dev/null); do
		case $release in
		*[!0-9a-f]*) continue ;;
		esac
		[ -f "$base/releases/$release/$name" ] || continue
		later release "$release" "$(($(wc -c <"$base/releases/$release/$name")))" "$(modified "$base/releases/$release")"
	done
}

# modified PATH prints when it was modified, in seconds since 1970, or nothing.
modified() { stat -c %Y "$1" 2>/dev/null || stat -f %m "$1" 2>/dev/null; }

# show_history tells the last lines of what was done here.
show_history() {
	[ -f "$base/log.jsonl" ] || return 0
	tail -n "$lines" "$base/log.jsonl" | while IFS= read -r line; do tell line "$line"; done
}

# show_log tells the daemon's log.
show_log() {
	kind_of_service
	if [ ! -f "$svc/kind" ]; then
		tell failed absent
		return
	fi
	{
		why=
		if [ "$follow" = yes ]; then
			"${kind}_follow" "$lines" "$since" 2>&1
		else
			"${kind}_log" "$lines" "$since" 2>&1
		fi || [ -z "$why" ] || tell failed refused "$why"
	} | if [ "$follow" = yes ]; then
		while IFS= read -r line || [ -n "$line" ]; do tell log "$line"; done
	else # a shell would read it byte by byte
		awk -v mark="$sentinel log" '{ print mark, $0 }' >&3 2>/dev/null
	fi
}

said() { tell end "done"; }

beside "$what" said
read -r _
end hung up
