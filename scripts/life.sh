# life.sh: a daemon's life, from one release or description of it to another. Given: what store.sh,
# activate.sh and service.sh were; adopt, "yes" if a description of somebody else's may be replaced.
#
# A change of a daemon that runs is guarded: what was before is kept in before/ until the change is
# committed. Whatever ends us earlier, our side's end or a clock, puts that back. Should we be killed, or the
# host be started again, pending puts the release back before the daemon starts, and whoever takes the lock
# next does the rest. Of one that is committed it stays in undo/, until the next.

saved=$base/before
guarded=
fresh=

life() {
	word=$1
	set -f
	# shellcheck disable=SC2086
	set -- $2 # what follows the word: names and numbers
	set +f
	case $word in
	guard) guard "$@" ;;
	define) define "$@" ;;
	recall) recall "$1" ;;
	run)
		id=${1:-$id} switching=${1-}
		beside run
		;;
	stop)
		lock
		patience=${1:-0}
		beside halt
		;;
	heal)
		lock
		# shellcheck disable=SC2086 # they are names of functions
		beside $looks ready
		;;
	ask) ask "$@" ;;
	log)
		lines=$1
		beside last_lines
		;;
	commit)
		commit
		tell committed
		;;
	undo) end unhealthy ;;
	revert) revert "$1" ;;
	port) (port "$@") ;;
	drop) drop "$@" ;;
	*) fail refused "unknown word: $word" ;;
	esac
}

# probe_service tells how the daemon is kept running, and how that is.
probe_service() {
	previous=$(link_of "$base/previous")
	fact previous "${previous#releases/}"
	[ ! -e "$base/pending" ] || fact pending
	for release in "$base"/releases/*/"$name"; do
		release=${release%/*}
		[ ! -e "$release" ] || fact release "${release##*/}"
	done
	kind_of_service
	fact kind "$kind"
	why=
	if ! "${kind}_fits" || { [ "${wanted:-$kind}" != "$kind" ] && ! "${wanted}_fits"; }; then
		fact unfit "$why"
		return
	fi
	file=
	"${kind}_file"
	if is_masked "$file"; then
		fact unfit "a service $name is masked on this host: run there, once: $(masked_by)"
		return
	elif ! is_ours "$file"; then
		fact foreign "$file"
		return
	elif [ -e "$file" ]; then
		fact ours
	fi
	[ ! -f "$svc/unit" ] || fact defined "$(definition "$svc")"
	state=stopped pid='' why=''
	"${kind}_look"
	fact state "$state"
	[ -z "$pid" ] || fact pid "$pid"
	[ -z "$why" ] || fact why "$why"
}

# masked_by prints the command that undoes it.
masked_by() {
	case $scope in
	system) echo "sudo systemctl unmask $name.service" ;;
	*) echo "systemctl --user unmask $name.service" ;;
	esac
}

probe_home() {
	fact user "${LOGNAME:-$(id -un)}"
	fact home "$HOME"
	fact root "$root"
	fact bin "$bin"
}

# definition DIR prints the digest of the description there.
definition() { cat "$1/unit" "$1/env" 2>/dev/null | (size=0 && digest); }

# guard SECONDS [fresh] keeps what there is now, until commit. After so many seconds it is put back. With
# fresh the end of our side ends nothing: the word then comes from another connection.
guard() {
	lock
	fresh=${2-}
	kind_of_service
	remove "$saved"
	try "write to $base" mkdir -p "$incoming" "$saved"
	chmod 0700 "$saved"
	state=stopped pid='' why=''
	! "${kind}_fits" || "${kind}_look"
	echo "$state" >"$saved/state"
	link_of "$base/current" >"$saved/current"
	link_of "$base/previous" >"$saved/previous"
	echo "$kind" >"$saved/kind"
	if [ -f "$svc/unit" ]; then
		try "write to $saved" cp -p "$svc/unit" "$svc/env" "$saved"
		: >"$saved/defined"
	fi
	foreign=$(theirs)
	if [ -n "$foreign" ]; then
		if [ "$adopt" != yes ] || is_masked "$foreign"; then
			fail inway "$foreign"
		fi
		try "write to $saved" mkdir "$saved/theirs"
		try "write to $saved" cp -pP "$foreign" "$saved/theirs/unit"
		"${kind}_autostart" >"$saved/autostart"
		echo "$foreign" >"$saved/foreign"
	fi
	old=$(cat "$saved/current")
	try "write to $base" write_pending
	guarded=yes
	# A clock of the change's own, for there must be time to put it back.
	{ sleep "$1" && trap '' TERM && end_group; } >/dev/null 2>&1 3>&- 9>&- </dev/null &
	deadline=$(($(now) + $1))
}

