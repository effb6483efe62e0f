# openrc.sh: a service as a script of OpenRC's runlevel default, which starts and ends the supervisor that a plain process
# has; see tend.sh and process.sh, whose functions these are in the end. OpenRC's own would start the daemon again however
# it ended, and let its log grow for ever. Given: what service.sh was.

openrc_state=/run/openrc
openrc_parting="# $mark: what follows is service/supervise." # a line of unit, before which is the script

# openrc COMMAND... must not read what is for us, and what it starts must hold neither our output nor the lock.
openrc() { "$@" </dev/null 3>&- 9>&-; }

openrc_fits() {
	why=
	if [ ! -d "$openrc_state" ]; then
		why="OpenRC does not run on this host"
	elif [ "$scope" != system ]; then
		why="OpenRC keeps services of the system only: use --scope system, or --service process"
	elif ! has rc-service || ! has rc-update; then
		why="this OpenRC has no rc-service, or no rc-update"
	elif ! has setsid; then
		why="there is no setsid to start a process apart from this session"
	fi
	[ -z "$why" ] && process_fits
}

openrc_ready() { :; }
openrc_file() { file=/etc/init.d/$name; }

openrc_put() {
	if ! why=$(openrc_place "$1/unit" 2>&1); then
		rm -f "/etc/init.d/$name.davit"
		why="cannot write /etc/init.d/$name: ${why##*: }"
		return 1
	fi
	openrc_enable "${2-default}"
}

# openrc_place UNIT writes the script, and the supervisor, which one of another's has not.
openrc_place() {
	new=/etc/init.d/$name.davit
	if [ ! -L "$1" ] && grep -q -x -F "$openrc_parting" "$1"; then
		sed "1,\\|^$openrc_parting\$|d" "$1" >"$svc/.supervise" && process_install "$svc/.supervise" && rm "$svc/.supervise" &&
			sed "\\|^$openrc_parting\$|,\$d" "$1" >"$new"
	else
		copy_of "$1" "$new"
	fi && { [ -L "$new" ] || chmod 0755 "$new"; } && mv -f "$new" "/etc/init.d/$name"
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
		rm -f "/etc/init.d/$name"
		process_remove
	fi
}

openrc_start() {
	openrc_await
	if openrc_started; then
		if [ ! -e "$run/stop" ] && process_lives supervisor; then
			return
		fi
		# One that fell still counts as started.
		openrc rc-service -q "$name" stop >/dev/null 2>&1 || openrc rc-service -q "$name" zap >/dev/null 2>&1
	fi
	# What it starts first may hold its output for ever. It is not to end with our process group: OpenRC would have
	# the daemon for one that is starting.
	openrc setsid rc-service -q "$name" start >"/run/$name.davit" 2>&1
	started=$?
	said=$(cat "/run/$name.davit")
	rm -f "/run/$name.davit"
	[ "$started" -ne 0 ] || return 0
	why=$(openrc_said "$said")
	return 1
}

openrc_started() { [ -L "$openrc_state/started/$name" ]; }

# openrc_await waits for the end of a start that one of us began who was ended meanwhile.
openrc_await() {
	tries=100
	while [ -L "$openrc_state/starting/$name" ] && [ "$tries" -gt 0 ]; do
		tries=$((tries - 1))
		process_pause
	done
}

# openrc_stop ends it itself, for the script has a limit of its own, which may be another.
openrc_stop() {
	openrc_await
	process_stop "$1" || return
	[ -e "/etc/init.d/$name" ] && openrc_started || return 0
	said=$(openrc rc-service -q "$name" stop 2>&1) && return
	# What our script needs may have been removed by hand.
	! is_ours "/etc/init.d/$name" || ! openrc rc-service -q "$name" zap >/dev/null 2>&1 || return 0
	why=$(openrc_said "$said")
	return 1
}

# openrc_look believes OpenRC of another's.
openrc_look() {
	process_look
	is_ours "/etc/init.d/$name" || ! openrc_started || state=running
}

openrc_all() { process_all; }
openrc_log() { process_log "$@"; }
openrc_follow() { process_follow "$@"; }
