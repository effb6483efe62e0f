# probe.sh: looks at the host and tells facts; changes nothing. Given: scope (user, system); dir,
# the directory of all daemons, or "" for the scope's own; name and sha256 of a daemon and the
# release wanted of it, or "".

fact() { later fact "$@"; }

HOME=${HOME-}
case $scope$HOME in
user/* | system*) ;;
*) fail permission "HOME is not an absolute path: '$HOME'" ;;
esac
case $scope in
system) root=/opt/davit bin=/usr/local/bin ;;
*) root=$HOME/.local/share/davit bin=$HOME/.local/bin ;;
esac
case $dir in
'') ;;
/*) root=$dir ;;
*) root=$HOME/${dir#??} ;; # ~/
esac
base=$root/$name
id=$(printf '%.12s' "$sha256")
partial=$base/partial/$sha256 # what arrived when an earlier try broke
target=$base/current/$name # what the link in bin points to
if [ "$scope$dir" = user ] && [ ! -L "$bin" ]; then
	target=../share/davit/$name/current/$name
fi

probe_platform() {
	machine=$(uname -sm)
	fact os "${machine% *}"
	fact machine "${machine##* }"
	fact longbit "$(getconf LONG_BIT 2>/dev/null)"
	fact libc "$(libc)"
	fact user "${LOGNAME:-$(id -un)}"
	fact home "$HOME"
	fact root "$root"
	fact bin "$bin"
	init
	fact free "$(free_kib "$root")"
	for tool in zstd gzip flock sha256sum shasum openssl systemctl curl sudo doas; do
		probe_tool
	done
}

# probe_tool tells where the tool is. It looks by itself: to hear an answer takes a process, and here
# are many to ask for.
probe_tool() {
	found=
	IFS=:
	for place in $PATH; do
		[ -z "$found" ] && [ -f "$place/$tool" ] && [ -x "$place/$tool" ] && found=$place/$tool
	done
	unset IFS
	if [ -n "$found" ] || has "$tool"; then # some shells have tools within
		fact tool "$tool" "${found:-$tool}"
	fi
}

libc() {
	getconf GNU_LIBC_VERSION 2>/dev/null && return
	for loader in /lib/ld-musl-*; do
		[ ! -e "$loader" ] || echo musl
	done
}

init() {
	if [ -d /run/systemd/system ]; then
		fact init systemd
	elif [ -d /run/openrc ]; then
		fact init openrc
	elif has launchctl; then
		fact init launchd
	fi
}

# link_of FILE prints what a symbolic link says, or nothing.
link_of() { [ ! -L "$1" ] || readlink "$1"; }

# probe_place tells what would keep an install from writing.
probe_place() {
	for place in "$root" "$bin"; do
		place=$(near "$place")
		if [ ! -d "$place" ] || [ ! -w "$place" ]; then
			fact unwritable "$place"
		fi
	done
}

# probe_daemon tells what there is of the daemon, and whether the wanted release is whole.
probe_daemon() {
	[ ! -e "$base" ] || fact present
	[ ! -f "$base/service/kind" ] || fact managed
	current=$(link_of "$base/current")
	fact current "${current#releases/}"
	if [ -f "$base/releases/$id/$name" ] && is_wanted "$base/releases/$id/$name"; then
		fact have "$id"
	elif [ -f "$partial" ] && [ -n "$(find "$partial" -mtime -1)" ]; then # a day: then it is forgotten
		fact partial "$(($(wc -c <"$partial")))"
	fi
	if [ -e "$bin/$name" ] || [ -L "$bin/$name" ]; then
		case $(link_of "$bin/$name") in
		*/"$name/current/$name") [ "$(link_of "$bin/$name")" != "$target" ] || fact linked ;;
		*) fact inway "$bin/$name" ;;
		esac
	fi
	for place in "$base/current" "$base/previous"; do
		if [ -e "$place" ] && [ ! -L "$place" ]; then
			fact inway "$place"
		fi
	done
	for place in "$base" "$base/releases"; do
		if [ -e "$place" ] && { [ ! -d "$place" ] || [ ! -w "$place" ]; }; then
			fact unwritable "$place"
		fi
	done
}

# probe_installed tells of every daemon that is installed.
probe_installed() {
	for place in "$root"/*/current; do
		release=$(link_of "$place")
		place=${place%/current}
		case ${place##*/}${release#releases/} in
		*[!a-z0-9._-]*) ;;
		*) [ -z "$release" ] || fact installed "${place##*/}" "${release#releases/}" ;;
		esac
	done
}