# theirs prints where a description of the service is that is not ours. It is for a subshell.
theirs() { "${kind}_file" && { is_ours "$file" || printf '%s' "$file"; }; }

# write_pending writes what puts the old release back when the daemon is started after the host was.
write_pending() {
	boot=
	[ ! -r /proc/sys/kernel/random/boot_id ] || read -r boot </proc/sys/kernel/random/boot_id
	cat >"$incoming/pending" <<-.
		: "$random: a change of $name that was not committed"
		base=$(quoted "$base") old=$(quoted "$old")
		if read -r boot </proc/sys/kernel/random/boot_id && [ "\$boot" != "$boot" ]; then
			if [ -n "\$old" ]; then
				rm -f "\$base/current" && ln -s "\$old" "\$base/current"
			else
				rm -f "\$base/current"
			fi
		fi
	.
	mv -f "$incoming/pending" "$base/pending"
}

# quoted WORD prints it as a word of sh.
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

now() { date +%s; }

# define KIND UNIT ENV takes a description of so many bytes and an environment of so many, which follow.
define() {
	kind=$1
	mkdir -p "$incoming/service" || cannot "write to $incoming" ""
	pull "$2" >"$incoming/service/unit"
	(umask 077 && pull "$3" >"$incoming/service/env")
	echo "$kind" >"$incoming/service/kind"
}

# recall RELEASE takes the description that the release had when it was last committed.
recall() {
	[ -f "$base/releases/$1/service/kind" ] || return 0
	try "write to $incoming" cp -Rp "$base/releases/$1/service" "$incoming/service"
}

# run switches to the release, if that is said, puts the new description in force, if there is one, and starts
# the daemon, anew if it runs.
run() {
	kind_of_service
	why=
	[ ! -d "$incoming/service" ] || read -r kind <"$incoming/service/kind"
	foreign=$(theirs)
	[ -z "$foreign" ] || [ -f "$saved/foreign" ] ||
		fail refused "$foreign is there and is not Davit's: move it away, or uninstall the daemon first"
	"${kind}_ready" || fail permission "$why"
	[ -z "$why" ] || tell remark "$why"
	: >"$saved/begun"
	[ -z "$switching" ] || activate
	kind_of_service
	state=stopped pid=
	"${kind}_look"
	if [ "$state" != stopped ]; then
		"${kind}_stop" "$grace" || fail refused "it cannot be stopped: $why"
	fi
	[ ! -d "$incoming/service" ] || put "$incoming/service"
	echo "$(now) $(said_so_far)" >"$saved/mark"
	start
	echo "$pid $(birth "$pid")" >"$saved/first"
	tell started "$pid"
	watch
}

# put DIR puts a description in force.
put() {
	read -r kind <"$1/kind"
	was=$kind
	[ ! -f "$svc/kind" ] || read -r was <"$svc/kind"
	[ "$was" = "$kind" ] || "${was}_drop"
	mkdir -p "$svc" || cannot "write to $svc" ""
	chmod 0700 "$svc"
	for part in env unit kind; do
		try "write to $svc" cp -p "$1/$part" "$svc/.$part"
		try "write to $svc" mv -f "$svc/.$part" "$svc/$part"
	done
	why=
	"${kind}_put" "$svc" || fail refused "its service cannot be set up: $why"
	[ -z "$why" ] || tell remark "$why"
}

# start starts the daemon and sets pid.
start() {
	why=
	"${kind}_start" || fail service "${why:-it did not start}"
	tries=0 pid=
	while [ -z "$pid" ] && [ "$tries" -lt 25 ]; do # it may be between two processes
		[ "$tries" -eq 0 ] || pause
		state='' pid=''
		"${kind}_look"
		[ "$state" = running ] || fail service "${why:-it ended at once}"
		tries=$((tries + 1))
	done
}

