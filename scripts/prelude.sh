# prelude.sh: how every script speaks and ends. Given: sentinel, which marks our lines among
# whatever else a login prints, and seconds, the time that remains.

set -u
umask 022
LC_ALL=C
export LC_ALL
trap '' PIPE # when our side is gone, speaking must not keep us from cleaning up

newline='
'

# tell WORD... says a line, also from within a pipeline; what later was given goes with it: what need
# not be heard at once comes in one packet, not in many.
exec 3>&1
words=
tell() {
	later "$@"
	printf '%s' "$words" >&3 2>/dev/null
	words=
}
later() { words="$words$sentinel $*$newline"; }

# stat_of PID FIELD prints a field of /proc/PID/stat, counted from the state, which is the first.
stat_of() {
	[ -r "/proc/$1/stat" ] && read -r stat <"/proc/$1/stat" || return
	field=$2
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	shift $((field - 1))
	printf '%s' "$1"
}

# end_group ends our process group, ourselves too unless we ignore TERM. An SSH server may be in it
# (dropbear makes no group of ours): then all but those that we descend from.
group=$(stat_of $$ 3)
end_group() {
	if [ "${group:-$$}" = $$ ]; then
		kill -s TERM 0
		return
	fi
	above=' ' pid=$$
	while pid=$(stat_of "$pid" 2) && [ "$(stat_of "$pid" 3)" = "$group" ]; do
		above="$above$pid "
	done
	for pid in /proc/[0-9]*; do
		pid=${pid#/proc/}
		case $above in
		*" $pid "*) ;;
		*) [ "$(stat_of "$pid" 3)" != "$group" ] || kill -s TERM "$pid" ;;
		esac
	done 2>/dev/null
}

clean() { :; } # a script that leaves something behind says here how to remove it

# end WORD...: the one way out. What runs is ended first, then what it left is removed, then the
# last word is said: in that order it works when nobody listens any more.
end() {
	trap '' HUP INT TERM
	trap - EXIT
	end_group
	if [ "$1" != 'done' ]; then # again, for one that was just being born and lost the signal
		sleep 0
		end_group
	fi
	wait
	clean "$@" 2>/dev/null
	tell end "$@"
	exit 0
}

fail() { end failed "$@"; }

# One guard is the end of input: whoever reads it ends the script. This is the other one, for a
# network that swallows packets. It starts before there are traps: a signal that meets a new process
# while that still has ours is lost, and we would wait for the clock. It must not end itself before
# it has ended the others. It holds no output, so that our own end, if we are killed, is heard of.
{ sleep "$seconds" && trap '' TERM && end_group; } >/dev/null 2>&1 3>&- &

trap 'end hung up' HUP INT
trap 'end overdue' TERM
trap 'end broken' EXIT

# apart makes fail, in a subshell, say what is wrong and end that alone: we are told to abort then.
apart() {
	trap 'trap - EXIT; exit 1' TERM
	trap 'tell failed refused "the script broke off"' EXIT
	# shellcheck disable=SC2317 # it is called in the place of the other
	fail() {
		trap - EXIT
		tell failed "$@"
		exit 1
	}
}

# beside FUNCTION...: runs them in order; what fails is told, and then we are told to abort.
beside() {
	(
		apart
		for step; do "$step"; done
		trap - EXIT
	) &
}

has() { command -v "$1" >/dev/null 2>&1; }

# remove PATH... removes what there is of them. To look first is cheaper than to start a program.
remove() {
	for doomed; do
		if [ -e "$doomed" ] || [ -L "$doomed" ]; then
			rm -rf "$doomed"
		fi
	done
}

# digest prints the SHA-256 of stdin in hex. Of a long one (size says how long) openssl, where it is,
# makes short work, but it is slower to start.
digest() {
	if [ "${size:-0}" -gt 4194304 ] && has openssl; then
		sum=$(openssl dgst -sha256 -r)
	elif has sha256sum; then
		sum=$(sha256sum)
	elif has shasum; then
		sum=$(shasum -a 256)
	else
		sum=$(openssl dgst -sha256 -r)
	fi
	printf '%s' "${sum%% *}"
}

# is_wanted FILE is true of one with the digest that we were given, or the beginning of it.
is_wanted() { case $(digest <"$1") in "$sha256"*) ;; *) false ;; esac }

# near PATH prints the path, or the nearest directory above it that exists.
near() {
	set -- "$1"
	while [ ! -e "$1" ]; do
		set -- "${1%/*}"
		[ -n "$1" ] || set -- /
	done
	printf '%s' "$1"
}

# free_kib PATH prints how many KiB an ordinary user can still write there.
free_kib() {
	# The columns are counted from the percentage, for the first one may hold spaces.
	# shellcheck disable=SC2046
	set -- $(df -Pk "$(near "$1")")
	while [ $# -gt 2 ]; do
		case $2 in
		*[0-9]%)
			printf '%s' "$1"
			return
			;;
		esac
		shift
	done
}
