# process.sh: the kind for hosts with no service manager. The daemon is a process with a supervisor of its
# own, supervise.sh, whose run directory says how it is. Given: what service.sh was.

run=$svc/run

process_fits() {
	why=
	for tool in mkfifo dd tail; do
		has "$tool" || why="there is no $tool to keep the log with"
	done
	has setsid || has perl || has python3 || why="there is no setsid, perl or python3 to start a process apart from this session"
	[ -n "$(process_birth $$)" ] || why="neither /proc nor ps says when a process was started"
	[ -z "$why" ]
}

process_ready() { process_fits; }
process_file() { file=$svc/supervise; }

# process_put leaves in why, too, that it will not start with the host, which is no failure.
process_put() {
	why=$({
		mkdir -p "$run" && printf '%s\n' "$PATH" >"$svc/path" && cp "$1/unit" "$svc/supervise.new" &&
			chmod 0700 "$svc/supervise.new" && mv -f "$svc/supervise.new" "$svc/supervise"
	} 2>&1) || return
	process_crontab add || why="it does not start again with the host: $why"
}

process_autostart() { :; } # none of another is there
process_enable() { :; }

process_drop() {
	why=
	process_crontab remove && remove "$svc/supervise" "$svc/supervise.new" "$svc/path" "$svc/said" "$run"
}

# process_crontab add, or remove, leaves our line in the user's crontab, or not. All others stay as they are.
# It is put together in a file: of one that breaks off in a pipe, crontab would take half.
process_crontab() {
	if ! has crontab; then
		[ "$1" = add ] || return 0
		why="there is no crontab"
		return 1
	fi
	ours="# [$mark in $base]"
	made=
	[ -d "$svc" ] || made=yes
	why=$(mkdir -p "$svc" 2>&1) || return
	if ! why=$(crontab -l 2>&1 >"$svc/crontab.old" </dev/null); then
		case $why in
		*"no crontab"* | *"No such file"*) : >"$svc/crontab.old" ;;
		*)
			why="crontab: ${why%%"$newline"*}"
			rm -f "$svc/crontab.old"
			[ "$1" = remove ] # who may have none has none of ours
			return
			;;
		esac
	fi
	process_new_crontab "$1"
	code=$?
	rm -f "$svc/crontab.old" "$svc/crontab.new"
	[ -z "$made" ] || rmdir "$svc" "$base" 2>/dev/null
	return "$code"
}

process_new_crontab() {
	grep -v -F -e "$ours" "$svc/crontab.old" >"$svc/crontab.new"
	[ $? -le 1 ] || return 1
	if [ "$1" = add ]; then
		# A shell reads the line; cron makes newlines of the percent signs that stand alone.
		place=$(printf '%s' "$svc/supervise" | sed "s/'/'\\\\''/g; s/%/\\\\%/g")
		printf '%s\n' "@reboot /bin/sh '$place' $ours" >>"$svc/crontab.new" || return
	fi
	! cmp -s "$svc/crontab.old" "$svc/crontab.new" || return 0
	if [ -s "$svc/crontab.new" ]; then
		why=$(crontab "$svc/crontab.new" 2>&1 </dev/null)
	else
		why=$(crontab -r 2>&1 </dev/null)
	fi || {
		why="crontab: ${why%%"$newline"*}"
		return 1
	}
}

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
		[ "$(stat_of "$pid" 4)" != "$pid" ] || [ "$(process_place "$pid")" != "$(process_place self)" ] || break
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

process_look() {
	state=failed why=
	read -r ended why_ended <"$run/ended" || ended='' why_ended=
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
	elif [ -n "$ended" ] && [ "$why_ended" = "${why_ended%; it is about to be started again}" ]; then
		pid='' state=$ended why=$why_ended
	elif [ -z "$pid" ]; then
		state=stopped # it never ran
	elif [ "$booted" != "$now_booted" ]; then
		pid='' why="the host was started again since"
	else
		pid='' why="${why_ended:+${why_ended%; *}; }its supervisor was killed"
	fi
} 2>/dev/null

# process_log LINES takes the log before into account: this one may just have begun, or not quite.
process_log() {
	{ process_tails "$1" || { process_pause && process_tails "$1"; } || tail -n "$1" "$svc/log.1"; } 2>/dev/null | tail -n "$1"
}

# process_tails LINES opens both at once, for they may be put aside at any time. The older one ends within a line,
# which goes on in the other: where that is not read from its beginning, nothing must come before.
process_tails() {
	older=/dev/null
	[ ! -e "$svc/log.1" ] || older=$svc/log.1
	{
		[ "$(wc -l <&4)" -ge "$1" ] || tail -n "$1" <&6
		tail -n "$1" <&5
	} 4<"$svc/log" 5<"$svc/log" 6<"$older"
}

process_follow() {
	if [ -n "$2" ]; then
		why="the log of a plain process has no times: ask for a number of lines"
		return 1
	fi
	[ -e "$svc/log" ] || : >"$svc/log" || return
	lines=$(wc -l <"$svc/log")
	[ "$lines" -ge "$1" ] || tail -n "$(($1 - lines))" "$svc/log.1" 2>/dev/null
	tail -n "$1" -F "$svc/log" 2>/dev/null
}
