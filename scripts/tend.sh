# tend.sh: starts and ends a daemon that supervise.sh keeps running, and sees how it is, by what is in the
# supervisor's run directory. It is for process.sh and openrc.sh, and stands in service/supervise too, for who has no
# more than that. Given: svc and run, which are as there, and birth.sh.

# process_recall FILE sets pid, born and booted to what the supervisor left there.
process_recall() {
	pid='' born='' booted=''
	[ ! -r "$run/$1" ] || read -r pid born booted <"$run/$1" || :
	[ "$1" != supervisor ] || [ -d "$run" ] || process_lost
}

# process_lost is process_recall of a supervisor whose files were removed by hand: the one that leads a session.
process_lost() {
	for pid in $(head -n 9 /proc/[0-9]*/cmdline 2>/dev/null | tr '\000' '\012' | wanted=$svc/supervise awk '
		/^==> \/proc\/[0-9]+\/cmdline <==$/ { split($2, part, "/"); pid = part[3]; of = 0; next }
		$0 == ENVIRON["wanted"] { of = 1; next }
		of && $0 == "apart" { print pid }
		{ of = 0 }'); do
		! process_table | grep -q -x "$pid $pid $pid" || [ "$(process_place "$pid")" != "$(process_place self)" ] || break
		pid=
	done
	[ -z "$pid" ] || born=$(process_birth "$pid") booted=$(process_boot)
}

# process_place PID prints which file system the process sees: in a container the same path is another daemon's.
process_place() { readlink "/proc/$1/ns/mnt" && readlink "/proc/$1/root"; }

# process_is is true if the process of pid, born and booted still runs.
process_is() {
	now_booted=${now_booted:-$(process_boot)}
	[ -n "$pid" ] && [ "$booted" = "$now_booted" ] && [ "$(process_birth "$pid")" = "$born" ]
}

# process_lives FILE is true if that process, of which it sets pid, still runs.
process_lives() { process_recall "$1" && process_is; }

# process_start waits until the supervisor has its daemon, or has already seen the end of it.
process_start() {
	if [ ! -e "$run/stop" ] && process_lives supervisor; then
		return
	fi
	process_session
	if [ ! -e "$run/stop" ] && process_chief; then # just now
		return
	elif [ -e "$run/stop" ] || process_members; then # of one that was killed, or breaks off
		process_stop 10 || return
	fi
	process_recall supervisor
	before=$pid.$born
	# Not a child of ours, or we would wait for it when we end.
	(/bin/sh "$svc/supervise" </dev/null >/dev/null 2>"$svc/said" 3>&- 9>&- &)
	tries=0
	until process_recall supervisor && { [ "$pid.$born" != "$before" ] || process_is; } && # or another was started
		{ [ -e "$run/daemon" ] || [ -e "$run/ended" ]; }; do
		tries=$((tries + 1))
		if [ "$tries" -gt 100 ]; then
			why="the supervisor did not start: $(head -n 1 "$svc/said" 2>/dev/null)"
			return 1
		fi
		process_pause
	done
	rm -f "$svc/said"
}

process_pause() { sleep 0.1 2>/dev/null || sleep 1; }

# process_stop asks the supervisor, which passes it on; where there is none, all that is left. Until these two
# are gone nothing else needs to be looked for.
process_stop() {
	why='' killed='' strays='' tries=0 lost=
	process_recall supervisor
	[ -n "$pid" ] || return 0
	if [ ! -d "$run" ]; then
		mkdir -p "$run" && echo "$pid $born $booted" >"$run/supervisor" || return
		lost=yes # it does not find its daemon either
	fi
	until=$(($(date +%s) + $1))
	: >"$run/stop"
	process_session
	if [ -z "$lost" ] && process_chief; then
		kill -s TERM "$chief" 2>/dev/null
	else
		strays=told
		process_signal TERM all
	fi
	while process_chief || process_lives daemon || process_members; do
		if [ "$(date +%s)" -ge "$until" ]; then
			[ "$tries" -lt 50 ] || break
			tries=$((tries + 1)) killed=yes
			process_signal KILL all
		elif [ -z "$strays" ] && ! process_chief && ! process_lives daemon; then
			strays=told
			process_signal TERM strays
		fi
		process_pause
	done
	if process_members; then
		why="what does not end: process $members"
		return 1
	fi
	[ -z "$killed" ] || why="it did not end within $1 s of being asked to, and was killed"
	printf '%s\n' "stopped ${why:-$(process_last_end)}" >"$run/ended"
	rm -f "$run/stop"
}

# process_chief is true if the supervisor that process_session saw still runs.
process_chief() {
	pid=$chief born=$chief_born booted=$chief_booted
	process_is
}

# process_last_end prints what the supervisor saw end the daemon.
process_last_end() {
	[ -r "$run/ended" ] || return
	read -r _ ended <"$run/ended"
	printf '%s' "${ended%; it is about to be started again}"
}

# process_session sets session to the one that the supervisor made, or to "" if that number may be another's
# by now: while a process is in it, the number is taken. It sets badge to what those have in their
# environment whom the supervisor started.
process_session() {
	process_recall supervisor
	session='' badge='' chief='' chief_born='' chief_booted=''
	[ -n "$pid" ] || return
	chief=$pid chief_born=$born chief_booted=$booted
	badge=DAVIT_SUPERVISOR=$pid.$born. session=$pid
	[ "$booted" = "${now_booted:=$(process_boot)}" ] || badge=
	process_is && return
	process_lives daemon && [ "$(process_table | while read -r its _ in_session; do
		[ "$its" != "$pid" ] || echo "$in_session"
	done)" = "$session" ] || session=
}

# process_table prints PID GROUP SESSION of all that live. Where there is no /proc the group goes for the
# session: the supervisor's is both.
process_table() {
	if [ -r /proc/1/stat ] || [ -r /proc/self/stat ]; then
		cat /proc/[0-9]*/stat 2>/dev/null | awk '
			pid == "" { pid = $1 }
			/\) [A-Za-z] / { sub(/.*\) /, ""); if ($1 !~ /[ZX]/) print pid, $3, $4; pid = "" }'
	else
		ps -A -o pid= -o pgid= -o state= | awk '$3 !~ /^Z/ { print $1, $2, $2 }'
	fi
}

