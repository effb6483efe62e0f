# service.sh: what keeps the daemon running, the same way for every kind. Given: what probe.sh was; wanted,
# the kind that was asked for, or "".
#
# Each kind is a file of its name with these functions, which begin with it:
#
#	KIND_fits          true if it can keep a daemon of this scope here, else says in why what is in the way
#	KIND_ready         sees to what must be so before it can (lingering), or says in why what is in the way
#	KIND_file          says in file where its description of the service is
#	KIND_put DIR HOW   puts the description DIR/unit in force, to be started with the host, or says why not. HOW says
#	                   in which way, if that is another's: what KIND_autostart printed
#	KIND_autostart     prints in which way what is there is started with the host; nothing if it is not
#	KIND_enable HOW    has it be started so
#	KIND_drop          undoes all that ready and put did; what is not there is none of its business
#	KIND_start         starts it; true if the kind took it. It does not wait until the daemon serves
#	KIND_stop SECONDS  ends it and all of its processes: TERM, and KILL after so long. True when it is gone
#	KIND_look          says in state running, stopped or failed; in pid its process, in why what ended it
#	KIND_all           says in members which processes are the daemon's, as far as that can be seen
#	KIND_log LINES SINCE     prints the last lines of its log, none from before since, which may be "" or missing
#	KIND_follow LINES SINCE  prints those and all that follow; since a time that the kind knows, or ""
#
# Where a log cannot be read, or has no times, the last two say so in why. A file for a kind's own purposes is in
# service/ below the daemon's directory. Their functions take name and base as they are when they are called.

kinds="systemd openrc launchd process"
svc=$base/service # kind, unit and env of the service that is in force; what a kind keeps besides
mark="Made by davit for $name"

# kind_of_service sets kind: the one that is in force, else the one that was asked for, else the best.
kind_of_service() {
	kind=
	[ ! -f "$svc/kind" ] || read -r kind <"$svc/kind"
	case $kind in
	systemd | openrc | launchd | process) return ;;
	esac
	kind=$wanted
	[ -z "$kind" ] || return 0
	for kind in systemd openrc launchd; do
		! "${kind}_fits" || return 0
	done
	kind=process
}

# copy_of FILE COPY makes a copy with the mode of a new file, or of a link another one.
copy_of() { if [ -L "$1" ]; then cp -P "$1" "$2"; else cat "$1" >"$2"; fi; }

# is_masked FILE is true of one that is there to keep a service of that name from ever running.
is_masked() { [ "$1" = /dev/null ] || [ "$(link_of "$1")" = /dev/null ]; }

# is_ours FILE is true of a description that is not there, or that Davit made for this daemon.
is_ours() {
	if [ -e "$1" ] || [ -L "$1" ]; then
		grep -q -F "$mark" "$1" 2>/dev/null
	fi
}
