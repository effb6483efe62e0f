# birth.sh: by what process.sh and supervise.sh know a process: a later one of the same number has another birth, or
# was started after another boot.

# process_birth PID prints when a process was started; nothing if it has ended.
process_birth() {
	stat=
	{ [ ! -r "/proc/$1/stat" ] || while read -r line; do stat="$stat $line"; done <"/proc/$1/stat"; } 2>/dev/null
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
	fi
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

# process_boot prints what is another after each start of the host, or of the container.
process_boot() {
	id=
	[ ! -r /proc/sys/kernel/random/boot_id ] || read -r id </proc/sys/kernel/random/boot_id
	printf '%s' "$id.$(process_birth 1)"
}
