package replay

import (
	"iter"
	"maps"
	"slices"

	"github.com/vmasnap/vmasnap/format"
)

// Session is the state of a recorded machine after the records that were applied to it.
// Use NewSession or Load. A Session is not safe for use by several goroutines while one of
// them applies records.
type Session struct {
	Host  *format.Host // nil until it was applied
	End   *format.End  // nil until it was applied
	Stats Stats
	// Losses are the windows in which statements got lost, in the order of the file: the
	// first 256 of them. Stats.LossWindows counts all.
	Losses []Loss
	// Drifts are the first 32 differences of Stats.Drift.
	Drifts []Drift
	// UncertainSince is not 0 when statements about any process have been lost since that time
	// (CLOCK_MONOTONIC ns) and no snapshot of the whole machine has come after that: there may be
	// processes that nothing tells of.
	UncertainSince uint64

	procs  map[uint32]*Process
	files  map[File]*File
	recent [2048]*File    // of files, by inode: most mappings are of few
	lately [1024]*Process // of procs, by pid: found sooner than in the map
	many   int            // so many files are looked through for those that nobody maps any more
	keep   bool           // those stay: somebody looks back at them

	snapshots uint32 // snapshots begun: the serial number of the latest
	wide      uint32 // that of the machine-wide snapshot under way; 0 = none
	wideID    uint32 // its SnapshotBegin.ID
	wideTold  int    // processes that it has told of
	older     int    // windows of Losses from before the machine-wide snapshot under way
	lostAny   uint64 // Lost records about any process
	lostOlder uint64 // those from before the machine-wide snapshot under way
	early     bool   // no machine-wide snapshot is complete, and one is to come: others may be there
	begun     bool   // one is complete
	pending   comparison
	fresh     []freshDrift
	watch     watcher // may be nil
}

// watcher is told which process has which address space.
type watcher interface {
	joined(p *Process, before *AddressSpace) // before may be nil
	left(p *Process)
}

// Stats counts what a Session has been given.
type Stats struct {
	Records uint64
	Mmaps   uint64 // SET statements
	Walked  uint64 // SET statements by walks, among Mmaps
	Lost    uint64 // sum of Lost.Count
	Losses  uint64 // Lost records

	Clears uint64 // CLEAR statements
	Forks  uint64 // of processes, not of threads
	Execs  uint64
	Exits  uint64 // of processes
	// LossWindows counts the windows of Session.Losses and those beyond.
	LossWindows uint64
	// Orphans counts statements about processes that nothing had introduced, Reborn forks
	// of processes that had not ended. Besides losses, a process that ends or begins while
	// a snapshot is taken is a reason.
	Orphans, Reborn uint64

	// Restated counts address spaces that a walk stated although all about them was known.
	// Drift counts the intervals over which what was known differed from the walk, in
	// DriftProcesses of them: each is an error of the recorder. A name that has changed is
	// none, and neither is a build ID or a generation that one side does not know.
	Restated, Drift, DriftProcesses uint64
	// Ahead counts the intervals in which a walk saw what a statement told a moment later.
	Ahead uint64

	Snapshots    uint64
	LastSnapshot format.SnapshotEnd // of the whole machine: not a repair of one process
	LastTime     uint64             // CLOCK_MONOTONIC ns of the latest record
}

// NewSession returns a Session without processes.
func NewSession() *Session {
	return &Session{procs: make(map[uint32]*Process), files: make(map[File]*File)}
}

// Load applies all records of r. With an error the Session holds the state of everything
// before it: after format.ErrTruncated, a recording that was cut off, it is still of use.
func Load(r *format.Reader) (*Session, error) {
	s := NewSession()
	for rec, err := range r.All() {
		if err != nil {
			return s, err
		}
		s.Apply(rec)
	}
	return s, nil
}

// Process returns the live process pid, or nil.
func (s *Session) Process(pid uint32) *Process { return s.procs[pid] }

// Len returns the number of live processes.
func (s *Session) Len() int { return len(s.procs) }

// Processes iterates over the live processes in ascending order of their pids.
func (s *Session) Processes() iter.Seq[*Process] {
	return func(yield func(*Process) bool) {
		for _, pid := range slices.Sorted(maps.Keys(s.procs)) {
			if !yield(s.procs[pid]) {
				return
			}
		}
	}
}

