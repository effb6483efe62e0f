# systemd.sh: a service as a unit of systemd, of the user's own manager or of the system's. Given: what
# service.sh was.

case $scope in
system) systemd_dir=/etc/systemd/system ;;
*) systemd_dir=$HOME/.config/systemd/user ;;
esac

# systemd WORD... is systemctl of the scope. What the environment says of the manager may be another
# user's (su), or not be there (sshd without PAM). It must not read what is for us.
systemd() {
	case $scope in
	system) systemctl --no-ask-password "$@" ;;
	*) XDG_RUNTIME_DIR=/run/user/${uid:=$(id -u)} systemctl --user "$@" ;;
	esac </dev/null
}

# property NAME sets value to what systemctl show said of it in shown.
property() {
	value=
	case $shown in
	*"$newline$1="*)
		value=${shown#*"$newline$1="}
		value=${value%%"$newline"*}
		;;
	esac
}

systemd_fits() {
	why=
	if [ ! -d /run/systemd/system ] || ! has systemctl; then
		why="systemd does not run on this host"
		return 1
	fi
	[ "$scope" != system ] || return 0
	: "${uid:=$(id -u)}" "${user:=$(id -un)}"
	if [ ! -d "/run/user/$uid" ]; then
		why="/run/user/$uid is missing"
	elif ! why=$(systemd show -p Version 2>&1 >/dev/null); then
		why=${why%%"$newline"*}
	else
		return 0
	fi
	why="$user has no systemd manager of its own on this host: $why; install libpam-systemd there,"
	why="$why or run once: sudo loginctl enable-linger $user; or use --scope system, or --service process"
	return 1
}

# systemd_ready has the user's manager started with the host, and go on when the user signs out.
systemd_ready() {
	[ "$scope" != system ] || return 0
	: "${user:=$(id -un)}"
	[ ! -e "/var/lib/systemd/linger/$user" ] || return 0
	mkdir -p "$svc" && : >"$svc/lingers" || return # before it is so, lest it be forgotten
	why=$(loginctl --no-ask-password enable-linger 2>&1 </dev/null) && return
	rm -f "$svc/lingers"
	rmdir "$svc" 2>/dev/null
	why="$user may not have services that run when nobody is signed in (${why%%"$newline"*}):"
	why="$why run on the host, once: sudo loginctl enable-linger $user; or use --service process"
	return 1
}

# systemd_file says another place if a unit of this name is there already, which ours would hide.
systemd_file() {
	file=$systemd_dir/$name.service
	[ ! -e "$file" ] && [ ! -L "$file" ] || return 0
	shown=$newline$(systemd show -p FragmentPath "$name.service" 2>/dev/null)
	property FragmentPath
	[ -z "$value" ] || file=$value
}

systemd_put() {
	if ! why=$({ mkdir -p "$systemd_dir" && copy_of "$1/unit" "$systemd_dir/.$name.davit" &&
		mv -f "$systemd_dir/.$name.davit" "$systemd_dir/$name.service"; } 2>&1); then
		rm -f "$systemd_dir/.$name.davit"
		why="cannot write $systemd_dir/$name.service: ${why##*: }"
		return 1
	fi
	systemd_enable "${2-enabled}"
}

systemd_autostart() {
	value=$(systemd is-enabled "$name.service" 2>/dev/null)
	case $value in
	enabled | enabled-runtime) echo "$value" ;;
	esac
}

# systemd_enable has all units read anew, too.
systemd_enable() {
	case $1 in
	'') why=$(systemd daemon-reload 2>&1) ;;
	enabled-runtime) why=$(systemd enable -q --runtime "$name.service" 2>&1) ;;
	*) why=$(systemd enable -q "$name.service" 2>&1) ;;
	esac && return
	why="systemd does not take $systemd_dir/$name.service: ${why%%"$newline"*}"
	return 1
}

systemd_drop() {
	rm -f "$systemd_dir/.$name.davit"
	if [ -e "$systemd_dir/$name.service" ] && is_ours "$systemd_dir/$name.service"; then
		systemd disable -q "$name.service" 2>/dev/null
		rm -f "$systemd_dir/$name.service"
		gone=yes
	fi
	# Without a manager to speak to, these are left; and without a unit they lead nowhere.
	for link in "$systemd_dir"/*.wants/"$name.service" "$systemd_dir"/*.requires/"$name.service"; do
		[ ! -L "$link" ] || [ -e "$link" ] || rm -f "$link"
	done
	if [ -n "${gone-}" ]; then
		systemd daemon-reload 2>/dev/null
		systemd reset-failed "$name.service" 2>/dev/null
	fi
	[ "$scope" != system ] || return 0
	rmdir "$systemd_dir/default.target.wants" "$systemd_dir" "${systemd_dir%/*}" "$HOME/.config" 2>/dev/null
	systemd_unlinger
}

# systemd_unlinger takes back what systemd_ready did, unless another daemon needs it, which then has to.
systemd_unlinger() {
	[ -e "$svc/lingers" ] || return 0
	for other in "$root"/*/service; do
		used=
		[ ! -f "$other/kind" ] || read -r used <"$other/kind"
		if [ "$used" = systemd ] && [ "$other" != "$svc" ]; then
			mv -f "$svc/lingers" "$other/lingers"
			return
		fi
	done
	if ! why=$(loginctl --no-ask-password disable-linger 2>&1 </dev/null); then
		why="cannot end lingering: ${why%%"$newline"*}"
		return 1
	fi
	rm -f "$svc/lingers"
}