# watch says when the daemon is not what it was when it was started: it has ended, or was started again.
watch() {
	first=$pid born=$(birth "$pid")
	while [ -n "$born" ] && [ "$(birth "$first")" = "$born" ]; do
		pause
	done
	state='' pid='' why=''
	"${kind}_look"
	tell died "${why:-it was started again}"
}

# pause waits for a fifth of a second, or for one where sleep knows no parts. What a shell says of one that is ended
# is not for our side.
pause() { { sleep 0.2 || sleep 1; } 2>/dev/null; }

# halt ends the daemon. It may have been asked to already: then it is given patience, in seconds.
halt() {
	kind_of_service
	state=running pid='' why=
	until=$(($(now) + patience))
	while [ "$state" = running ] && [ "$(now)" -lt "$until" ]; do
		"${kind}_look"
		pause
	done
	why=
	"${kind}_stop" "$grace" || fail refused "it cannot be stopped: $why"
	state='' pid=''
	"${kind}_look"
	[ "$state" != running ] || fail refused "it runs again: $pid"
	note "$outcome"
	tell stopped
}

# ask BYTES [VOICE] runs a command of so many bytes, which follow; see ask.sh.
ask() {
	mkdir -p "$incoming" 2>/dev/null
	command=$(pull "$1")
	voice=${2-}
	beside answer
}

# last_lines says the end of what the daemon has said since it was started, once that had time to get to its log.
last_lines() {
	kind_of_service
	pause
	why=
	said_since 2>/dev/null | while IFS= read -r line || [ -n "$line" ]; do tell log "$line"; done
	tell logged
}

# said_so_far prints how many bytes are in the daemon's log, if that is a file.
said_so_far() {
	had=0
	[ ! -f "$svc/log" ] || had=$(($(wc -c <"$svc/log")))
	echo "$had"
}

# said_since prints the last lines of the log, but for what was in there before the daemon was started.
said_since() {
	began='' had=0 has=$(said_so_far)
	[ ! -f "$saved/mark" ] || read -r began had <"$saved/mark"
	if [ "$kind" = systemd ]; then
		systemd_log "$lines" "$began"
	elif [ "$has" -ge "$had" ]; then
		tail -c "+$((had + 1))" "$svc/log" | tail -n "$lines"
	else # it was put aside meanwhile
		"${kind}_log" "$lines"
	fi
}

# commit makes the change stay, unless the daemon has ended just now.
commit() {
	first='' born=''
	[ ! -f "$saved/first" ] || read -r first born <"$saved/first"
	if [ -n "$born" ] && [ "$(birth "$first")" != "$born" ]; then
		lines=50
		last_lines
		end unhealthy
	fi
	rm -f "$base/pending" "$base/confirmed"
	[ ! -f "$saved/foreign" ] || { rm -f "$base/adopted" && cp -pP "$saved/theirs/unit" "$base/adopted"; }
	remove "$undo"
	{ echo "$random" >"$saved/change" && mv "$saved" "$undo"; } 2>/dev/null || remove "$saved"
	guarded=
	at=$(link_of "$base/current")
	if [ -n "$at" ] && [ -f "$svc/unit" ]; then # a rollback runs it as it ran then
		rm -rf "$base/$at/service"
		mkdir -m 0700 "$base/$at/service" && cp -p "$svc/kind" "$svc/unit" "$svc/env" "$base/$at/service"
	fi
	note "$outcome"
	prune
}

# await waits for the word of another connection.
await() {
	while [ "$(now)" -lt "$deadline" ]; do
		case $(cat "$base/confirmed" 2>/dev/null) in
		"commit $random")
			commit
			end "done"
			;;
		"undo $random") end unhealthy ;;
		esac
		pause
	done
	end overdue
}

# revert CHANGE takes back the last change, which was committed, and is that one still: the end of it that is not
# good comes late.
revert() {
	lock
	old=$(cat "$undo/current" 2>/dev/null)
	if [ "$(cat "$undo/change" 2>/dev/null)" != "$1" ] || { [ -n "$old" ] && [ ! -e "$base/$old/$name" ]; }; then
		fail stale
	fi
	remove "$saved"
	try "write to $base" mkdir -p "$incoming"
	try "write to $base" mv "$undo" "$saved"
	try "write to $base" write_pending
	if [ -z "$old" ]; then # it was not installed
		take_root
		[ "$(grep -c . "$base/log.jsonl")" -gt 1 ] || rm -f "$base/log.jsonl"
	fi
	guarded=yes
	end reverted
}

