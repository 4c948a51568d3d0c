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

	procs map[uint32]*Process
	files map[File]*File

	snapshot uint32 // SnapshotBegin.ID plus one of the machine-wide snapshot under way
}

// Stats counts what a Session has been given.
type Stats struct {
	Records uint64
	Mmaps   uint64 // SET statements
	Lost    uint64 // sum of Lost.Count
	Losses  uint64 // Lost records

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
		if r.PID == 0 {
			s.snapshot = r.ID + 1
		}
	case *format.Process:
		s.process(r)
	case *format.Mmap:
		s.Stats.Mmaps++
		p := s.introduce(head)
		p.Space.Set(Mapping{
			Start: r.Start, End: r.Start + r.Length, Offset: r.Offset, File: s.file(r),
			Prot: r.Prot, Flags: r.Flags, Kind: r.Kind,
		})
	case *format.Clear:
		s.introduce(head).Space.Clear(r.Start, r.Start+r.Length)
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
		if r.Group {
			delete(s.procs, r.PID)
		}
	case *format.Lost:
		s.lost(r)
	case *format.End:
		s.End = r
	}
}

// process starts the process anew from a walk; its mappings follow. Nothing of an older
// process with this pid is kept, be it the same one or not.
func (s *Session) process(r *format.Process) {
	if r.Status == format.WalkVanished {
		// Named, so that its absence is no mystery, but gone.
		delete(s.procs, r.PID)
		return
	}
	p := &Process{
		PID: r.PID, StartTime: r.StartTime, PPID: r.PPID, Comm: r.Comm, Exe: r.Exe, Walk: r,
		Space: new(Space), seen: s.snapshot,
	}
	s.procs[r.PID] = p
	switch r.Status {
	case format.WalkShared:
		// A process that claims to share with itself shares with nobody.
		if owner := s.procs[r.SharesPID]; owner != nil && owner != p {
			p.Space, p.Known, p.UncertainSince = owner.Space, owner.Known, owner.UncertainSince
		}
	case format.WalkComplete, format.WalkKernelThread, format.WalkZombie:
		p.Known = true
	}
}

// snapshotEnd drops the processes that a machine-wide snapshot did not find and that were
// not born during it: their end was lost.
func (s *Session) snapshotEnd(r *format.SnapshotEnd) {
	s.Stats.Snapshots++
	if r.PID != 0 {
		return // it looked at one process
	}
	s.Stats.LastSnapshot = *r
	if s.snapshot != r.ID+1 {
		return
	}
	maps.DeleteFunc(s.procs, func(_ uint32, p *Process) bool { return p.seen != s.snapshot })
	s.snapshot = 0
}

func (s *Session) fork(r *format.Fork) {
	child := &Process{PID: r.PID, StartTime: r.StartTime, PPID: r.PPID, Space: new(Space), seen: s.snapshot}
	s.procs[r.PID] = child
	parent := s.procs[r.PPID]
	if parent == nil {
		child.Known = r.Stated
		return
	}
	child.Comm, child.Exe = parent.Comm, parent.Exe
	child.Known, child.UncertainSince = parent.Known, parent.UncertainSince
	switch {
	case r.SharesVM:
		child.Space = parent.Space
	case r.Stated:
		child.Known, child.UncertainSince = true, 0
	default:
		child.Space = parent.Space.Clone()
	}
}

func (s *Session) exec(r *format.Exec) {
	p := s.introduce(&r.Common)
	p.Space, p.Known, p.UncertainSince = new(Space), true, 0
	if r.Comm != "" {
		p.Comm = r.Comm
	}
	if r.Exe != "" {
		p.Exe = r.Exe
	}
}

func (s *Session) lost(r *format.Lost) {
	s.Stats.Losses++
	s.Stats.Lost += r.Count
	since := max(r.From, 1)
	about := s.procs[r.PID] // with all who share its address space
	for _, p := range s.procs {
		if (r.PID == 0 || about != nil && p.Space == about.Space) && (p.UncertainSince == 0 || since < p.UncertainSince) {
			p.UncertainSince = since
		}
	}
}

// introduce returns the process that a statement is about. One that no record has
// introduced is taken up as unknown rather than dropped.
func (s *Session) introduce(c *format.Common) *Process {
	p := s.procs[c.PID]
	if p == nil {
		p = &Process{PID: c.PID, Space: new(Space), seen: s.snapshot}
		s.procs[c.PID] = p
	}
	return p
}

// file interns the file of a SET.
func (s *Session) file(r *format.Mmap) *File {
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
	}
	return f
}
