# openrc.sh: a service as a script of OpenRC's runlevel default. Given: what service.sh was.

openrc_script=/etc/init.d/$name
openrc_state=/run/openrc

# openrc COMMAND... must not read what is for us, and what it starts must hold neither our output nor the lock.
openrc() { "$@" </dev/null 3>&- 9>&-; }

openrc_fits() {
	why=
	if [ ! -d "$openrc_state" ] || ! has rc-service; then
		why="OpenRC does not run on this host"
	elif [ "$scope" != system ]; then
		why="OpenRC keeps services of the system only: use --scope system, or --service process"
	fi
	[ -z "$why" ]
}

openrc_ready() { :; }

openrc_file() { file=$openrc_script; }

openrc_put() {
	if ! why=$({ cat "$1/unit" >"$openrc_script.davit" && chmod 0755 "$openrc_script.davit" &&
		mv -f "$openrc_script.davit" "$openrc_script"; } 2>&1); then
		rm -f "$openrc_script.davit"
		why="cannot write $openrc_script: ${why##*: }"
		return 1
	fi
	[ ! -L "/etc/runlevels/default/$name" ] || return 0
	why=$(openrc rc-update -q add "$name" default 2>&1) && return
	why="OpenRC does not take $openrc_script: $(openrc_said "$why")"
	return 1
}

# openrc_said TEXT prints the first line of what OpenRC said, without its ornaments.
openrc_said() {
	line=${1%%"$newline"*}
	line=${line# \* }
	printf '%s' "${line#ERROR: }"
}

openrc_drop() {
	rm -f "$openrc_script.davit"
	if [ -e "$openrc_script" ] && is_ours "$openrc_script"; then
		openrc rc-update -q del "$name" default >/dev/null 2>&1
		rm -f "$openrc_script" "/run/$name.pid"
	fi
	rm -f "$svc/log" "$svc/log.1"
}

openrc_start() {
	openrc_look
	[ "$state" != running ] || return 0
	# One that fell still counts as started.
	if [ -L "$openrc_state/started/$name" ]; then
		openrc rc-service -q "$name" stop >/dev/null 2>&1 || openrc rc-service -q "$name" zap >/dev/null 2>&1
	fi
	rm -f "$openrc_state/options/$name/child_pid"
	# What it starts may hold its output for ever.
	openrc rc-service -q "$name" start >"$svc/said" 2>&1
	started=$?
	said=$(cat "$svc/said")
	rm -f "$svc/said"
	[ "$started" -ne 0 ] || return 0
	why=$(openrc_said "$said")
	return 1
}

openrc_stop() {
	openrc_look
	[ -e "$openrc_script" ] && [ -L "$openrc_state/started/$name" ] || return 0
	# The script has a limit of its own, which may be another.
	{
		trap 'kill $!' TERM
		sleep "$1" &
		wait $! && [ -n "$pid" ] && openrc_kill KILL "$pid"
	} >/dev/null 2>&1 3>&- &
	clock=$!
	said=$(openrc rc-service -q "$name" stop 2>&1)
	kill "$clock" 2>/dev/null
	# OpenRC ends the daemon only, and what else it started only where it may make control groups.
	[ -z "$pid" ] || openrc_kill KILL "$pid"
	openrc_look
	[ "$state" = running ] || return 0
	why=$(openrc_said "$said")
	return 1
}

# openrc_kill SIGNAL PID signals the daemon and what is of its session, which it leads.
openrc_kill() {
	for member in /proc/[0-9]*; do
		member=${member#/proc/}
		[ "$(stat_of "$member" 4)" != "$2" ] || kill -s "$1" "$member"
	done 2>/dev/null
}

openrc_look() {
	state=stopped pid='' why=''
	[ -L "$openrc_state/started/$name" ] || return 0
	for place in "$openrc_state/options/$name/child_pid" "/run/$name.pid"; do
		[ -n "$pid" ] || [ ! -f "$place" ] || read -r pid <"$place" || :
	done
	if [ -n "$pid" ] && [ -d "/proc/$pid" ]; then
		state=running
		return
	fi
	state=failed pid=
	why="it ended, and is not started any more: the system's log says how"
	[ -f "/run/$name.pid" ] && read -r supervisor <"/run/$name.pid" && [ -d "/proc/$supervisor" ] || return 0
	why="it ended, and is started again: the system's log says how"
}

openrc_log() { tail -n "$1" "$svc/log" 2>/dev/null || :; }

# openrc_follow prints all that follows; its lines have no times, and so SINCE has no meaning.
openrc_follow() { tail -n "$1" -F "$svc/log" 2>/dev/null; }
