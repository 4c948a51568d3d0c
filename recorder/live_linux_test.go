package recorder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
	"github.com/vmasnap/vmasnap/replay"
)

// ring is a kernel that does what a test says: a follower whose events are those that were
// put into it.
type ring struct {
	mu     sync.Mutex
	events []bpfmmap.Event
	hooks  bpfmmap.Hooks
	early  []bpfmmap.Event // what comes before the first listing
	tasks  []bpfmmap.Event // what List puts between its two ends
	full   int             // so many marks fail
	lost   uint64
	misses uint64
	late   bool // something was skipped before the end is marked, and nobody has asked yet
	ending bool
	shares bool // the parent has the test's process's address space
	epochs int
	now    uint64
}

func (r *ring) put(events ...bpfmmap.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range events {
		r.now = max(r.now+1, Now())
		ev.Time = r.now
		r.events = append(r.events, ev)
	}
}

func (r *ring) lose(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost += n
}

func (r *ring) Hooks() bpfmmap.Hooks     { return r.hooks }
func (r *ring) Notes() []string          { return nil }
func (r *ring) Attach() error            { return nil }
func (r *ring) Adopt(pids ...int) error  { return nil }
func (r *ring) AdoptCgroup(string) error { return nil }
func (r *ring) SetDeadline(time.Time)    {}
func (r *ring) NewEpoch()                { r.epochs++ }
func (r *ring) Close() error             { return nil }

func (r *ring) PollMisses() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.misses++
	if r.late && r.ending {
		r.late = false
		r.lost++
	}
	return nil
}

func (r *ring) List(id uint64) error {
	r.put(r.early...)
	r.early = nil
	r.put(bpfmmap.Event{Type: bpfmmap.TypeTasks, ID: id})
	r.put(r.tasks...)
	r.put(bpfmmap.Event{Type: bpfmmap.TypeTasks, ID: id, Last: true})
	return nil
}

func (r *ring) Mark(id uint64) error {
	r.mu.Lock()
	if r.full > 0 {
		r.full--
		r.mu.Unlock()
		return errors.New("ring is full")
	}
	r.ending = r.ending || id%markKinds == markEnding
	r.mu.Unlock()
	r.put(bpfmmap.Event{Type: bpfmmap.TypeMark, ID: id})
	return nil
}

func (r *ring) Read(ev *bpfmmap.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == 0 {
		return os.ErrDeadlineExceeded
	}
	*ev = r.events[0]
	r.events = r.events[1:]
	return nil
}

func (r *ring) Losses(each func(int, bpfmmap.Loss, uint64)) {
	r.mu.Lock()
	lost := r.lost
	r.mu.Unlock()
	if lost > 0 {
		each(0, bpfmmap.LossRing, lost)
	}
}

// The tests' process: it is this very one, so that /proc knows it. Its mappings are the
// test's to invent.
var self = uint32(os.Getpid())

const (
	mmSelf  = 0xffff_0000
	mmChild = 0xffff_1000
	kid     = 4_100_000 // no pid reaches it
)

func vma(start, end uint64) bpfmmap.VMA {
	return bpfmmap.VMA{Start: start, End: end, File: 7, Prot: 5}
}

func state(mm uint64, pid uint32, start, end uint64, vmas ...bpfmmap.VMA) bpfmmap.Event {
	return bpfmmap.Event{Type: bpfmmap.TypeState, MM: mm, PID: pid, TID: pid, Start: start, End: end, VMAs: vmas}
}

func forkOf(pid uint32, mm, flags uint64) bpfmmap.Event {
	return bpfmmap.Event{
		Type: bpfmmap.TypeFork, MM: mm, PID: pid, TID: pid, ParentPID: self, ParentTID: self,
		CloneFlags: flags, StartTime: 123, Comm: bpfmmap.Comm{'k', 'i', 'd'},
	}
}

// scene is a recording of a ring.
type scene struct {
	t       *testing.T
	ring    *ring
	rec     *Recorder
	records []format.Record
	session *replay.Session
	stats   Stats
	walks   map[int]int // how often each process was walked
}

// parent is another process that is there to be walked. It comes before the test's.
var parent = uint32(os.Getppid())

// play is the scene of a ring with the hooks of the tracepoint rung, in which nothing happens
// before the listing.
func play(t *testing.T, found func(n int) []format.Mmap, during func(s *scene, n int)) *scene {
	t.Helper()
	return playRing(t, &ring{hooks: bpfmmap.HooksTracepoint}, found, during)
}

// playRing records what the ring says: found is what the walk of the test's process finds, and
// during is called while it goes on, n the number of the walk. The recording ends when calm
// returns true, which is asked while no snapshot is under way.
func playRing(t *testing.T, r *ring, found func(n int) []format.Mmap, during func(s *scene, n int)) *scene {
	t.Helper()
	r.now = Now()
	r.tasks = append(r.tasks, bpfmmap.Event{Type: bpfmmap.TypeTask, MM: mmSelf, PID: self, TID: self})
	s := &scene{t: t, ring: r, session: replay.NewSession(), walks: make(map[int]int)}
	before := openFollower
	openFollower = func(bpfmmap.Options) (follower, error) { return s.ring, nil }
	defer func() { openFollower = before }()
	rec, err := New(Options{Workers: 1, Follow: &FollowOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	s.rec = rec
	s.ring.put(bpfmmap.Event{Type: bpfmmap.TypeFile, File: bpfmmap.File{ID: 7, Major: 8, Inode: 42, Path: "/no/such/file"}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	rec.walkProcess = func(_ *snapshot, j *job) *walk {
		s.walks[j.pid]++
		w := &walk{}
		w.process = format.Process{Common: format.Common{PID: uint32(j.pid), TID: uint32(j.pid)}, Status: format.WalkKernelThread}
		switch j.pid {
		case kid, kid + 1:
			w.process.Status = format.WalkVanished // /proc has no such process
		case int(self):
			w.process.Status = format.WalkComplete
			w.mmaps = found(s.walks[j.pid])
			during(s, s.walks[j.pid])
		case int(parent):
			if s.ring.shares {
				w.process.Status = format.WalkComplete
				w.mmaps = found(s.walks[j.pid])
			}
		}
		return w
	}
	stats, err := rec.Run(ctx, SinkFunc(func(r format.Record) error {
		s.records = append(s.records, r)
		s.session.Apply(r)
		if end, ok := r.(*format.SnapshotEnd); ok && end.Processes[format.WalkComplete]+end.Processes[format.WalkShared] > 0 {
			cancel()
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	s.stats = stats
	return s
}

// want compares the mappings of pid, as pairs of start and end.
func (s *scene) want(pid uint32, ranges ...uint64) {
	s.t.Helper()
	p := s.session.Process(pid)
	if p == nil {
		s.t.Fatalf("no process %d", pid)
	}
	var got []uint64
	for m := range p.Space.All() {
		got = append(got, m.Start, m.End)
	}
	if !slices.Equal(got, ranges) {
		s.t.Errorf("process %d has %#x, want %#x", pid, got, ranges)
	}
}

func walkedAt(start, length uint64) format.Mmap {
	return format.Mmap{Start: start, Length: length, Major: 8, Inode: 42, Kind: format.ContentExecFile, Path: "/no/such/file", Prot: 5, Flags: format.MapPrivate}
}

func nobody(*scene, int) {}

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
	if n := s.walks[kid]; n != 1 {
		t.Errorf("the child was walked %d times, want 1", n)
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
