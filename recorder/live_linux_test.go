package recorder

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// TestLiveOverlay lets statements arrive during the walk: they are newer than what it found.
func TestLiveOverlay(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x4000), walkedAt(0x8000, 0x1000)} },
		func(s *scene, _ int) {
			s.ring.put(
				state(mmSelf, self, 0x2000, 0x3000),
				state(mmSelf, self, 0xa000, 0xb000, vma(0xa000, 0xb000)),
				state(0xdead, 1, 0, 0x10000), // of somebody unknown
			)
		})
	s.want(self, 0x1000, 0x2000, 0x3000, 0x5000, 0x8000, 0x9000, 0xa000, 0xb000)
}

// TestLiveRenamedDuringWalk: the new name is newer than the one that the walk read.
func TestLiveRenamedDuringWalk(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return nil }, func(s *scene, _ int) {
		s.ring.put(bpfmmap.Event{Type: bpfmmap.TypeComm, MM: mmSelf, PID: self, TID: self, Comm: bpfmmap.Comm{'n', 'e', 'w'}})
	})
	if got := s.session.Process(self).Comm; got != "new" {
		t.Errorf("the process is called %q", got)
	}
}

// TestLiveExecDuringWalk: what the walk found is of the address space before, or of both.
func TestLiveExecDuringWalk(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, n int) {
			if n == 1 {
				s.ring.put(
					bpfmmap.Event{Type: bpfmmap.TypeExec, MM: mmSelf + 1, PID: self, TID: self, OldTID: self},
					state(mmSelf+1, self, 0, nothing, vma(0x1000, 0x2000), vma(0x5000, 0x6000)),
				)
			}
		})
	if n := s.stats.Processes[format.WalkComplete]; n != 1 {
		t.Errorf("%d complete, want 1: %v", n, s.stats.Processes)
	}
	// The second walk found one mapping and nothing else said anything meanwhile.
	s.want(self, 0x1000, 0x2000)
}

// TestLiveFork: the child is told by its statements, whichever come before its fork or after,
// and changes of the one are not changes of the other, unless they share.
func TestLiveFork(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, _ int) {
			s.ring.put(
				state(mmChild, 0, 0x1000, 0x2000, vma(0x1000, 0x2000)), // the function rungs tell it first
				forkOf(kid, mmChild, 0),
				state(mmChild, kid, 0x4000, 0x5000, vma(0x4000, 0x5000)),
				forkOf(kid+1, mmSelf, unix.CLONE_VM),
				state(mmSelf, kid+1, 0x7000, 0x8000, vma(0x7000, 0x8000)),
			)
		})
	s.want(kid, 0x1000, 0x2000, 0x4000, 0x5000)
	s.want(kid+1, 0x1000, 0x2000, 0x7000, 0x8000)
	s.want(self, 0x1000, 0x2000, 0x7000, 0x8000)
	if got := s.session.Process(kid).Comm; got != "kid" {
		t.Errorf("comm of the child is %q: its parent had not been told yet", got)
	}
}

// TestLiveForkAcrossListing: what a fork states of the child before the first listing counts,
// although the listing finds the child before its fork is told.
func TestLiveForkAcrossListing(t *testing.T) {
	for _, c := range []struct {
		name  string
		early []bpfmmap.Event
		want  []uint64
	}{
		{"begun", []bpfmmap.Event{state(mmChild, 0, 0x1000, 0x2000, vma(0x1000, 0x2000))}, []uint64{0x1000, 0x2000, 0x4000, 0x5000}},
		{"another before", []bpfmmap.Event{
			state(mmChild, 0, 0x1000, 0x2000, vma(0x1000, 0x2000)),
			forkOf(kid+1, mmChild, 0),
			{Type: bpfmmap.TypeEnd, MM: mmChild},
			state(mmChild, 0, 0x8000, 0x9000, vma(0x8000, 0x9000)),
		}, []uint64{0x4000, 0x5000, 0x8000, 0x9000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &ring{
				hooks: bpfmmap.HooksKprobe, early: c.early,
				tasks: []bpfmmap.Event{{Type: bpfmmap.TypeTask, MM: mmChild, PID: kid, TID: kid}},
			}
			s := playRing(t, r, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
				func(s *scene, _ int) {
					s.ring.put(forkOf(kid, mmChild, 0), state(mmChild, kid, 0x4000, 0x5000, vma(0x4000, 0x5000)))
				})
			s.want(kid, c.want...)
			if n := len(s.stats.Live.Lost); n != 0 {
				t.Errorf("lost: %v", s.stats.Live.Lost)
			}
		})
	}
}

// TestLiveForkOvertaken: where statements about a child were told before its fork, it is to be
// walked.
func TestLiveForkOvertaken(t *testing.T) {
	for hooks, want := range map[bpfmmap.Hooks]uint64{bpfmmap.HooksKprobe: 1, bpfmmap.HooksTracepoint: 0} {
		r := &ring{hooks: hooks, tasks: []bpfmmap.Event{{Type: bpfmmap.TypeTask, MM: mmChild, PID: kid, TID: kid}}}
		s := playRing(t, r, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
			func(s *scene, _ int) { s.ring.put(forkOf(kid, mmChild, 0)) })
		if got := s.stats.Live.Lost[format.LostTorn]; got != want {
			t.Errorf("%s: %d statements lost, want %d", hooks, got, want)
		}
	}
}

