# openrc.sh: a service as a script of OpenRC's runlevel default. Given: what service.sh was.

openrc_state=/run/openrc

# openrc COMMAND... must not read what is for us, and what it starts must hold neither our output nor the lock.
openrc() { "$@" </dev/null 3>&- 9>&-; }

openrc_fits() {
	why=
	if [ ! -d "$openrc_state" ]; then
		why="OpenRC does not run on this host"
	elif [ "$scope" != system ]; then
		why="OpenRC keeps services of the system only: use --scope system, or --service process"
	elif ! has rc-service || ! has supervise-daemon; then
		why="this OpenRC has no supervise-daemon"
	elif ! has setsid; then
		why="there is no setsid to start a supervise-daemon apart from this session"
	fi
	[ -z "$why" ]
}

openrc_ready() { :; }

openrc_file() { file=/etc/init.d/$name; }

openrc_put() {
	if ! why=$({ copy_of "$1/unit" "/etc/init.d/$name.davit" && { [ -L "$1/unit" ] || chmod 0755 "/etc/init.d/$name.davit"; } &&
		mv -f "/etc/init.d/$name.davit" "/etc/init.d/$name"; } 2>&1); then
		rm -f "/etc/init.d/$name.davit"
		why="cannot write /etc/init.d/$name: ${why##*: }"
		return 1
	fi
	chmod 0711 "$svc" # whom the daemon runs as opens the log
	openrc_enable "${2-default}"
}

# openrc_autostart prints the names of runlevels.
openrc_autostart() {
	for level in /etc/runlevels/*/"$name"; do
		[ ! -L "$level" ] || {
			level=${level%/*}
			echo "${level##*/}"
		}
	done
}

openrc_enable() {
	for level in $1; do
		[ ! -L "/etc/runlevels/$level/$name" ] || continue
		why=$(openrc rc-update -q add "$name" "$level" 2>&1) && continue
		why="OpenRC does not take /etc/init.d/$name: $(openrc_said "$why")"
		return 1
	done
}

# openrc_said TEXT prints the first line of what OpenRC said, without its ornaments.
openrc_said() {
	line=${1%%"$newline"*}
	line=${line# \* }
	printf '%s' "${line#ERROR: }"
}

openrc_drop() {
	rm -f "/etc/init.d/$name.davit"
	if [ -e "/etc/init.d/$name" ] && is_ours "/etc/init.d/$name"; then
		openrc rc-update -q del "$name" default >/dev/null 2>&1
		rm -f "/etc/init.d/$name" "/run/$name.pid" "/run/$name.davit"
	fi
}

openrc_start() {
	openrc_await
	openrc_look
	[ "$state" != running ] || return 0
	# One that fell still counts as started.
	if [ -L "$openrc_state/started/$name" ]; then
		openrc rc-service -q "$name" stop >/dev/null 2>&1 || openrc rc-service -q "$name" zap >/dev/null 2>&1
	fi
	# What it starts may hold its output for ever, and is not to end with our process group.
	openrc setsid rc-service -q "$name" start >"$svc/said" 2>&1
	started=$?
	said=$(cat "$svc/said")
	rm -f "$svc/said"
	if [ "$started" -ne 0 ]; then
		why=$(openrc_said "$said")
		return 1
	fi
	tries=20
	while openrc_nascent && [ "$tries" -gt 0 ]; do
		tries=$((tries - 1))
		sleep 0.1 2>/dev/null || sleep 1
	done
}

# openrc_nascent is true of what was started just now: its supervisor says that it is there a little later, and
# is there a little before it is.
openrc_nascent() {
	openrc_look
	[ "$state" != stopped ] && { [ -z "$supervisor$pid" ] || [ "$state$pid" = running ]; }
}

# openrc_await waits for the end of a start that one of us began who was ended meanwhile.
openrc_await() {
	tries=100
	while [ -L "$openrc_state/starting/$name" ] && [ "$tries" -gt 0 ]; do
		tries=$((tries - 1))
		sleep 0.1 2>/dev/null || sleep 1
	done
}

openrc_stop() {
	openrc_await
	openrc_look
	rm -f "/run/$name.davit" # also if it fell, and OpenRC has it for stopped
	[ -e "/etc/init.d/$name" ] && [ -L "$openrc_state/started/$name" ] || return 0
	# The script has a limit of its own, which may be another.
	{
		sleep "$1" &
		trap 'kill $!' TERM
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
	[ -f "/run/$name.davit" ] || return 0 # it was not started, or was stopped
	read -r how <"/run/$name.davit"
	supervisor=
	[ ! -f "/run/$name.pid" ] || read -r supervisor <"/run/$name.pid" || :
	pid=$supervisor
	if [ "$how" = supervised ]; then
		pid=
		[ ! -f "$openrc_state/options/$name/child_pid" ] || read -r pid <"$openrc_state/options/$name/child_pid" || :
	fi
	if [ -d "/proc/${pid:-${supervisor:-none}}" ]; then
		state=running
		return
	fi
	state=failed
	if [ -n "$pid" ] && [ -d "/proc/${supervisor:-none}" ]; then
		why="it ended, and is started again: the system's log says how"
	else
		why="it ended, and is not started any more: the system's log says how"
	fi
	pid=
}

openrc_all() {
	openrc_look
	members=$pid
}

openrc_log() {
	openrc_timeless "${2-}" || return
	tail -n "$1" "$svc/log" 2>/dev/null || :
}

openrc_follow() { openrc_timeless "${2-}" && tail -n "$1" -F "$svc/log" 2>/dev/null; }

# openrc_timeless SINCE is true if no time is asked for.
openrc_timeless() {
	[ -n "$1" ] || return 0
	why="a log of OpenRC has no times: ask for a number of lines"
	return 1
}
