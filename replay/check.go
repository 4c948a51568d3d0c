package replay

import (
	"errors"
	"fmt"

	"github.com/vmasnap/vmasnap/format"
)

// Problem is something in a recording that must not be.
type Problem struct {
	At  format.Position // of the record, or of the place where reading stopped
	Err error           // what is wrong; format.ErrTruncated and format.ErrCorrupt show through
}

// Error implements error.
func (p *Problem) Error() string {
	// The reader says itself where it stopped.
	var bad *format.FormatError
	if errors.As(p.Err, &bad) || errors.Is(p.Err, format.ErrTruncated) {
		return p.Err.Error()
	}
	return fmt.Sprintf("record %d (byte %d of the record stream, in the frame at file offset %d): %v", p.At.Record, p.At.Raw, p.At.File, p.Err)
}

// Unwrap returns what is wrong.
func (p *Problem) Unwrap() error { return p.Err }

// Check reads r to its end and reports each problem to problem: structure and checksums as
// format.Reader finds them, the order of records, and all counts against the records that
// they count. It returns the state at the end. An error that says nothing about the
// recording, such as one of its disk, ends it too; r.Read returns that again.
func Check(r *format.Reader, problem func(*Problem)) *Session {
	c := checker{session: NewSession(), at: r.Offset, report: problem}
	for rec, err := range r.All() {
		if errors.Is(err, format.ErrCorrupt) || errors.Is(err, format.ErrTruncated) {
			c.problem(err)
		}
		if err != nil {
			if c.session.End != nil {
				c.explain()
			}
			return c.session
		}
		c.record(rec)
		c.session.Apply(rec)
	}
	c.finish()
	return c.session
}

// checker holds what the rules about sequences of records need to remember.
type checker struct {
	session *Session
	at      func() format.Position // of the record under way
	report  func(*Problem)

	snapshot *format.SnapshotBegin // under way
	counts   format.SnapshotEnd    // what it has held so far
	files    map[File]struct{}     // distinct files of it
	stated   map[uint32]*format.Process

	walk     *format.Process // whose mappings are expected
	expected uint32          // how many of them
	last     uint64          // end of the last one

	live liveRules
}

func (c *checker) problem(err error) { c.report(&Problem{c.at(), err}) }

func (c *checker) problemf(msg string, args ...any) { c.problem(fmt.Errorf(msg, args...)) }

// record checks rec against what came before it.
func (c *checker) record(rec format.Record) {
	m, isMmap := rec.(*format.Mmap)
	if c.expected > 0 && (!isMmap || !m.Walked || m.PID != c.walk.PID) {
		c.problemf("%d mappings of the walk of process %d are missing", c.expected, c.walk.PID)
		c.expected = 0
	}
	c.time(rec.Head().Time)
	c.statement(rec)
	switch r := rec.(type) {
	case *format.SnapshotBegin:
		c.begin(r)
	case *format.Process:
		c.process(r)
	case *format.Mmap:
		c.mmap(r)
	case *format.Clear:
		c.interval(r.Start, r.Length)
	case *format.SnapshotEnd:
		c.end(r)
	case *format.Lost:
		if r.From > r.Time && r.Time != 0 {
			c.problemf("a loss from %d on was noticed at %d already", r.From, r.Time)
		}
	case *format.End:
		c.summary(r)
	}
}

func (c *checker) begin(r *format.SnapshotBegin) {
	if c.snapshot != nil {
		c.problemf("snapshot %d begins inside snapshot %d", r.ID, c.snapshot.ID)
	}
	c.snapshot, c.counts = r, format.SnapshotEnd{}
	c.files = make(map[File]struct{})
	c.stated = make(map[uint32]*format.Process)
}

