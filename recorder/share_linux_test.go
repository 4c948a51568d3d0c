package recorder

import (
	"context"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// oneSpace is a kernel by which every process has the address space of process 1, and which
// compares them only when it may.
type oneSpace struct {
	may   chan struct{} // closed: always
	asked int
}

func (o *oneSpace) Known(*procmap.Info) bool { return true }

func (o *oneSpace) Owner(*procmap.Info) int {
	o.asked++
	<-o.may
	return 1
}

// shareOf says which process has the address space of process 2.
func (s *snapshot) shareOf(ctx context.Context) uint32 {
	w := walk{process: format.Process{Status: format.WalkComplete}, info: procmap.Info{PID: 2}}
	s.share(ctx, &w)
	return w.process.SharesPID
}

// TestShareStuck: a comparison that hangs is waited for as long as a walk is, and is the
// last one.
func TestShareStuck(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name    string
		ctx     context.Context
		timeout time.Duration
	}{
		{"timeout", t.Context(), time.Millisecond},
		{"end of the context", cancelled, time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kernel := &oneSpace{may: make(chan struct{})}
			r := &Recorder{options: Options{WalkTimeout: tc.timeout}, mount: procmap.MountInfo{OwnPIDs: true}}
			s := snapshot{Recorder: r, sharing: sharing{spaces: kernel}}
			for range 2 {
				if pid := s.shareOf(tc.ctx); pid != 0 {
					t.Errorf("shares process %d, which nobody knows", pid)
				}
			}
			kernel.may <- struct{}{}
			if kernel.asked != 1 {
				t.Errorf("compared %d times, want once", kernel.asked)
			}
		})
	}
}

// TestShareNumbers: process numbers of another pid namespace are not compared.
func TestShareNumbers(t *testing.T) {
	for own, want := range map[bool]uint32{true: 1, false: 0} {
		kernel := &oneSpace{may: make(chan struct{})}
		close(kernel.may)
		r := &Recorder{options: Options{WalkTimeout: time.Hour}, mount: procmap.MountInfo{OwnPIDs: own}}
		s := snapshot{Recorder: r, sharing: sharing{spaces: kernel}}
		if pid := s.shareOf(t.Context()); pid != want {
			t.Errorf("own pid namespace %t: shares process %d, want %d", own, pid, want)
		}
	}
}
