package recorder

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
)

// TestLiveLoss: what the ring had no room for makes the walk worthless that went on, becomes
// Lost, and everything is walked again.
func TestLiveLoss(t *testing.T) {
	s := play(t, func(n int) []format.Mmap { return []format.Mmap{walkedAt(uint64(n)<<12, 0x1000)} },
		func(s *scene, n int) {
			if n == 1 {
				s.ring.lose(3)
			}
		})
	if got := s.stats.Live.Lost[format.LostRing]; got != 3 {
		t.Errorf("%d lost, want 3", got)
	}
	if s.stats.Live.Unrepaired || s.stats.Live.Repairs != 1 {
		t.Errorf("repairs %d, unrepaired %t", s.stats.Live.Repairs, s.stats.Live.Unrepaired)
	}
	p := s.session.Process(self)
	if p.Space.Len() != 1 {
		t.Errorf("%d mappings, want the last walk's", p.Space.Len())
	}
}

// TestLiveDirty: one address space could not be told, and is walked alone.
func TestLiveDirty(t *testing.T) {
	s := play(t, func(n int) []format.Mmap { return []format.Mmap{walkedAt(uint64(n)<<12, 0x1000)} },
		func(s *scene, n int) {
			if n == 1 {
				s.ring.put(bpfmmap.Event{Type: bpfmmap.TypeDirty, MM: mmSelf, PID: self, TID: self, End: nothing, Reason: bpfmmap.LossLock})
			}
		})
	if got := s.stats.Live.Lost[format.LostLock]; got != 1 {
		t.Errorf("%d lost, want 1", got)
	}
	if p := s.session.Process(self); p.Space.Len() != 1 {
		t.Errorf("%d mappings, want 1", p.Space.Len())
	}
}

// TestLiveLostExec: a child of vfork executes, which is lost. What it maps is not the parent's,
// even before either is walked again.
func TestLiveLostExec(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, n int) {
			switch n {
			case 1:
				s.ring.put(forkOf(kid, mmSelf, unix.CLONE_VM|unix.CLONE_VFORK))
				s.ring.lose(1)
				s.ring.tasks = append(s.ring.tasks, bpfmmap.Event{Type: bpfmmap.TypeTask, MM: mmChild, PID: kid, TID: kid})
			case 2:
				s.ring.put(state(mmChild, kid, 0x7000, 0x8000, vma(0x7000, 0x8000)))
			}
		})
	s.want(self, 0x1000, 0x2000)
	var told []string
	for _, r := range s.records {
		switch r.(type) {
		case *format.SnapshotBegin, *format.SnapshotEnd:
			continue // kid is not there to be walked
		}
		if r.Head().PID == kid {
			told = append(told, strings.TrimPrefix(fmt.Sprintf("%T", r), "*format."))
		}
	}
	if want := []string{"Fork", "Comm", "Exec", "Lost", "Mmap"}; !slices.Equal(told, want) {
		t.Errorf("told of the child: %s, want %s", told, want)
	}
}

// TestLiveLostFork: of a child the copies are told, but its FORK is lost. When it is found they are
// true of it, which was not yet when they were made: before anything was lost.
func TestLiveLostFork(t *testing.T) {
	r := &ring{hooks: bpfmmap.HooksKprobe}
	s := playRing(t, r, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, n int) {
			if n == 1 {
				s.ring.put(state(mmChild, 0, 0x1000, 0x2000, vma(0x1000, 0x2000)))
				time.Sleep(10 * time.Millisecond)
				s.ring.lose(1)
				s.ring.tasks = append(s.ring.tasks, bpfmmap.Event{Type: bpfmmap.TypeTask, MM: mmChild, PID: kid, TID: kid})
			}
		})
	var lost *format.Lost
	told := false
	for _, r := range s.records {
		switch r := r.(type) {
		case *format.Lost:
			if lost == nil {
				lost = r
			}
		case *format.Mmap:
			if r.PID == kid {
				told = true
				if lost == nil || r.Time < lost.Time {
					t.Errorf("told at %d, before the loss: %+v", r.Time, lost)
				}
			}
		}
	}
	if !told {
		t.Error("the child's mapping is not told")
	}
}

// TestLiveNumberReused: a process whose end was lost is listed as a kernel thread, which has no
// address space.
func TestLiveNumberReused(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, n int) {
			if n == 1 {
				s.ring.put(forkOf(kid, mmChild, 0))
				s.ring.lose(1)
				s.ring.tasks = append(s.ring.tasks, bpfmmap.Event{Type: bpfmmap.TypeTask, PID: kid, TID: kid})
			}
		})
	for _, r := range s.records {
		if _, exec := r.(*format.Exec); exec && r.Head().PID == kid {
			t.Error("it is said to have executed a program")
		}
	}
	if s.session.Process(kid) != nil {
		t.Error("it has not ended")
	}
}

// TestLiveLeftOver: a process ends before its walk, but not its child with the same address space,
// which was born too late to be listed.
func TestLiveLeftOver(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, n int) {
			switch n {
			case 1:
				s.ring.lose(1)
			case 2:
				s.ring.put(
					forkOf(kid, mmSelf, unix.CLONE_VM),
					bpfmmap.Event{Type: bpfmmap.TypeExit, MM: mmSelf, PID: self, TID: self, Group: true},
				)
			}
		})
	if s.walks[kid] == 0 {
		t.Error("the child was not walked")
	}
}