# process_badged prints who seems to have the badge: what an environment holds may look like the head of another.
process_badged() {
	[ -z "$badge" ] || head -n 99999 /proc/[0-9]*/environ 2>/dev/null | tr '\000' '\012' | awk -v badge="$badge" '
		/^==> \/proc\/[0-9]+\/environ <==$/ { split($2, part, "/"); pid = part[3]; next }
		$0 == badge { print pid }'
}

process_environ() { tr '\000' '\012' 2>/dev/null <"/proc/$1/environ"; } 2>/dev/null

# process_members sets members to all processes of the daemon and its supervisor, those also that left
# the session, and outside to those that left the group. False if there are none.
process_members() {
	members='' outside=''
	if [ -n "$session" ]; then
		# shellcheck disable=SC2046 # numbers
		set -- $(process_table | awk -v session="$session" '$3 == session { print $1 ($2 == session ? "" : "!") }')
		for member; do
			members="$members ${member%!}"
			case $member in
			*!) outside="$outside ${member%!}" ;;
			esac
		done
	fi
	for member in $(process_badged); do
		case "$members " in
		*" $member "*) continue ;;
		esac
		if [ -n "$(process_birth "$member")" ] && process_environ "$member" | grep -q -x -F -e "$badge"; then
			members="$members $member" outside="$outside $member"
		fi
	done
	members=${members# }
	[ -n "$members" ]
}

process_all() {
	process_session
	process_members || :
}

# process_signal SIGNAL all, or strays: those that the supervisor could not ask.
process_signal() {
	process_members || return 0
	[ "$2" = all ] || members=$outside
	for member in $members; do
		kill -s "$1" "$member" 2>/dev/null
	done
}

# process_ended sets ended and why_ended to what the supervisor left, if it did.
process_ended() { read -r ended why_ended <"$run/ended" || { ended='' why_ended='' && false; }; }

process_look() {
	state=failed why=
	process_ended
	if process_lives daemon; then
		state=running at=$pid
		process_lives supervisor || why="its supervisor was killed: it is not started again when it ends"
		pid=$at
	elif process_lives supervisor; then
		pid=
		if [ -n "$ended" ]; then
			state=$ended why=$why_ended # until it is started again, or the supervisor is gone, too
		else
			state=running # just about to
		fi
	elif process_ended && [ "$why_ended" = "${why_ended%; it is about to be started again}" ]; then
		pid='' state=$ended why=$why_ended
	elif [ -z "$pid" ]; then
		state=stopped # it never ran
	elif [ "$booted" != "$now_booted" ]; then
		pid='' why="the host was started again since"
	else
		pid='' why="${why_ended:+${why_ended%; *}; }its supervisor was killed"
	fi
} 2>/dev/null

# by_hand start, or stop SECONDS, or status does so, and says what is the matter, or how the daemon is. As of an init
# script the code is 3 of one that is stopped, 32 of one that has failed.
by_hand() {
	why='' code=0
	case $1 in
	start) process_start || code=$? ;;
	stop) process_stop "$2" || code=$? ;;
	status)
		process_look
		case $state in
		running) ;;
		stopped) code=3 ;;
		*) code=32 ;;
		esac
		why="$state${pid:+, process $pid}${why:+: $why}"
		;;
	esac
	[ -z "$why" ] || printf '%s\n' "$why"
	return "$code"
}