// TestLiveAdopted: the child of a process that has not been told is walked too, unless it has
// ended, or another snapshot is to follow in any case. Else where processes are born faster than
// walked no snapshot would come to an end.
func TestLiveAdopted(t *testing.T) {
	for _, c := range []struct {
		name  string
		since func(*ring)
		walks int
	}{
		{"lives", func(*ring) {}, 1},
		{"ended", func(r *ring) {
			r.put(bpfmmap.Event{Type: bpfmmap.TypeExit, MM: mmChild, PID: kid, TID: kid, Group: true})
		}, 0},
		{"loss", func(r *ring) { r.lose(1) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} }, func(s *scene, n int) {
				if n == 1 {
					s.ring.put(forkOf(kid, mmChild, 0))
					c.since(s.ring)
				}
			})
			if got := s.walks[kid]; got != c.walks {
				t.Errorf("the child was walked %d times, want %d", got, c.walks)
			}
		})
	}
}

// TestLiveKeyReused: an exec or a fork makes a key new, whatever it meant before.
func TestLiveKeyReused(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, _ int) {
			s.ring.put(
				forkOf(kid, mmChild, 0),
				state(mmChild, kid, 0, nothing, vma(0x1000, 0x2000)),
				forkOf(kid+1, mmChild, 0), // the end of the first was not seen
				state(mmChild, kid+1, 0, nothing, vma(0x3000, 0x4000)),
			)
		})
	s.want(kid, 0x1000, 0x2000)
	s.want(kid+1, 0x3000, 0x4000)
}

// TestLiveKeyReusedByFork: what fork copies is of a new space, whoever had its key.
func TestLiveKeyReusedByFork(t *testing.T) {
	r := &ring{hooks: bpfmmap.HooksKprobe}
	s := playRing(t, r, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, _ int) {
			s.ring.put(
				state(mmChild, 0, 0x5000, 0x6000, vma(0x5000, 0x6000)),
				forkOf(kid, mmChild, 0),
				state(mmChild, 0, 0x1000, 0x2000, vma(0x1000, 0x2000)), // the ends of kid and its space were not seen
				forkOf(kid+1, mmChild, 0),
			)
		})
	s.want(kid, 0x5000, 0x6000)
	s.want(kid+1, 0x1000, 0x2000)
	if n := len(s.stats.Live.Lost); n != 0 {
		t.Errorf("lost: %v", s.stats.Live.Lost)
	}
}

// TestLiveListedBeforeFork: a process is listed before its birth is told. It is walked once.
func TestLiveListedBeforeFork(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} },
		func(s *scene, _ int) { s.ring.put(forkOf(parent, mmChild, 0)) })
	if n := s.walks[int(parent)]; n != 1 {
		t.Errorf("walked %d times", n)
	}
}

// TestLiveWholeStatement: after an exec nothing is cleared that cannot be there, and in a
// known address space the gaps are.
func TestLiveWholeStatement(t *testing.T) {
	s := play(t, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000), walkedAt(0x9000, 0x1000)} },
		func(s *scene, _ int) {
			s.ring.put(
				forkOf(kid, mmChild, 0),
				state(mmChild, kid, 0, 0x3000, vma(0x1000, 0x2000)),
				state(mmChild, kid, 0x3000, nothing, vma(0x5000, 0x6000)),
				state(mmChild, kid, 0, nothing, vma(0x5000, 0x6000)),
			)
		})
	s.want(kid, 0x5000, 0x6000)
	if s.stats.Live.Clears != 2 {
		t.Errorf("%d clears, want the 2 of the last statement", s.stats.Live.Clears)
	}
}

// TestFollowRefuses: what following cannot do is refused at once.
func TestFollowRefuses(t *testing.T) {
	before := openFollower
	openFollower = func(bpfmmap.Options) (follower, error) { return new(ring), nil }
	defer func() { openFollower = before }()
	for name, o := range map[string]Options{
		"all-file": {AllFile: true, Follow: &FollowOptions{}},
		"cgroup":   {PIDs: []int{1}, Follow: &FollowOptions{Cgroup: "/"}},
		"iter":     {Source: SourceIter, AnonExec: true},
	} {
		if rec, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
			_ = rec.Close()
		}
	}
	openFollower = func(bpfmmap.Options) (follower, error) { return nil, procmap.ErrNotSupported }
	if _, err := New(Options{Follow: &FollowOptions{}}); !errors.Is(err, procmap.ErrNotSupported) {
		t.Errorf("error %v", err)
	}
}

// TestLiveCrowded: a keyframe is due where much has happened, long before its interval is over.
func TestLiveCrowded(t *testing.T) {
	unmapped := state(mmSelf, self, 0x2000, 0x3000)
	r := &ring{hooks: bpfmmap.HooksTracepoint, behind: slices.Repeat([]bpfmmap.Event{unmapped}, minCrowd+10)}
	s := playRing(t, r, func(int) []format.Mmap { return []format.Mmap{walkedAt(0x1000, 0x1000)} }, nobody)
	if n := s.stats.Live.Keyframes; n != 1 || s.walks[int(self)] != 2 {
		t.Errorf("%d keyframes, %d walks: want 1 and 2", n, s.walks[int(self)])
	}
}
