# activate.sh: makes a release current, in one step that either happens or does not. Given: what
# store.sh was, and keep, how many releases stay.

# activate lets id be the release that runs; file is moved to its place unless it is there.
activate() {
	if [ ! -d "$base/releases" ] || [ ! -d "$incoming" ]; then
		try "make $base/releases" mkdir -p "$base/releases" "$incoming"
	fi
	if [ -e "$file" ]; then
		# A release of this name that is there already is not whole, or it would not be sent.
		[ ! -e "$base/releases/$id" ] || mv "$base/releases/$id" "$incoming/broken"
		try "write to $base/releases" stage
		try "write to $base/releases" mv "$staged" "$base/releases/$id"
	fi
	# What can fail comes first: once it is current there is no way back.
	if [ "$(link_of "$bin/$name")" != "$target" ]; then
		new_link
	fi
	old=$(link_of "$base/current") older=$(link_of "$base/previous")
	case $old in
	'' | "releases/$id") ;;
	*) point "$base/previous" "$old" "$incoming/link" ;;
	esac
	# The last of these switches. A first link leads nowhere until the release is current; one that
	# leads elsewhere does so until it is.
	[ -e "$bin/$name" ] || link_it
	point "$base/current" "releases/$id" "$incoming/link"
	link_it
	sync "$base" "$base/releases" "$bin" 2>/dev/null
	if [ -z "$guarded" ]; then # else that is for commit
		remember
		note "${outcome:-installed}"
		prune
	fi
	tell installed
}

# remember keeps what was current before, for who takes this back; see life.sh. It has no say in whether this
# is done, which it is.
remember() {
	remove "$undo"
	mkdir "$undo" && : >"$undo/begun" && echo kept >"$undo/state" && echo "$old" >"$undo/current" &&
		echo "$older" >"$undo/previous" && echo "$random" >"$undo/change"
} 2>/dev/null

# stage brings the release where a rename can put it into its place. Should releases be another file
# system it is copied, which can end half-way, and be wrong.
stage() {
	mkdir "$staged" || return
	ln "$file" "$staged/$name" 2>/dev/null && return
	cp -p "$file" "$staged/$name" && is_wanted "$staged/$name" && { sync "$staged/$name" 2>/dev/null || sync; }
}

# new_link makes the link that will be the one in bin. An install of another daemon that failed may just
# take bin away, if it had made it: hence the second try.
new_link() {
	[ ! -d "$bin" ] || ! ln -s "$target" "$bin/.$name-$random" 2>/dev/null || return 0
	try "make $bin" mkdir -p "$bin"
	try "write to $bin" ln -s "$target" "$bin/.$name-$random"
}

link_it() { [ ! -L "$bin/.$name-$random" ] || point "$bin/$name" "$target" "$bin/.$name-$random"; }

# prune removes all but the newest releases, never the current or the previous one, and what arrived
# of others.
prune() {
	remove "$base/partial"
	set -- "$base"/releases/*
	[ $# -gt "$keep" ] || return
	kept=0
	# The names are hex digits: no word of this list can be split.
	# shellcheck disable=SC2045
	for release in $(ls -1t "$base/releases"); do
		kept=$((kept + 1))
		case $release in
		*[!0-9a-f]* | "$id") continue ;;
		esac
		if [ "$kept" -gt "$keep" ] && [ "releases/$release" != "$(link_of "$base/previous")" ]; then
			rm -rf "$base/releases/$release"
		fi
	done
}