# unguard puts back what was before, unless that was committed.
unguard() {
	if [ -z "$guarded" ]; then
		[ -z "$locked" ] || [ -e "$base/pending" ] || remove "$saved" # of a guard that failed
		return
	fi
	guarded=
	(
		trap : HUP INT TERM # not '', as they are by now: what is started would be deaf to them for ever
		fail() {
			trap - EXIT
			tell unrestored "$@"
			exit 1
		}
		trap 'tell unrestored refused "the script broke off"' EXIT
		put_back
		trap - EXIT
	)
}

# heal does for another what it could not: it was killed, or the host was started again.
heal() {
	[ -f "$saved/state" ] || {
		remove "$saved" "$base/pending"
		return
	}
	(
		fail() { exit 1; }
		trap - EXIT
		put_back
	)
	tell healed
}

put_back() {
	rm -f "$base/confirmed"
	if [ ! -f "$saved/begun" ]; then # nothing was changed
		remove "$base/pending" "$saved"
		return
	fi
	kind_of_service
	why=
	ran=$(cat "$saved/state") # kept, if whether it runs is none of our business
	[ "$ran" = kept ] || ! "${kind}_fits" || "${kind}_stop" "$grace" || :
	for link in current previous; do
		old=$(cat "$saved/$link")
		if [ -n "$old" ] && [ -e "$base/$old" ]; then
			[ "$(link_of "$base/$link")" = "$old" ] || point "$base/$link" "$old" "$saved/link"
		else
			rm -f "$base/$link"
		fi
	done
	[ "$ran" = kept ] || put_description_back
	state=stopped pid='' why=''
	case $ran in
	running) start ;;
	kept) state=kept ;;
	esac
	old=$(cat "$saved/current")
	[ -n "$old" ] || remove "$base/releases" # it was not installed
	remove "$base/pending"
	tell restored "${old:-none}" "$state" "$pid"
	remove "$saved"
}

# put_description_back makes what was in force before be so again: ours, another's, or none.
put_description_back() {
	if [ ! -f "$saved/defined" ]; then
		[ ! -f "$svc/unit" ] || "${kind}_drop"
		remove "$svc"
	elif [ "$(definition "$saved")" != "$(definition "$svc")" ]; then
		put "$saved"
	fi
	[ ! -f "$saved/foreign" ] || put_theirs_back
}

# put_theirs_back has another's description be in force again, as it was.
put_theirs_back() {
	read -r kind <"$saved/kind"
	"${kind}_file"
	auto=$(cat "$saved/autostart")
	# One of a package's is still there, and was only hidden by ours.
	if is_ours "$file" || [ "$file" != "$(cat "$saved/foreign")" ]; then
		"${kind}_put" "$saved/theirs" "$auto"
	else
		"${kind}_enable" "$auto"
	fi || fail refused "$why"
}

# drop [keep] removes the daemon and all that Davit has made for it; with keep its logs stay. Of one that is
# half gone it removes the other half.
drop() {
	lock
	keeping=${1-}
	take_root
	beside drop_all
}

# take_root has the directory of all daemons go with the last of them, unless it was chosen: it was made for them.
take_root() {
	had_root=${root%/*}
	[ -z "$dir" ] || had_root=$root
}

drop_all() {
	kind_of_service
	for kind in $kind $kinds; do
		file='' why=''
		"${kind}_fits" || continue
		"${kind}_file"
		is_ours "$file" || continue
		if [ -e "$file" ] || [ "$kind" = process ]; then
			"${kind}_stop" "$grace" || fail refused "it cannot be stopped: $why"
		fi
		"${kind}_drop" || [ -z "$why" ] || tell remark "$why"
	done
	[ "$(link_of "$bin/$name")" != "$target" ] || rm -f "$bin/$name"
	remove "$base/current" "$base/previous" "$base/releases" "$base/partial" "$saved" "$base/pending" "$base/adopted" "$undo"
	if [ "$keeping" = keep ]; then
		remove "$svc/env" "$svc/unit" "$svc/kind" "$svc/run" "$svc/supervise"
		rmdir "$svc" 2>/dev/null
		note uninstalled
	else
		remove "$svc" "$base/log.jsonl"
	fi
	tell dropped
}