func (c *checker) process(r *format.Process) {
	if c.snapshot == nil || c.snapshot.ID != r.Snapshot {
		c.problemf("process %d claims to belong to snapshot %d, which is not under way", r.PID, r.Snapshot)
		return
	}
	if c.stated[r.PID] != nil {
		c.problemf("process %d twice in snapshot %d", r.PID, r.Snapshot)
	}
	if r.Status == format.WalkShared {
		if !c.tells(r.SharesPID) || r.SharesPID == r.PID {
			c.problemf("process %d shares the address space of %d, which was not walked before it", r.PID, r.SharesPID)
		}
	}
	c.stated[r.PID] = r
	if int(r.Status) < len(c.counts.Processes) {
		c.counts.Processes[r.Status]++
	}
	c.walk, c.expected, c.last = r, r.VMAs, 0
}

// tells reports whether this snapshot says what the address space of pid is: by a walk of it
// or of another process that has it, or because the process was born since the snapshot began. One
// of a single process can rely on what is known of another.
func (c *checker) tells(pid uint32) bool {
	s := c.session
	p := s.procs[pid]
	return p != nil && (p.restated == s.snapshots || p.Walk == nil && !s.unseen(p) || c.snapshot.PID != 0 && p.Known)
}

func (c *checker) mmap(r *format.Mmap) {
	c.interval(r.Start, r.Length)
	if !r.Walked {
		return
	}
	if c.expected == 0 {
		c.problemf("a mapping at %#x of process %d belongs to no walk", r.Start, r.PID)
		return
	}
	c.expected--
	if r.Start < c.last {
		c.problemf("mapping at %#x of process %d begins before the end %#x of the one before it", r.Start, r.PID, c.last)
	}
	c.last = r.Start + r.Length
	c.counts.Mmaps++
	if r.Kind&format.ContentFiles != 0 {
		c.files[File{Path: r.Path, Deleted: r.Deleted, Major: r.Major, Minor: r.Minor, Inode: r.Inode}] = struct{}{}
	}
}

// interval checks what every statement about an interval must keep.
func (c *checker) interval(start, length uint64) {
	page := uint64(1)
	if h := c.session.Host; h != nil && h.PageSize != 0 {
		page = uint64(h.PageSize)
	}
	switch {
	case length == 0:
		c.problemf("an empty interval at %#x", start)
	case start+length < start:
		c.problemf("interval at %#x of %#x bytes wraps around", start, length)
	case start%page != 0 || length%page != 0:
		c.problemf("interval at %#x of %#x bytes is not a multiple of the page size %d", start, length, page)
	}
}

func (c *checker) end(r *format.SnapshotEnd) {
	if c.snapshot == nil || c.snapshot.ID != r.ID {
		c.problemf("snapshot %d ends, but is not under way", r.ID)
		return
	}
	if c.counts.Processes != r.Processes {
		c.problemf("snapshot %d counts processes %v, but holds %v", r.ID, r.Processes, c.counts.Processes)
	}
	if c.counts.Mmaps != r.Mmaps {
		c.problemf("snapshot %d counts %d mappings, but holds %d", r.ID, r.Mmaps, c.counts.Mmaps)
	}
	if files := uint64(len(c.files)); files != r.Files {
		c.problemf("snapshot %d counts %d files, but holds %d", r.ID, r.Files, files)
	}
	c.snapshot = nil
}

// summary checks what format.Reader does not: it has compared the counts of records and of
// mappings.
func (c *checker) summary(r *format.End) {
	st := &c.session.Stats
	if r.Lost != st.Lost {
		c.problemf("the End record counts %d lost statements, but the Lost records %d", r.Lost, st.Lost)
	}
	if r.Time != 0 && r.Time < st.LastTime {
		c.problemf("the End record's time %d lies before the latest record's %d", r.Time, st.LastTime)
	}
}

func (c *checker) finish() {
	c.explain()
	if c.expected > 0 {
		c.problemf("%d mappings of the walk of process %d are missing", c.expected, c.walk.PID)
	}
	// A recorder that was interrupted, or could not go on, says so. One that follows changes
	// ends at any time.
	if e := c.session.End; c.snapshot != nil && (e == nil || e.Reason == format.EndFinished) && !follows(c.session.Host) {
		c.problemf("snapshot %d does not end", c.snapshot.ID)
	}
}
