package openssh_test

import "github.com/davit-sh/davit/host/internal/world"

// What the tests of both ways to reach a host have in common.
var (
	told        = world.Told
	write       = world.Write
	read        = world.Read
	runs        = world.Runs
	fails       = world.Fails
	connect     = world.Connect
	noSecret    = world.NoSecret
	listenUnix  = world.ListenUnix
	echo        = world.Echo
	isLost      = world.IsLost
	endsUnheard = world.EndsUnheard
)
