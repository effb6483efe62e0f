package cli

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestTheVersionIsThatOfTheBuild(t *testing.T) {
	t.Parallel()
	from := runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for want, info := range map[string]*debug.BuildInfo{
		"davit (devel) (" + from: nil,
		"davit v1.2.3 (" + from:  {Main: debug.Module{Version: "v1.2.3"}},
		"davit v1.2.3 (commit 0123456789ab, " + from: {
			Main:     debug.Module{Version: "v1.2.3"},
			Settings: []debug.BuildSetting{setting("vcs.revision", "0123456789abcdef"), setting("vcs.modified", "false")},
		},
		"davit (devel) (commit 0123456789ab modified, " + from: {
			Settings: []debug.BuildSetting{setting("vcs.revision", "0123456789abcdef"), setting("vcs.modified", "true")},
		},
	} {
		if got := newBuildInfo(info).String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
