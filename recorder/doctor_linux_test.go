package recorder

import (
	"os"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/procmap"
)

// TestExamine holds the findings against what can be seen otherwise.
func TestExamine(t *testing.T) {
	findings, ready := Examine("")
	if !ready {
		t.Errorf("no snapshot is possible, says %+v", findings)
	}
	byName := make(map[string]Finding)
	for _, f := range findings {
		if f.Topic != "snapshot" && f.Topic != "follow" || f.Details == "" || f.Health == Works && f.Remedy != "" {
			t.Errorf("%+v", f)
		}
		if _, again := byName[f.Name]; again || f.Name == "" {
			t.Errorf("%q is found twice, or has no name", f.Name)
		}
		byName[f.Name] = f
	}
	_, noKcmp := procmap.SameSpace(os.Getpid(), os.Getpid())
	for name, want := range map[string]bool{
		"kernel":        true,
		"PROCMAP_QUERY": procmap.Supported() == nil,
		"kcmp":          noKcmp == nil,
	} {
		if f, ok := byName[name]; !ok || (f.Health == Works) != want {
			t.Errorf("%s: found %t, %+v", name, ok, f)
		}
	}
	need.Root(t, "everybody's files")
	for _, name := range []string{"proc mount", "map_files"} {
		if f := byName[name]; f.Health != Works || f.Details == "" {
			t.Errorf("to root: %+v", f)
		}
	}
}

// TestExamineNoProc: without proc there is nothing to try.
func TestExamineNoProc(t *testing.T) {
	findings, ready := Examine(tempDir(t) + "/absent")
	last := findings[len(findings)-1]
	if ready || last.Name != "proc mount" || last.Health != Missing || last.Remedy == "" {
		t.Errorf("ready %t, %+v", ready, findings)
	}
}
