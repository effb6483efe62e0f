# receive.sh: takes the bytes of a release from stdin into a private file, and checks them.
# Given: what probe.sh was, and size; random, a name that nobody else uses; holder, who we are;
# fullblock, "yes" if dd knows that word.

incoming=$base/incoming-$random
file=$incoming/release/$name
staged=$base/releases/.$random # where a release is between incoming and its place
locked=
resumed=0

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

# receive OFFSET takes what follows the first OFFSET bytes, which came with an earlier try.
receive() {
	resumed=$1
	try "make $incoming" mkdir -p "$incoming/release"
	remove "$file"
	[ -x "$base/current/$name" ] || runnable
	if [ "$resumed" -gt 0 ] && mv "$partial" "$file" 2>/dev/null; then # else the digest will tell
		try "cut $file" dd of="$file" bs=65536 seek="$((resumed / 65536))" count=0
	fi
	remove "$base/partial"
	tell made "$base"
	parts "$resumed" | follow "$resumed" | digest >"$incoming/digest"
	case $(cat "$incoming/ended" 2>/dev/null) in
	'done') ;;
	pause) end paused ;;
	'hung up') end hung up ;;
	*) end stopped ;;
	esac
}

# runnable fails where nothing can be started.
runnable() {
	try "write to $incoming" touch "$incoming/run"
	try "make $incoming/run executable" chmod 0755 "$incoming/run"
	[ -x "$incoming/run" ] || fail permission "nothing can be started below $base: it is mounted noexec"
}

# parts takes parts until another word comes. A part is announced by its place, its length, its form
# (zstd, gzip, plain) and the bytes that this has; when it is in the file, we say so. Some megabytes at
# a time are named for follow.
parts() {
	apart
	ended='hung up' from=$1 at=$1 length=0
	while read -r word at length form bytes; do
		case $word in
		part)
			part || ended=failed
			[ "$ended" = failed ] || continue
			;;
		*) ended=$word ;;
		esac
		break
	done
	echo "$from" "$((size - from))"
	echo "$ended" >"$incoming/ended"
	trap - EXIT
}

part() {
	case $form in
	zstd) pull "$bytes" | save zstd -dcq ;;
	gzip) pull "$bytes" | save gzip -dc ;;
	*)
		if [ "$fullblock" = yes ] && [ "$((bytes % 65536))" -eq 0 ]; then
			save dd bs=65536 count="$((bytes / 65536))" iflag=fullblock
		else
			pull "$bytes" | save cat
		fi
		;;
	esac || return
	tell got "$((at + length))"
	if [ "$((at + length - from))" -ge 4194304 ]; then
		echo "$from" "$((at + length - from))"
		from=$((at + length))
	fi
}

# save COMMAND... adds what the command makes of stdin to the file.
save() {
	why=$("$@" 2>&1 >>"$file") || cannot "write to $file with $1" "$why" refused
}

# follow OFFSET passes on the first OFFSET bytes of the file, and then what it is told of. It has the
# host write them to the disk meanwhile, so that little is left to write at the end.
follow() {
	[ "$1" -eq 0 ] || slice 0 "$1"
	while read -r at length; do
		slice "$at" "$length"
		sync "$file" >/dev/null 2>&1 3>&- &
	done
}

slice() { dd if="$file" bs=65536 skip="$(($1 / 65536))" count="$((($2 + 65535) / 65536))" 2>/dev/null; }

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

# verify lets through what is complete, unaltered, on the disk, and can be started. If some of it came
# with an earlier try, all of it is asked for again.
verify() {
	got=$(($(wc -c <"$file")))
	if [ "$got" -ne "$size" ]; then
		corrupt "$got of $size bytes"
	elif [ "$(cat "$incoming/digest")" != "$sha256" ]; then
		(size=0 && is_wanted "$file") || corrupt "the SHA-256 is another one" # another tool has a say
	fi
	try "make $file executable" chmod 0755 "$file"
	[ -x "$file" ] || fail permission "nothing can be started below $base: it is mounted noexec"
	tell chmod "$file"
	sync "$file" "$incoming/release" 2>/dev/null
	tell verified
}

corrupt() {
	[ "$resumed" -gt 0 ] || fail corrupt "$@"
	trap - EXIT
	tell again
	exit
}

# park keeps what arrived for the next try.
park() {
	[ -s "$file" ] && mkdir -p "$base/partial" && chmod 0644 "$file" && mv "$file" "$partial" || return
	later kept "$(($(wc -c <"$partial")))"
}
