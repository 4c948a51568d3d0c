package recorder

import (
	"os"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
)

// TestPriority raises and takes back.
func TestPriority(t *testing.T) {
	need.Root(t, "nice values below 0")
	before, session := threadPriorities(), readLine(autogroup)
	restore, err := raisePriority()
	if err != nil {
		t.Fatal(err)
	}
	for tid, nice := range threadPriorities() {
		if nice != highest {
			t.Errorf("thread %d at %d", tid, nice)
		}
	}
	restore()
	if nice := threadPriorities()[os.Getpid()]; nice != before[os.Getpid()] {
		t.Errorf("back at %d, was %d", nice, before[os.Getpid()])
	}
	if now := readLine(autogroup); now != session {
		t.Errorf("session at %q, was %q", now, session)
	}
}
