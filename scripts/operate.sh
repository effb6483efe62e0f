# operate.sh: one conversation is one operation. It tells its facts, as far as they are asked for in looks,
# and waits for a word:
#
#	keep            the release is current: nothing to do
#	switch ID       that release is here, and becomes current
#	take OFFSET     it follows, from there on, in parts; see receive.sh. With hold it does not become current yet
#	bye, abort      the end
#	pause           the end, and what arrived is kept for the next try
#	any other       see life.sh
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
	unguard
	case ${locked:-no},$* in
	"yes,hung up" | yes,overdue | yes,paused) park ;;
	esac
	remove "$incoming" "$staged" "$bin/.$name-$random"
	later current "$(link_of "$base/current")"
	if [ -n "$locked" ]; then
		case $1 in
		'done') ;;
		*) [ ! -e "$base/current" ] || note "$1${2+ $2}" ;;
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

# shellcheck disable=SC2086 # they are names of functions
beside $looks ready

while read -r word rest; do
	case $word in
	keep)
		remove "$base/partial"
		note unchanged
		end "done"
		;;
	switch)
		lock
		id=${rest:-$id}
		beside activate
		;;
	take)
		lock
		receive "${rest%% *}"
		case $rest in
		*" hold") beside verify ;; # until it is told what to switch to
		*) beside verify activate ;;
		esac
		;;
	bye) end "done" ;;
	abort) end stopped ;;
	pause) end paused ;;
	*) life "$word" "$rest" ;;
	esac
done
[ -z "$fresh" ] || await # for who comes by another connection
end hung up
