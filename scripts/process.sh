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
	why=$(mkdir -p "$run" && printf '%s\n' "$PATH" >"$svc/path" && cp "$1/unit" "$svc/supervise.new" &&
		chmod 0700 "$svc/supervise.new" && mv -f "$svc/supervise.new" "$svc/supervise" 2>&1) || return
	why=
	process_crontab add || why="it does not start again with the host: $why"
}

process_drop() {
	why=
	process_crontab remove && rm -rf "$svc/supervise" "$svc/supervise.new" "$svc/path" "$run"
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

# process_birth PID and process_boot are birth and boot of supervise.sh.
process_birth() {
	stat=
	[ ! -r "/proc/$1/stat" ] || while read -r line; do stat="$stat $line"; done <"/proc/$1/stat"
	if [ -n "$stat" ]; then
		# shellcheck disable=SC2086
		set -- ${stat##*) }
		[ $# -ge 20 ] || return
		case $1 in
		[ZX]) ;;
		*)
			shift 19
			printf '%s' "$1"
			;;
		esac
		return
	fi 2>/dev/null
	# shellcheck disable=SC2046
	set -- $(ps -o state= -o lstart= -p "$1" 2>/dev/null)
	case ${1:-Z} in
	[ZX]*) ;;
	*)
		shift
		printf '%s' "$*" | tr ' ' _
		;;
	esac
}

process_boot() {
	id=
	[ ! -r /proc/sys/kernel/random/boot_id ] || read -r id </proc/sys/kernel/random/boot_id
	printf '%s' "$id.$(process_birth 1)"
}

# process_recall FILE sets pid, born and booted to what the supervisor left there.
process_recall() {
	pid='' born='' booted=''
	[ ! -r "$run/$1" ] || read -r pid born booted <"$run/$1" || :
}

# process_lives FILE is true if that process, of which it sets pid, still runs.
process_lives() {
	process_recall "$1"
	[ -n "$pid" ] && [ "$booted" = "$(process_boot)" ] && [ "$(process_birth "$pid")" = "$born" ]
}

process_start() {
	if [ ! -e "$run/stop" ] && process_lives supervisor; then
		return
	fi
	process_stop 10 || return # of what a supervisor left that was killed
	rm -f "$run/supervisor" "$run/daemon" "$run/ended"
	/bin/sh "$svc/supervise" </dev/null >/dev/null 2>"$run/said" 3>&- 9>&- &
	tries=0
	until process_lives supervisor && { [ -e "$run/daemon" ] || [ -e "$run/ended" ]; }; do
		[ ! -e "$run/ended" ] || return 0
		tries=$((tries + 1))
		if [ "$tries" -gt 100 ]; then
			why="the supervisor did not start: $(head -n 1 "$run/said" 2>/dev/null)"
			return 1
		fi
		process_pause
	done
}

process_pause() { sleep 0.1 2>/dev/null || sleep 1; }

# process_stop asks the supervisor, or what is left if there is none. Until both it and the daemon are gone
# there is no need to look for others.
process_stop() {
	why='' killed='' tries=0
	until=$(($(date +%s) + $1))
	[ -e "$run/supervisor" ] || return 0
	: >"$run/stop"
	process_session
	if process_lives supervisor; then
		kill -s TERM "$pid" 2>/dev/null
	else
		process_signal TERM all
		strays=told
	fi
	while process_lives supervisor || process_lives daemon || process_members; do
		if [ "$(date +%s)" -ge "$until" ]; then
			[ "$tries" -lt 50 ] || break
			tries=$((tries + 1))
			killed=yes
			process_signal KILL all
		elif [ -z "$strays" ] && ! process_lives supervisor && ! process_lives daemon; then
			strays=told
			process_signal TERM strays
		fi
		process_pause
	done
	if process_members; then
		why="these do not end: $(echo $members)"
		return 1
	fi
	rm -f "$run/stop"
	[ -z "$killed" ] || why="it did not end within $1 s and was killed"
	process_was_stopped
}
