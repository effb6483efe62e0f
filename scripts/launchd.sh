# launchd.sh: a service as an agent of the user, or as a daemon of the system, of launchd. Given: what
# service.sh was.

case $scope in
system) launchd_dir=/Library/LaunchDaemons ;;
*) launchd_dir=$HOME/Library/LaunchAgents ;;
esac

# launchd_domain says in domain where the job is: with the user's windows if there are any.
launchd_domain() {
	[ "$scope" != system ] || domain=system
	[ -z "${domain-}" ] || return 0
	domain=gui/${uid:=$(id -u)}
	launchctl print "$domain" >/dev/null 2>&1 </dev/null || domain=user/$uid
}

launchd_fits() {
	why=
	has launchctl && return
	why="launchd does not run on this host"
	return 1
}

launchd_ready() { :; }

launchd_file() { file=$launchd_dir/sh.davit.$name.plist; }

# launchd_put has launchd find the list when the host starts, or the user signs in. It is not told of it
# now, for it would start the daemon at once.
launchd_put() {
	if ! why=$({ mkdir -p "$launchd_dir" && cat "$1/unit" >"$launchd_dir/.sh.davit.$name" &&
		mv -f "$launchd_dir/.sh.davit.$name" "$launchd_dir/sh.davit.$name.plist"; } 2>&1); then
		rm -f "$launchd_dir/.sh.davit.$name"
		why="cannot write $launchd_dir/sh.davit.$name.plist: ${why##*: }"
		return 1
	fi
	# It is the daemon's user who reads the environment, and who writes the log.
	owner=$(sed -n '/<key>UserName</{n;s/.*<string>\(.*\)<.string>.*/\1/p;}' "$launchd_dir/sh.davit.$name.plist")
	[ -n "$owner" ] || return 0
	why=$(chmod 0711 "$svc" && chown "$owner" "$svc/env" 2>&1) && return
	why="cannot give $svc/env to $owner: ${why##*: }"
	return 1
}

launchd_drop() {
	rm -f "$launchd_dir/.sh.davit.$name"
	if [ -e "$launchd_dir/sh.davit.$name.plist" ] && is_ours "$launchd_dir/sh.davit.$name.plist"; then
		launchd_domain
		launchctl bootout "$domain/sh.davit.$name" >/dev/null 2>&1 </dev/null
		rm -f "$launchd_dir/sh.davit.$name.plist"
	fi
	[ "$scope" = system ] || rmdir "$launchd_dir" 2>/dev/null
	:
}

# launchd_start has launchd read the list anew, unless the daemon runs.
launchd_start() {
	launchd_look
	[ "$state" != running ] || return 0
	launchctl bootout "$domain/sh.davit.$name" >/dev/null 2>&1 </dev/null
	launchctl enable "$domain/sh.davit.$name" >/dev/null 2>&1 </dev/null
	why=$(launchctl bootstrap "$domain" "$launchd_dir/sh.davit.$name.plist" 2>&1 </dev/null) && return
	why="launchd does not take $launchd_dir/sh.davit.$name.plist: ${why%%"$newline"*}"
	return 1
}

launchd_stop() {
	launchd_look
	{
		sleep "$1" &
		trap 'kill $!' TERM
		wait $! && launchctl kill SIGKILL "$domain/sh.davit.$name"
	} >/dev/null 2>&1 3>&- </dev/null &
	clock=$!
	# It waits for the daemon's end, and launchd ends what is left of its process group.
	said=$(launchctl bootout "$domain/sh.davit.$name" 2>&1 </dev/null)
	# In some releases it does not wait.
	waited=0
	while launchd_look && [ "$state" = running ] && [ "$waited" -lt "$1" ]; do
		sleep 1
		waited=$((waited + 1))
	done
	kill "$clock" 2>/dev/null
	[ "$state" = running ] || return 0
	why=${said%%"$newline"*}
	return 1
}

# launchd_property NAME sets value to the first that launchctl print said of it in shown.
launchd_property() {
	value=
	case $shown in
	*"	$1 = "*)
		value=${shown#*"	$1 = "}
		value=${value%%"$newline"*}
		;;
	esac
}

launchd_look() {
	state=stopped pid='' why=''
	launchd_domain
	shown=$(launchctl print "$domain/sh.davit.$name" 2>/dev/null </dev/null) || return 0
	launchd_property pid
	pid=$value
	if [ -n "$pid" ]; then
		state=running
		return
	fi
	launchd_property "last terminating signal"
	if [ -n "$value" ]; then
		state=failed why="it was ended by signal $value"
		return
	fi
	launchd_property "last exit code"
	case $value in
	0) why="it ended with status 0" ;;
	[0-9]*) state=failed why="it ended with status $value" ;;
	esac
}

launchd_autostart() { echo yes; } # where it is makes it so
launchd_enable() { :; }

launchd_all() {
	launchd_look
	members=$pid
}

launchd_log() {
	launchd_timeless "${2-}" || return
	tail -n "$1" "$svc/log" 2>/dev/null || :
}

launchd_follow() { launchd_timeless "${2-}" && tail -n "$1" -F "$svc/log" 2>/dev/null; }

# launchd_timeless SINCE is true if no time is asked for.
launchd_timeless() {
	[ -n "$1" ] || return 0
	why="a log of launchd has no times: ask for a number of lines"
	return 1
}
