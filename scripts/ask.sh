# ask.sh: runs a command of the user's, and says how it ended. Given: command; voice, "loud" if what it prints is
# told as it comes, else it is said, the first 64 KiB of it.

answer() {
	if [ "$voice" = loud ]; then
		apart_from_us </dev/null
		tell answer "$?"
		return
	fi
	{
		apart_from_us 2>&1 </dev/null
		printf '\n%s\n' "$?"
	} | answer_lines
}

# apart_from_us runs the command without what is only ours: the channel that we speak on, and the lock.
apart_from_us() { (exec 3>&- 9>&- && exec /bin/sh -c "$command"); }

# answer_lines says the lines that it reads, and the last one as the status that it is.
answer_lines() {
	last='' room=65536
	while IFS= read -r line; do
		if [ -n "$last" ] && [ "$room" -gt 0 ]; then
			later said "$last"
			room=$((room - ${#last}))
		fi
		last=$line
	done
	tell answer "$last"
}
