package recorder

import (
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

const (
	// witnessEarly is by how much a statement may be stamped before perf's event about the
	// same change, of which one hook or the other is first, and between which others may run.
	witnessEarly = uint64(100 * time.Millisecond)
	// witnessLate is how much later: until the system call has ended, on a busy machine.
	witnessLate = uint64(3 * time.Second)
)

// TestWitness records beside perf. Whatever its side-band has of the whole machine is recorded:
// each executable mapping with its file, each name, birth and end. Processes have one thread
// here: in others perf tells of mappings that are gone before the system call returns.
func TestWitness(t *testing.T) {
	perf := startPerf(t)
	tr := startTrouble(t, "--seed", "21", "--procs", "40", "--threads", "1", "--no-share")
	r := startRecording(t, tr, order{})
	r.await("walk")
	begin := Now()
	time.Sleep(3 * time.Second)
	tr.hold()
	end := Now()
	r.await("settle")
	out := r.stop()
	events := perf.stop()

	w := witness{moves: tr.moves, counts: make(map[string]int), mmaps: make(map[uint32][]*perfEvent), tasks: make(map[taskEvent][]*perfEvent)}
	lost := 0
	for i := range events {
		e := &events[i]
		switch {
		case e.kind == "LOST":
			lost++
		case e.time < begin || e.time > end:
		case e.kind == "MMAP2":
			w.mmaps[e.pid] = append(w.mmaps[e.pid], e)
		default:
			key := taskEvent{kind: e.kind, pid: e.pid, tid: e.tid, comm: e.comm}
			if e.kind == "FORK" {
				key.ppid, key.ptid = e.ppid, e.ptid
			}
			w.tasks[key] = append(w.tasks[key], e)
		}
		if e.kind != "LOST" && e.time >= begin && e.time <= end {
			w.counts[e.kind]++
		}
	}
	r.each(w.record)

	missing := 0
	miss := func(e *perfEvent) {
		if missing++; missing <= 20 {
			t.Errorf("perf has it, the recording has not: %s", e)
		}
	}
	for _, list := range w.mmaps {
		for _, e := range list {
			miss(e)
		}
	}
	for _, list := range w.tasks {
		for _, e := range list {
			miss(e)
		}
	}
	if missing > 20 {
		t.Errorf("and %d more", missing-20)
	}
	for _, kind := range []string{"MMAP2", "COMM", "FORK", "EXIT"} {
		if w.counts[kind] < 100 {
			t.Errorf("perf has %d %s events, which says little", w.counts[kind], kind)
		}
	}
	t.Logf("%s: perf has %v, lost some %d times; of its mappings %d are recorded with the same limits, %d inside larger ones, %d were merged, renamed or told before; %s",
		out.Hooks, w.counts, lost, w.exact, w.inside, w.others, out.losses())
	t.Logf("the recording has besides: %d CLEAR statements, %d SET statements that perf has no event for", out.Clears, out.Sets-uint64(w.exact)-uint64(w.inside))
}

// taskEvent is what a COMM, FORK or EXIT says.
type taskEvent struct {
	kind       string
	pid, tid   uint32
	ppid, ptid uint32
	comm       string
}

// witness takes perf's events away that the recording has too.
type witness struct {
	moves  func(path string) bool // whether files of that name are renamed and removed
	counts map[string]int
	mmaps  map[uint32][]*perfEvent // that have not been found, of each process in perf's order
	tasks  map[taskEvent][]*perfEvent

	exact, inside, others int
}

// record takes notice of a record that is about to be applied.
func (w *witness) record(s *replay.Session, rec format.Record) {
	head := rec.Head()
	switch r := rec.(type) {
	case *format.Mmap:
		if !r.Walked {
			w.set(r)
		}
	case *format.Comm:
		w.task(taskEvent{kind: "COMM", pid: r.PID, tid: r.TID, comm: r.Comm}, r.Time)
	case *format.Exec:
		w.task(taskEvent{kind: "COMM", pid: r.PID, tid: r.PID, comm: r.Comm}, r.Time)
	case *format.Fork:
		w.task(taskEvent{kind: "FORK", pid: r.PID, tid: r.TID, ppid: r.PPID, ptid: r.PTID}, r.Time)
	case *format.Exit:
		w.task(taskEvent{kind: "EXIT", pid: r.PID, tid: r.TID}, r.Time)
	}
	w.state(s, head.PID, head.Time)
}

// task finds perf's event of what the recording says now.
func (w *witness) task(key taskEvent, now uint64) {
	list := w.tasks[key]
	for i, e := range list {
		if near(e.time, now) {
			w.tasks[key] = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(w.tasks[key]) == 0 {
		delete(w.tasks, key)
	}
}

// near reports whether a record at the time now can be about perf's event.
func near(perf, now uint64) bool { return now+witnessEarly >= perf && now <= perf+witnessLate }

// set finds perf's events of a mapping that the recording states now.
func (w *witness) set(m *format.Mmap) {
	w.take(m.PID, func(e *perfEvent) bool {
		if !near(e.time, m.Time) || !e.within(w.moves, &replay.Mapping{Start: m.Start, End: m.Start + m.Length, Offset: m.Offset, Prot: m.Prot,
			File: &replay.File{Path: m.Path, Deleted: m.Deleted, Major: m.Major, Minor: m.Minor, Inode: m.Inode}}) {
			return false
		}
		if e.start == m.Start && e.length == m.Length {
			w.exact++
		} else {
			w.inside++
		}
		return true
	})
}

// state finds perf's events of what was mapped already when they came: a mapping over the
// same one changes nothing.
func (w *witness) state(s *replay.Session, pid uint32, now uint64) {
	p := s.Process(pid)
	if p == nil || len(w.mmaps[pid]) == 0 {
		return
	}
	w.take(pid, func(e *perfEvent) bool {
		if e.time > now {
			return false
		}
		m, ok := p.Space.Lookup(e.start)
		if !ok || !e.within(w.moves, &m) {
			return false
		}
		w.others++
		return true
	})
}

func (w *witness) take(pid uint32, found func(*perfEvent) bool) {
	list := w.mmaps[pid]
	if len(list) == 0 {
		return
	}
	kept := list[:0]
	for _, e := range list {
		if !found(e) {
			kept = append(kept, e)
		}
	}
	w.mmaps[pid] = kept
}

// within reports whether m has all that the event says is mapped. A file that is renamed or
// removed may have another name when the system call has ended.
func (e *perfEvent) within(moves func(string) bool, m *replay.Mapping) bool {
	path := m.File.Path
	if m.File.Deleted {
		path += " (deleted)"
	}
	return e.start >= m.Start && e.start+e.length <= m.End && m.FileOffset(e.start) == e.offset && m.Prot&format.ProtExec != 0 &&
		m.File.Major == e.major && m.File.Minor == e.minor && m.File.Inode == e.inode &&
		(path == e.path || moves(path) && moves(e.path))
}
