# receive.sh: takes the bytes of a release from stdin into a private file, and checks them.
# Given: what probe.sh was, and size; random, a name that nobody else uses; holder, who we are.

incoming=$base/incoming-$random
file=$incoming/release/$name
locked=

# lock makes us the only one who works on this daemon. It is held by this process: the kernel
# ends it, or, without flock, whoever finds that the holder lives no more.
lock() {
	tries=0
	me="$(date -u +%Y-%m-%dT%H:%M:%SZ) $$ $(birth $$) $random $holder"
	if has flock; then
		lock_file
	else
		lock_link
	fi
	rm -rf "$base"/incoming-* # of one that could not clean up
}

lock_file() {
	until [ "$(tail -n 1 "$base/lock" 2>/dev/null)" = "$me" ]; do # else it was removed meanwhile
		mkdir -p "$base" 2>/dev/null
		if ! { command exec 9>>"$base/lock"; } 2>/dev/null; then # exec alone would end us
			lock_failed
			continue
		fi
		flock -n 9 || busy "$(tail -n 1 "$base/lock")"
		printf '%s\n' "$me" >&9 || {
			locked=yes
			cannot "write to $base/lock"
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
	[ "$tries" -lt 50 ] && return
	(: >"$incoming") # which says why not
	cannot "write to $base/lock"
}

# cannot WORDS fails for want of space if there is little, else of permission.
cannot() {
	case $(free_kib "$base") in
	[0-9] | [0-9][0-9] | [0-9][0-9][0-9]) fail space "$(free_kib "$base")" ;;
	esac
	fail permission "cannot $*"
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

# receive FORM takes what is sent as zstd, gzip or plain.
receive() {
	mkdir -p "$incoming/release" || cannot "make $incoming"
	tell made "$base"
	if feed | unpack "$1" >"$file" && [ -e "$incoming/whole" ]; then
		return
	fi
	[ ! -e "$incoming/stopped" ] || end stopped
	cannot "write to $file"
}

unpack() {
	case $1 in
	zstd) zstd -dcq ;;
	gzip) gzip -dc ;;
	*) cat ;;
	esac
}

# feed passes on chunks, each announced by "data BYTES", until the word "done".
feed() {
	pull=pull_slowly
	if [ "$(printf ab | dd bs=2 count=1 iflag=fullblock 2>/dev/null)" = ab ]; then
		pull=pull_quickly
	fi
	while read -r word bytes; do
		case $word in
		data) "$pull" "$bytes" || return ;;
		done) : >"$incoming/whole" && return ;;
		*) break ;;
		esac
	done
	: >"$incoming/stopped"
}

# pull_quickly BYTES passes on exactly so many: what follows them is ours to read.
pull_quickly() { dd bs="$1" count=1 iflag=fullblock 2>/dev/null; }

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

# verify lets through what is complete, unaltered, on the disk, and can be started.
verify() {
	got=$(($(wc -c <"$file")))
	[ "$got" -eq "$size" ] || fail corrupt "$got of $size bytes"
	chmod 0755 "$file" || fail permission "cannot make $file executable"
	tell chmod "$file"
	[ "$(digest_of "$file")" = "$sha256" ] || fail corrupt "the SHA-256 is another one"
	sync "$file" "$incoming/release" 2>/dev/null
	[ -x "$file" ] || fail permission "nothing can be started below $base: it is mounted noexec"
	tell verified
}