// Apply changes the state by one record. It keeps rec, which must not be changed
// afterwards.
func (s *Session) Apply(rec format.Record) {
	head := rec.Head()
	s.Stats.Records++
	s.Stats.LastTime = max(s.Stats.LastTime, head.Time)
	switch r := rec.(type) {
	case *format.Host:
		s.Host = r
	case *format.SnapshotBegin:
		s.snapshotBegin(r)
	case *format.Process:
		s.process(r)
	case *format.Mmap:
		s.Stats.Mmaps++
		if r.Walked {
			s.Stats.Walked++
		}
		p := s.introduce(head)
		if !r.Walked {
			s.told(p.Space, r.Start, r.Start+r.Length, r.Time)
		}
		p.Space.Set(Mapping{
			Start: r.Start, End: r.Start + r.Length, Offset: r.Offset, File: s.file(r),
			Prot: r.Prot, Flags: r.Flags, Kind: r.Kind,
		})
	case *format.Clear:
		s.Stats.Clears++
		p := s.introduce(head)
		s.told(p.Space, r.Start, r.Start+r.Length, r.Time)
		p.Space.Clear(r.Start, r.Start+r.Length)
	case *format.SnapshotEnd:
		s.snapshotEnd(r)
	case *format.Comm:
		if r.TID == r.PID {
			s.introduce(head).Comm = r.Comm
		}
	case *format.Fork:
		s.fork(r)
	case *format.Exec:
		s.exec(r)
	case *format.Exit:
		s.exit(r)
	case *format.Lost:
		s.lost(r)
	case *format.End:
		s.End = r
	}
	if s.pending.walk != nil {
		s.compare(rec)
	}
}

// introduce returns the process that a statement is about. One that no record has
// introduced is taken up as unknown rather than dropped; a snapshot under way has to tell of it, or
// it is one whose end was lost.
func (s *Session) introduce(c *format.Common) *Process {
	p := s.lately[c.PID%uint32(len(s.lately))]
	if p != nil && p.PID == c.PID {
		return p
	}
	if p = s.procs[c.PID]; p == nil {
		s.Stats.Orphans++
		p = &Process{PID: c.PID}
		s.join(p, newAddressSpace(false))
	}
	s.put(p)
	return p
}

// put makes p the live process with its number.
func (s *Session) put(p *Process) {
	s.procs[p.PID] = p
	s.lately[p.PID%uint32(len(s.lately))] = p
}

// join gives p the address space a, and takes it out of the one that it had.
func (s *Session) join(p *Process, a *AddressSpace) {
	a.users++
	before := p.AddressSpace
	if before != nil {
		s.leave(p)
	}
	p.AddressSpace = a
	if s.watch != nil {
		s.watch.joined(p, before)
	}
}

// leave takes p out of its address space.
func (s *Session) leave(p *Process) {
	if p.users--; p.users == 0 {
		s.certain(p.AddressSpace, s.Stats.LastTime)
	}
}

// remove forgets process pid.
func (s *Session) remove(pid uint32) {
	if p := s.procs[pid]; p != nil {
		s.leave(p)
		delete(s.procs, pid)
		s.lately[pid%uint32(len(s.lately))] = nil
		if s.watch != nil {
			s.watch.left(p)
		}
	}
}

// file interns the file of a SET.
func (s *Session) file(r *format.Mmap) *File {
	recent := &s.recent[(r.Inode^r.Inode>>11)%uint64(len(s.recent))]
	if f := *recent; f != nil && f.of(r) {
		return f
	}
	key := File{
		Path: r.Path, Deleted: r.Deleted, Major: r.Major, Minor: r.Minor, Inode: r.Inode,
		Generation: r.Generation, HasGeneration: r.HasGeneration,
		BuildID: r.BuildID, GoBuildID: r.GoBuildID, BuildIDOrigin: r.BuildIDOrigin,
	}
	f := s.files[key]
	if f == nil {
		kept := key // so that key itself stays off the heap
		f = &kept
		s.files[kept] = f
		s.sweep(f)
	}
	*recent = f
	return f
}

// fewFiles are not worth a look for what nobody maps any more.
const fewFiles = 1 << 10

// sweep forgets the files that nobody maps any more, but for the new one, once there are twice as
// many as were left the last time.
func (s *Session) sweep(fresh *File) {
	if len(s.files) < max(s.many, fewFiles) || s.keep {
		return
	}
	mapped := map[*File]struct{}{fresh: {}}
	for _, p := range s.procs {
		for m := range p.Space.All() {
			mapped[m.File] = struct{}{}
		}
	}
	maps.DeleteFunc(s.files, func(_ File, f *File) bool {
		_, is := mapped[f]
		return !is
	})
	s.recent = [len(s.recent)]*File{}
	s.many = 2 * len(s.files)
}
