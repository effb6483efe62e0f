# elevate.sh: goes on as root. Given: sentinel; next, the command that goes on; and password,
# "yes" if a line with one follows on stdin.

tell() { printf '%s %s\n' "$sentinel" "$*"; }

if [ "$(id -u)" -eq 0 ]; then
	exec /bin/sh -c "$next"
fi
if command -v sudo >/dev/null 2>&1; then
	# Without a stdin: a sudo that logs what is typed would take all of ours.
	if why=$(LC_ALL=C sudo -n true 2>&1 </dev/null); then
		exec sudo -n /bin/sh -c "$next"
	fi
	case $why in
	*tty*)
		tell end failed permission "sudo wants a terminal: requiretty is set in sudoers"
		exit
		;;
	esac
	if [ "$password" = yes ]; then
		exec sudo -S -p '' /bin/sh -c "$next"
	fi
	tell end failed password "$(id -un)"
elif command -v doas >/dev/null 2>&1; then
	if why=$(LC_ALL=C doas -n true 2>&1 </dev/null); then
		exec doas -n /bin/sh -c "$next"
	fi
	case $why in
	*"not permitted"*)
		tell end failed permission "doas refused: no rule of doas.conf permits $(id -un) to become root"
		exit
		;;
	esac
	tell end failed permission "doas wants a password, which it takes from a terminal only: add a nopass rule to doas.conf"
else
	tell end failed permission "$(id -un) is not root, and there is neither sudo nor doas"
fi