systemd_start() {
	# A limit for restarts is none for who asks.
	systemd reset-failed "$name.service" 2>/dev/null
	said=$(systemd start "$name.service" 2>&1) && return
	systemd_look
	why=${why:-${said%%"$newline"*}}
	return 1
}

systemd_stop() {
	# The unit has a limit of its own, which may be another.
	{
		sleep "$1" &
		trap 'kill $!' TERM
		wait $! && systemd kill -s KILL "$name.service"
	} >/dev/null 2>&1 3>&- &
	clock=$!
	said=$(systemd stop "$name.service" 2>&1)
	ended=$?
	kill "$clock" 2>/dev/null
	case $ended in
	0 | 5) # 5: there is no such unit
		systemd reset-failed "$name.service" 2>/dev/null # it was asked to end, however it did
		return 0
		;;
	esac
	why=${said%%"$newline"*}
	return 1
}

systemd_look() {
	state=stopped pid='' why=''
	if ! shown=$(systemd show "$name.service" -p LoadState,ActiveState,SubState,MainPID,Result,NRestarts,RestartUSec \
		-p ExecMainCode,ExecMainStatus 2>&1); then
		why=${shown%%"$newline"*}
		return 1
	fi
	shown=$newline$shown
	property MainPID
	[ "${value:-0}" = 0 ] || pid=$value
	property ActiveState
	case $value in
	active | reloading | deactivating) state=running ;;
	activating)
		state=running
		property SubState
		[ "$value" != auto-restart ] || systemd_fell
		;;
	failed) systemd_fell ;;
	*) systemd_ended ;;
	esac
}

systemd_all() {
	members=
	shown=$newline$(systemd show -p ControlGroup "$name.service" 2>/dev/null)
	property ControlGroup
	[ -z "$value" ] || members=$(grep -l -F -e "$value" /proc/[0-9]*/cgroup 2>/dev/null | tr -c '0-9' ' ')
}

# systemd_fell says why the daemon failed.
systemd_fell() {
	state=failed
	systemd_ended
	property Result
	case $value in
	oom-kill) why="${why:-it was ended}, for want of memory" ;;
	timeout) why="${why:-it was ended}, after it took too long to start or to end" ;;
	watchdog) why="${why:-it was ended}, after it did not say in time that it lives" ;;
	protocol) why="${why:-it ended} before it said that it is ready" ;;
	resources) why="systemd could not start it: see its journal" ;;
	esac
	property NRestarts
	restarts=${value:-0}
	[ "$restarts" = 0 ] || why="$why, $((restarts + 1)) times"
	property SubState
	if [ "$value" = auto-restart ]; then
		property RestartUSec
		why="$why, and is started again in $value"
	elif [ "$restarts" -gt 0 ]; then
		why="$why, and is not started any more"
	fi
}

# systemd_ended says how the daemon ended, if it ever ran.
systemd_ended() {
	property ExecMainCode
	how=$value
	property ExecMainStatus
	case $how in
	1)
		why="it ended with status $value"
		case $value in
		200) why="$why: its working directory cannot be entered" ;;
		203) why="$why: it cannot be executed" ;;
		216 | 217) why="$why: there is no such user" ;;
		2[0-4][0-9]) why="$why: systemd could not set up what its unit asks for" ;;
		esac
		;;
	2 | 3) why="it was ended by signal $(kill -l "$value" 2>/dev/null || echo "$value")" ;;
	esac
}

systemd_log() { systemd_since "${2-}" -n "$1"; }

systemd_follow() { systemd_since "${2-}" -f -n "$1"; }

# systemd_since SINCE WORD... is of what was said since a time, if there is one.
systemd_since() {
	since=$1
	shift
	case $since in
	'') systemd_journal "$@" ;;
	*[!0-9]*) systemd_journal "$@" --since "$since" ;;
	*) systemd_journal "$@" --since "@$since" ;;
	esac
}

# systemd_journal WORD... is journalctl of what the daemon says, without what systemd says of it. It says in why
# who may not read the journal.
systemd_journal() {
	: "${uid:=$(id -u)}"
	case $scope in
	system) journalctl -q -o cat --no-pager "_SYSTEMD_UNIT=$name.service" "$@" ;;
	*) # of what has ended at once the journal may know no more than the name
		journalctl -q -o cat --no-pager "_SYSTEMD_USER_UNIT=$name.service" "_UID=$uid" + \
			"SYSLOG_IDENTIFIER=$name" "_UID=$uid" "$@"
		;;
	esac </dev/null 2>/dev/null && return
	why="the journal cannot be read"
	[ "$uid" -eq 0 ] || why="${user:=$(id -un)} may not read the journal: add it to the group systemd-journal"
	return 1
}