// TestLiveShared: two processes with one address space are walked one after the other. What the
// second one does meanwhile is true of both, although the recording has another address space for
// it until its walk is told; and so is what its child does.
func TestLiveShared(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, n int) {
			switch n {
			case 1:
				s.ring.lose(1)
				s.ring.mu.Lock()
				s.ring.shares = true
				s.ring.mu.Unlock()
				s.ring.tasks = append(s.ring.tasks, bpfmmap.Event{Type: bpfmmap.TypeTask, MM: mmSelf, PID: parent, TID: parent})
			case 2:
				s.ring.put(
					state(mmSelf, self, 0x7000, 0x8000, vma(0x7000, 0x8000)),
					forkOf(kid, mmSelf, unix.CLONE_VM),
					state(mmSelf, kid, 0x9000, 0xa000, vma(0x9000, 0xa000)),
				)
			}
		})
	for _, pid := range []uint32{parent, self} {
		s.want(pid, 0x1000, 0x2000, 0x7000, 0x8000, 0x9000, 0xa000)
	}
	if s.session.Process(self).AddressSpace != s.session.Process(parent).AddressSpace {
		t.Error("the two do not share")
	}
	if s.walks[kid] == 0 {
		t.Error("the child, born when its parent's address space had not been told, was not walked")
	}
}

// TestLiveSharedRepair: one of two processes with one address space is walked alone, because a
// statement was lost. Both have what is found.
func TestLiveSharedRepair(t *testing.T) {
	r := &ring{
		hooks: bpfmmap.HooksTracepoint, shares: true,
		tasks: []bpfmmap.Event{{Type: bpfmmap.TypeTask, MM: mmSelf, PID: parent, TID: parent}},
	}
	s := playRing(t, r, func(n int) []format.Mmap { return []format.Mmap{walkedAt(0x1000*uint64(n), 0x1000)} },
		func(s *scene, n int) {
			if n == 1 {
				s.ring.put(bpfmmap.Event{Type: bpfmmap.TypeDirty, MM: mmSelf, PID: self, TID: self, End: nothing, Reason: bpfmmap.LossLock})
			}
		})
	s.want(parent, 0x2000, 0x3000)
	s.want(self, 0x2000, 0x3000)
	if got := s.stats.Live; got.Repairs != 1 || got.Unrepaired {
		t.Errorf("%d repairs, unrepaired %t", got.Repairs, got.Unrepaired)
	}
}

// TestLiveNamelessParent: a child that is born before anybody knows what its parent executes is
// walked too.
func TestLiveNamelessParent(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, n int) {
			if n == 2 {
				s.ring.put(
					bpfmmap.Event{Type: bpfmmap.TypeExec, MM: mmSelf + 1, PID: self, TID: self, OldTID: self},
					forkOf(kid, mmChild, 0),
				)
			} else if n == 1 {
				s.ring.lose(1)
			}
		})
	if s.walks[kid] == 0 {
		t.Error("the child was not walked")
	}
}

// TestLiveForgotten: what a snapshot of everything does not tell, replay does not know any more.
func TestLiveForgotten(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, n int) {
			switch n {
			case 1, 3:
				s.ring.lose(1)
			case 2:
				s.ring.put(forkOf(kid, mmChild, 0))
				s.ring.lose(1)
				// From now on the kernel lists it, but /proc does not.
				s.ring.tasks = append(s.ring.tasks, bpfmmap.Event{Type: bpfmmap.TypeTask, MM: mmChild, PID: kid, TID: kid})
			case 4:
				child := forkOf(kid+1, mmChild+1, 0)
				child.ParentPID, child.ParentTID = kid, kid
				s.ring.put(child)
			}
		})
	if s.walks[int(self)] < 4 || s.walks[kid+1] == 0 {
		t.Errorf("%d walks of this process, %d of the child of one that replay has forgotten", s.walks[int(self)], s.walks[kid+1])
	}
}

// TestLiveMissedBeforeEnd: calls that were skipped are found out about when the recording ends.
func TestLiveMissedBeforeEnd(t *testing.T) {
	r := &ring{hooks: bpfmmap.HooksTracepoint, late: true}
	s := playRing(t, r, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} }, nobody)
	if got := s.stats.Live; got.Repairs != 1 || got.Unrepaired {
		t.Errorf("%d repairs, unrepaired %t", got.Repairs, got.Unrepaired)
	}
}

// TestLiveNamelessExec: the ring had no room for the name of the file that is executed.
func TestLiveNamelessExec(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, n int) {
			if n == 1 {
				s.ring.put(
					bpfmmap.Event{Type: bpfmmap.TypeExec, MM: mmSelf + 1, PID: self, TID: self, OldTID: self, Exe: 99},
					state(mmSelf+1, self, 0, nothing, vma(0x1000, 0x2000)),
				)
			}
		})
	if got := s.stats.Live; got.Lost[format.LostTorn] != 1 || got.Repairs != 1 || got.Unrepaired {
		t.Errorf("lost %v, %d repairs, unrepaired %t", got.Lost, got.Repairs, got.Unrepaired)
	}
	last := s.records[len(s.records)-1]
	if end, ok := last.(*format.SnapshotEnd); !ok || end.PID != self {
		t.Errorf("the last record is %T of process %d, want the end of the repair of %d", last, last.Head().PID, self)
	}
}

// TestLiveFullRing: a mark that cannot be made makes the walk worthless, not the recording.
func TestLiveFullRing(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} }, nobody)
	s.want(self, 0x1000, 0x2000)
	full := false
	s = play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, n int) {
			if !full {
				full = true
				s.ring.mu.Lock()
				s.ring.full = 3
				s.ring.mu.Unlock()
			}
		})
	s.want(self, 0x1000, 0x2000)
}
