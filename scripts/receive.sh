# receive.sh: takes the bytes of a release from stdin into a private file, and checks them.
# Given: what store.sh was, and size.

resumed=0

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

# park keeps what arrived for the next try, unless it is a release by now: they would be the same file.
park() {
	[ ! -e "$base/releases/$id/$name" ] && [ -s "$file" ] && mkdir -p "$base/partial" && chmod 0644 "$file" && mv "$file" "$partial" || return
	later kept "$(($(wc -c <"$partial")))"
}
