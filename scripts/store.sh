# store.sh: a daemon's directory: who works on it, and how it is written. Given: what probe.sh was;
# random, a name that nobody else uses; holder, who we are; logline, the beginning of a line of the log;
# fullblock, "yes" if dd knows that word.

incoming=$base/incoming-$random
file=$incoming/release/$name
undo=$base/undo # how it was before the last change, for who takes that back
staged=$base/releases/.$random # where a release is between incoming and its place
locked=
guarded= # a change is under way that is not committed; see life.sh
fresh=

# Who does not bring life.sh has nothing to put back, and leaves that to who does.
life() { fail refused "unknown word: $1"; }
unguard() { :; }
heal() { fail unfinished "$base/pending"; }

# lock makes us the only one who works on this daemon. It is held by this process: the kernel
# ends it, or, without flock, whoever finds that the holder lives no more.
lock() {
	[ -z "$locked" ] || return
	tries=0
	me="$(date -u +%Y-%m-%dT%H:%M:%SZ) $$ $(birth $$) $random $holder"
	if has flock; then
		lock_file
	else
		lock_link
	fi
	remove "$base"/incoming-* "$base"/releases/.[!.]* # of one that could not clean up
	[ ! -e "$base/pending" ] || heal
}

lock_file() {
	until [ -e "$base/lock" ] && [ "$(tail -n 1 "$base/lock" 2>/dev/null)" = "$me" ]; do # else it was removed meanwhile
		[ -d "$base" ] || mkdir -p "$base" 2>/dev/null
		if ! { command exec 9>>"$base/lock"; } 2>/dev/null; then # exec alone would end us
			lock_failed
			continue
		fi
		flock -n 9 || busy "$(tail -n 1 "$base/lock")"
		printf '%s\n' "$me" >&9 || {
			locked=yes
			cannot "write to $base/lock" ""
		}
	done
	locked=yes
}

lock_link() {
	until mkdir -p "$base" 2>/dev/null && ln -s "$me" "$base/lock" 2>/dev/null; do
		other=$(link_of "$base/lock")
		if [ -z "$other" ]; then
			lock_failed
		elif is_alive "$other"; then
			busy "$other"
		else
			take_over "$other"
		fi
	done
	locked=yes
}

# take_over HOLDER removes the lock of one who is dead. Of all who found that, one at a time: else a
# slow one would remove what a fast one made meanwhile.
take_over() {
	if ln -s "$me" "$base/takeover" 2>/dev/null; then
		[ "$(link_of "$base/lock")" != "$1" ] || rm -f "$base/lock"
		rm -f "$base/takeover"
		return
	fi
	other=$(link_of "$base/takeover")
	[ -z "$other" ] || is_alive "$other" || rm -f "$base/takeover"
	lock_failed
}

# lock_failed gives up in the end: one who gave up may just have removed the lock or the directory.
lock_failed() {
	tries=$((tries + 1))
	[ "$tries" -lt 50 ] || try "write to $base" mkdir -p "$incoming"
	[ "$tries" -lt 50 ] || cannot "write to $base/lock" ""
}

# try WHAT COMMAND... runs the command, or fails because we cannot WHAT.
try() {
	what=$1
	shift
	why=$("$@" 2>&1) || cannot "$what" "$why"
}

# cannot WHAT WHY [KIND] fails, for want of space if WHY, the message of a command, says so or if there
# is little, else of the kind, which is permission unless it is said.
cannot() {
	why=${2##*: } why=${why%%"$newline"*}
	case $why,$(free_kib "$base") in
	*"No space"* | *uota* | *,[0-9] | *,[0-9][0-9] | *,[0-9][0-9][0-9]) fail space "$(free_kib "$base")" "$why" ;;
	esac
	fail "${3:-permission}" "cannot $1${why:+: $why}"
}

# busy HOLDER: the lock is another's.
busy() {
	set -f
	# shellcheck disable=SC2086
	set -- $1
	[ $# -ge 5 ] || set -- now 0 0 0 "another operation" # it has not written its name yet
	since=$1
	shift 4
	fail locked "$since" "$*"
}

is_alive() {
	set -f
	# shellcheck disable=SC2086
	set -- $1
	set +f
	[ "$(birth "$2")" = "$3" ]
}

# birth PID prints when a process was started, which a later one of the same number was not.
birth() {
	stat_of "$1" 20 || ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' _
}

# point LINK TARGET TEMPORARY makes LINK a symbolic link to TARGET, with a rename. A link to a
# directory is replaced, not entered: by -T with GNU and busybox, by -h on BSD and macOS.
point() {
	remove "$3"
	try "write to ${3%/*}" ln -s "$2" "$3"
	if [ -d "$1" ]; then
		mv -fT "$3" "$1" 2>/dev/null || mv -fh "$3" "$1" 2>/dev/null ||
			perl -e 'rename $ARGV[0], $ARGV[1] or exit 1' "$3" "$1"
	else
		mv -f "$3" "$1"
	fi || cannot "replace $1" ""
}

# note OUTCOME adds a line to the log.
note() {
	noted=$(link_of "$base/current")
	printf '%s,"release":"%s","outcome":"%s"}\n' "$logline" "${noted#releases/}" "$*" >>"$base/log.jsonl"
}

# pull BYTES passes on exactly so many, as they come: what follows them is ours to read.
pull() {
	if [ "$fullblock" != yes ]; then
		pull_slowly "$1"
		return
	fi
	dd bs=65536 count="$(($1 / 65536))" iflag=fullblock 2>/dev/null
	[ "$(($1 % 65536))" -eq 0 ] || dd bs="$(($1 % 65536))" count=1 iflag=fullblock 2>/dev/null
}

# pull_slowly is for a dd that knows only what POSIX asks: one read gives some of the bytes,
# never more.
pull_slowly() {
	: >"$incoming/chunk"
	got=0
	while [ "$got" -lt "$1" ]; do
		before=$got
		dd bs=$(($1 - got)) count=1 2>/dev/null >>"$incoming/chunk"
		got=$(($(wc -c <"$incoming/chunk")))
		[ "$got" -gt "$before" ] || return 1
	done
	cat "$incoming/chunk"
}
