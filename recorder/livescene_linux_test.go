package recorder

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
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
	shares bool            // the parent has the test's process's address space
	behind []bpfmmap.Event // what comes behind the first snapshot: if anything does, there has to be a second
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
	rec, err := New(Options{Workers: 1, Follow: &FollowOptions{Keyframe: time.Hour}})
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
			if len(s.ring.behind) == 0 {
				cancel()
			}
			s.ring.put(s.ring.behind...)
			s.ring.behind = nil
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
