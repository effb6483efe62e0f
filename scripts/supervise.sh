
# supervise.sh: what stays on the host, as service/supervise, and keeps one daemon running where no service
# manager does, or does not do it well. Before it stand birth.sh and tend.sh, and the values: base, the daemon's
# directory; user, whom it runs as; as, the same if we must become that one first; home, or "" for that user's own;
# directory, where it runs, or ""; command, its words, quoted; limits, of each the name, the option and the value;
# restart, when it starts again.
#
#	sh supervise          leaves the session that it was started in and goes on with the next
#	sh supervise apart    keeps the daemon running, unless another one does
#	sh supervise launch   becomes the daemon
#
# and, for who does not come from Davit, start, stop SECONDS and status; see by_hand.
#
# In service/run it leaves what others go by: supervisor and daemon (PID BIRTH BOOT); ended, the state that
# the end of the daemon left, and why. Who makes stop there and then sends TERM ends it, and the daemon.

set -u
umask 022
svc=$base/service
run=$svc/run
log=$svc/log
full=8388608 # bytes, at which a log is put aside
newline='
'

has() { command -v "$1" >/dev/null 2>&1; }
pause() { sleep 0.1 2>/dev/null || sleep 1; }

# depart becomes a supervisor in a session and an environment of its own: neither the end of whoever
# called, nor what that had set, is to matter.
depart() {
	[ ! -r "$svc/path" ] || read -r PATH <"$svc/path"
	[ -n "$home" ] || eval "home=~$user"
	set -- env -i PATH="$PATH" HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/sh /bin/sh "$svc/supervise" apart
	if has setsid; then
		exec setsid "$@"
	elif has perl; then
		exec perl -e 'use POSIX; exit if fork; POSIX::setsid(); exec @ARGV' "$@"
	fi
	exec python3 -c 'import os, sys
if os.fork(): os._exit(0)
os.setsid()
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
}

# lives PID BIRTH BOOT is true of that very process.
lives() { [ $# -eq 3 ] && [ "$3" = "$boot" ] && [ "$(process_birth "$1")" = "$2" ]; }

# keep FILE WORD... has the words in a file of run, whole at any time.
keep() {
	to=$run/$1
	shift
	printf '%s\n' "$*" >"$to.$$" && mv -f "$to.$$" "$to"
}

# recall FILE prints what keep kept there.
recall() {
	words=
	[ ! -r "$run/$1" ] || read -r words <"$run/$1"
	printf '%s' "$words"
}

# note WORD... says a line in the log.
note() { printf '%s\n' "davit: $(date -u +%Y-%m-%dT%H:%M:%SZ) $*" >&5; }

# highest sets last to the highest number of a lock, 0 if there is none.
highest() {
	last=0
	for place in "$run"/lock.*; do
		[ ! -L "$place" ] || [ "${place##*.}" -le "$last" ] || last=${place##*.}
	done
}

# alone makes us the only supervisor, or fails. Each makes the lock that follows the highest, if the holder
# of that is dead. A slow one may have made one that was passed meanwhile, and then gives it back. The highest
# is never removed.
alone() {
	while :; do
		highest
		# shellcheck disable=SC2046
		! lives $(readlink "$run/lock.$last" 2>/dev/null) || return 1
		mine=$((last + 1))
		if ! ln -s "$me" "$run/lock.$mine" 2>/dev/null; then
			[ -L "$run/lock.$mine" ] || return 1
			continue
		fi
		highest
		[ "$last" -ne "$mine" ] || break
		rm -f "$run/lock.$mine"
	done
	for place in "$run"/lock.*; do
		[ "$place" = "$run/lock.$mine" ] || rm -f "$place"
	done
}

# supervise keeps the daemon running until it is to run no more.
supervise() {
	boot=$(process_boot)
	me="$$ $(process_birth $$) $boot"
	mkdir -p "$run" && alone || exit
	daemon='' stopping='' sweeping='' logger='' starts=''
	rm -f "$run/stop" "$run/ended" "$run/daemon" "$run/pipe"
	trap 'asked' TERM
	trap : HUP INT QUIT # not '', which the daemon would inherit
	trap '' PIPE
	DAVIT_SUPERVISOR=$$.$(process_birth $$). # by this all that it starts is known
	export DAVIT_SUPERVISOR
	cd / || exit
	mkfifo -m 0600 "$run/pipe" && keep supervisor "$me" || exit
	exec </dev/null >/dev/null 2>&1
	exec 4<>"$run/pipe" # as a reader and a writer: to open it waits for nobody
	exec 5>"$run/pipe" 4>&-
	while :; do
		launch
		ended
		sweep
		again || break
		note "$reason; it is started again"
		keep ended failed "$reason; it is about to be started again"
		rest
		[ -z "$stopping" ] || break
	done
	note "$reason"
	keep ended "$state" "$reason"
}

# asked is what TERM does: the daemon is passed it.
asked() {
	[ -z "$sweeping" ] || return 0
	stopping=yes
	: >"$run/stop"
	pass
}

# pass sends the daemon TERM. It waits until that has said that it is there: before, the signal might meet
# what is not the daemon yet, and be lost.
pass() {
	tries=0
	while [ -n "$daemon" ] && [ "$tries" -lt 50 ] && [ ! -s "$run/daemon" ] && [ -n "$(process_birth "$daemon")" ]; do
		tries=$((tries + 1))
		pause
	done
	# shellcheck disable=SC2046
	! lives $(recall daemon) || kill -s TERM "$daemon"
}

# launch starts the daemon, and who keeps its log if nobody does. What a transaction left pending, when the
# host went down in its middle, is settled first.
launch() {
	rm -f "$run/daemon" "$run/trouble"
	# shellcheck disable=SC1091 # it is on the host
	[ ! -e "$base/pending" ] || (. "$base/pending") 5>&-
	if [ -z "$logger" ] || [ -z "$(process_birth "$logger")" ]; then
		keep_log <"$run/pipe" &
		logger=$!
	fi
	starts="$starts $(date +%s)"
	daemon=
	[ -z "$stopping" ] || return 0
	/bin/sh "$svc/supervise" launch >&5 2>&1 5>&- &
	daemon=$!
	[ -z "$stopping" ] || pass
}

# ended waits for the end of the daemon and says in reason and clean what it was.
ended() {
	reason='it was stopped before it ran' clean=yes status=
	[ -n "$daemon" ] || return 0
	while :; do
		asleep=$stopping
		wait "$daemon"
		got=$?
		[ "$got" -eq 127 ] && [ -n "$status" ] || status=$got # 127: it was told before
		[ "$asleep" != "$stopping" ] || [ -n "$(process_birth "$daemon")" ] || break # else a signal ended only the wait
	done
	daemon=
	reason="status $status"
	if [ "$status" -gt 128 ] && signal=$(kill -l "$status" 2>/dev/null); then
		reason="signal ${signal#SIG}"
	fi
	case $reason in
	'status 0' | 'signal HUP' | 'signal INT' | 'signal TERM') ;;
	*) clean= ;;
	esac
	[ ! -s "$run/trouble" ] || reason=$(recall trouble)
}

# sweep asks what the daemon left of its group to end, too. We are in that as well.
sweep() {
	sweeping=yes
	kill -s TERM 0
	sweeping=
	[ ! -e "$run/stop" ] || stopping=yes
}

# again is true if the daemon is to be started again, else says in state what is left of it.
again() {
	state=stopped
	[ -z "$stopping" ] || return 1
	[ -n "$clean" ] || state=failed
	case $restart,$clean in
	always,* | on-failure,) ;;
	*) return 1 ;;
	esac
	now=$(date +%s) recent='' count=0
	for at in $starts; do
		[ $((now - at)) -ge 60 ] || recent="$recent $at" count=$((count + 1))
	done
	starts=$recent
	[ "$count" -ge 5 ] || return 0
	state=failed
	reason="$reason, 5 times in 60 s"
	return 1
}

