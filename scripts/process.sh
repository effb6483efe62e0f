# process.sh: the kind for hosts with no service manager. The daemon is a process with a supervisor of its
# own, supervise.sh; see tend.sh for its start and its end. Given: what service.sh was.

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
	why=$(process_install "$1/unit" 2>&1) || return
	process_crontab add || why="it does not start again with the host: $why"
}

# process_install FILE makes the file the supervisor, whose files process_remove removes.
process_install() {
	mkdir -p "$run" && printf '%s\n' "$PATH" >"$svc/path" && cp "$1" "$svc/supervise.new" &&
		chmod 0700 "$svc/supervise.new" && mv -f "$svc/supervise.new" "$svc/supervise"
}

process_remove() { remove "$svc/supervise" "$svc/supervise.new" "$svc/path" "$svc/said" "$run"; }

process_autostart() { :; } # none of another is there
process_enable() { :; }

process_drop() {
	why=
	process_crontab remove && process_remove
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

# process_log takes the log before into account: this one may just have begun, or not quite.
process_log() {
	process_timeless "${2-}" || return
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
	process_timeless "${2-}" || return
	[ -e "$svc/log" ] || : >"$svc/log" || return
	lines=$(wc -l <"$svc/log")
	[ "$lines" -ge "$1" ] || tail -n "$(($1 - lines))" "$svc/log.1" 2>/dev/null
	tail -n "$1" -F "$svc/log" 2>/dev/null
}

# process_timeless SINCE is true if no time is asked for.
process_timeless() {
	[ -n "$1" ] || return 0
	why="the log has no times: ask for a number of lines"
	return 1
}
