package recorder

import (
	"context"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// sharing recognizes processes that share an address space.
type sharing struct {
	spaces spaces
	// stuck: a comparison has not come back and owns spaces now. Nothing is compared any
	// more, and everybody is walked for himself.
	stuck bool
}

// spaces is *procmap.Spaces. Tests put a kernel here that does not answer.
type spaces interface {
	Known(*procmap.Info) bool
	Owner(*procmap.Info) int
}

// share finds out whether another process with the same address space has been written
// already. Its mappings count once; both processes are named.
func (s *snapshot) share(ctx context.Context, w *walk) {
	// kcmp knows processes by the numbers of the recorder's own pid namespace.
	if w.process.Status != format.WalkComplete || !s.mount.OwnPIDs {
		return
	}
	owner := s.owner(ctx, &w.info)
	if owner == w.info.PID {
		return
	}
	p := &w.process
	p.Status, p.SharesPID = format.WalkShared, uint32(owner)
	p.ExcludedAnonExec, p.ExcludedVDSO = 0, 0
	w.mmaps = nil
}

// owner returns the process that stands for i's address space. kcmp waits for a process
// that is in the middle of an exec, which may hang in a file system: the comparison gets as
// long as a walk does, and then sharing is given up for this snapshot.
func (s *snapshot) owner(ctx context.Context, i *procmap.Info) int {
	if s.sharing.stuck {
		return i.PID
	}
	if !s.sharing.spaces.Known(i) {
		return s.sharing.spaces.Owner(i) // nobody to compare with
	}
	answer := make(chan int, 1)
	go func() { answer <- s.sharing.spaces.Owner(i) }()
	patience := time.NewTimer(s.options.WalkTimeout)
	defer patience.Stop()
	select {
	case owner := <-answer:
		return owner
	case <-patience.C:
	case <-ctx.Done():
	}
	s.sharing.stuck = true
	return i.PID
}
