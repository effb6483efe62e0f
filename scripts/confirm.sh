# confirm.sh: says the last word on a change that another connection has begun, and that waits for it; see
# life.sh. Given: what probe.sh was; random, the name of the change; word, commit or undo.

confirm() {
	read -r _ pending _ <"$base/pending" 2>/dev/null
	if [ "$pending" != "\"$random:" ]; then
		tell failed gone
		return
	fi
	echo "$word $random" >"$base/.confirmed-$random" && mv -f "$base/.confirmed-$random" "$base/confirmed"
	while [ -e "$base/pending" ] || [ -e "$base/before" ]; do
		sleep 0.2 2>/dev/null || sleep 1
	done
	if [ "$(cat "$base/undo/change" 2>/dev/null)" != "$random" ]; then # the daemon ended just before
		tell failed gone
		return
	fi
	current=$(readlink "$base/current")
	tell confirmed "${current#releases/}"
}

said() { tell end "done"; }

beside confirm said
read -r _
end hung up