# rest lets a second pass, or less if we are asked to stop.
rest() {
	sleep 1 5>&- &
	sleeper=$!
	[ -n "$stopping" ] || wait "$sleeper"
	kill "$sleeper"
}

# keep_log writes what comes to the log, each read at once, and puts it aside when it is full: so there are
# five files of 8 MiB. What a full disk has no room for is dropped, not waited for. It ends with the pipe.
keep_log() {
	trap '' TERM # what is said last is heard
	exec 5>&-    # here, for to call a function without it some shells would keep it
	umask 077
	while :; do
		size=$(wc -c <"$log")
		size=$((${size:-0}))
		if [ "$size" -ge "$full" ]; then
			mv -f "$log.3" "$log.4"
			mv -f "$log.2" "$log.3"
			mv -f "$log.1" "$log.2"
			mv -f "$log" "$log.1"
			size=0
		fi
		pull "$log" "$(((full - size + 8191) / 8192))" || pull /dev/null 512 || return 0
	done
}

# pull FILE READS adds to the file what comes; true if all of it was written, and some came.
pull() {
	said=$(dd bs=8192 count="$2" 2>&1 >>"$1") || return
	case $newline$said in
	*"$newline"0+0' records in'*) return 1 ;;
	*' records in'*) ;;
	*) return 1 ;;
	esac
}

# become turns this process into the daemon.
become() {
	boot=$(process_boot)
	keep daemon "$$ $(process_birth $$) $boot"
	rm -f "$run/ended"
	# shellcheck disable=SC2086
	set -- $limits
	while [ $# -gt 2 ]; do
		option=$2
		if [ "${option%u}" != "$option" ] && ! (attempt ulimit "-$option") >/dev/null 2>&1; then
			option=${option%u}p # as dash and busybox have it
		fi
		attempt ulimit "-$option" "$3" || trouble "the limit $1 cannot be set: ${why##*: }"
		shift 3
	done
	if [ -z "$directory" ]; then
		directory=$HOME
		[ -d "$HOME" ] || directory=/ # many an account for services has a home that is not there
	fi
	attempt cd "$directory" || trouble "it cannot run in $directory: ${why##*: }"
	eval "set -- $command"
	[ -x "$1" ] || trouble "$1 cannot be started"
	if [ -n "$as" ]; then
		id -u "$as" >/dev/null 2>&1 || trouble "it cannot run as $as: there is no such user"
		if has setpriv && setpriv --reuid=0 true 2>/dev/null; then # busybox has one that cannot
			set -- "$(command -v setpriv)" "--reuid=$(id -u "$as")" "--regid=$(id -g "$as")" --init-groups -- "$@"
		else
			has su || trouble "it cannot run as $as: there is neither setpriv nor su"
			set -- "$(command -v su)" -s /bin/sh "$as" -c "exec $command"
		fi
	fi
	# shellcheck disable=SC1091 # it is on the host
	[ ! -e "$svc/env" ] || . "$svc/env"
	exec "$@"
}

# attempt COMMAND... runs the command, or says in why what is against it.
attempt() { why=$("$@" 2>&1) && "$@"; }

# trouble WORD... gives up to become the daemon.
trouble() {
	echo "davit: $*"
	keep trouble "$*"
	exit 1
}

case ${1-} in
apart) supervise ;;
launch) become ;;
start | stop | status) by_hand "$@" ;;
*) depart ;;
esac
exit
