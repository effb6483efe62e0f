# install.sh: one conversation is one install. It tells its facts and waits for a word:
#
#	keep            the release is current: nothing to do
#	switch          it is here, and becomes current
#	take OFFSET     it follows, from there on, in parts; see receive.sh
#	bye, abort      the end
#	pause           the end, and what arrived is kept for the next try
#
# What takes time runs beside, so that the end of input is noticed while it does.

had_root=$(near "$root") had_bin=$(near "$bin")

# unmake DIRECTORY UPTO removes the directories that we made, as far as they are empty.
unmake() {
	while [ "$1" != "$2" ] && rmdir "$1"; do
		set -- "${1%/*}" "$2"
	done
}

clean() {
	case ${locked:-no},$* in
	"yes,hung up" | yes,overdue | yes,paused) park ;;
	esac
	remove "$incoming" "$staged" "$bin/.$name-$random"
	later current "$(link_of "$base/current")"
	if [ -n "$locked" ]; then
		case $1 in
		'done') ;;
		*) [ ! -e "$base/current" ] || note "$1" ;;
		esac
		[ -e "$bin/$name" ] || [ "$(link_of "$bin/$name")" != "$target" ] || rm -f "$bin/$name"
		# Without the lock another may just have made what is empty yet.
		[ -L "$base/current" ] || rmdir "$base/releases"
		[ -L "$base/current" ] || unmake "$bin" "$had_bin"
		rm -f "$base/lock"
	fi
	[ ! -L "$base/takeover" ] || [ "$(link_of "$base/takeover")" != "${me-}" ] || rm -f "$base/takeover"
	if [ ! -L "$base/current" ]; then
		rmdir "$base"
		unmake "$root" "$had_root"
	fi
}

ready() { tell ready; }

beside probe_platform probe_place probe_daemon ready

while read -r word offset; do
	case $word in
	keep)
		remove "$base/partial"
		note unchanged
		end "done"
		;;
	switch)
		lock
		beside activate
		;;
	take)
		lock
		receive "$offset"
		beside verify activate
		;;
	bye) end "done" ;;
	abort) end stopped ;;
	pause) end paused ;;
	*) fail refused "unknown word: $word" ;;
	esac
done
end hung up
