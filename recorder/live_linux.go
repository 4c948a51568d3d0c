package recorder

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// live is one recording that follows: the one goroutine that reads the ring and writes the
// file, in the ring's order. All of its state is that goroutine's, but for units.
type live struct {
	*Recorder
	table
	f    follower
	sink Sink

	begun   time.Time
	event   bpfmmap.Event // the one that is taken in
	events  uint64        // read from the ring
	now     uint64        // to which the ring has been read: CLOCK_MONOTONIC ns
	files   *liveFiles
	walked  *procmap.Files // the files that walks found
	units   units
	logging []*unit // walks under way: statements meanwhile are logged for them
	held    held
	losses  losses
	plan    plan
	shot    *shot // the snapshot under way, or nil
	stats   Stats
	slab    []format.Mmap

	announced bool      // see attached
	marked    bool      // the mark at which the recording ends is in the ring
	ended     time.Time // when it was seen
}

// follower is *bpfmmap.Follower. Tests put a kernel here that does what they say.
type follower interface {
	Hooks() bpfmmap.Hooks
	Notes() []string
	Attach() error
	Adopt(pids ...int) error
	AdoptCgroup(path string) error
	List(id uint64) error
	Mark(id uint64) error
	Read(*bpfmmap.Event) error
	SetDeadline(time.Time)
	Losses(each func(cpu int, l bpfmmap.Loss, total uint64))
	PollMisses() error
	NewEpoch()
	Close() error
}

// handle takes in one event of the ring.
func (l *live) handle(ev *bpfmmap.Event) error {
	l.events++
	// The ring's order is the true one. A program may be interrupted between its look at the clock
	// and the reservation of its event; none is later than its reservation, nor is the latest of
	// those before it.
	l.now = max(l.now, ev.Time)
	ev.Time = l.now
	switch ev.Type {
	case bpfmmap.TypeFile:
		l.files.learn(&ev.File)
		return nil
	case bpfmmap.TypeMark:
		return l.mark(ev)
	case bpfmmap.TypeTasks:
		if !ev.Last {
			l.beginListing(ev.ID)
		} else if ev.ID == l.listing {
			l.endListing()
			return l.attached()
		}
		return nil
	}
	if l.listing == 0 && !l.some() {
		return l.early(ev)
	}
	switch ev.Type {
	case bpfmmap.TypeState:
		return l.state(ev)
	case bpfmmap.TypeFork:
		return l.forked(ev)
	case bpfmmap.TypeExec:
		return l.executed(ev)
	case bpfmmap.TypeExit:
		return l.exited(ev)
	case bpfmmap.TypeComm:
		return l.renamed(ev)
	case bpfmmap.TypeEnd:
		delete(l.spaces, ev.MM)
		l.held.forget(ev.MM)
	case bpfmmap.TypeDirty:
		return l.dirty(ev)
	case bpfmmap.TypeTask:
		if !l.known(ev.PID) && !l.held.unborn(ev.MM, l.losses.generation) {
			return l.task(ev)
		}
	case bpfmmap.TypeAdopt:
		l.bind(l.find(ev.PID), ev.MM, l.events)
		if l.plan.initial {
			l.plan.adopt(ev.PID)
		}
		return l.release(ev.MM, ev.Time)
	}
	return nil
}

// early takes in an event from before the first listing, when nothing ties it to a process.
// Only of a child on its way something is kept: its FORK may come later.
func (l *live) early(ev *bpfmmap.Event) error {
	switch {
	case ev.Type == bpfmmap.TypeState && ev.PID == 0:
		return l.hold(ev)
	case ev.Type == bpfmmap.TypeFork || ev.Type == bpfmmap.TypeEnd:
		l.held.forget(ev.MM)
	}
	return nil
}

// task takes in which address space a process has.
func (l *live) task(ev *bpfmmap.Event) error {
	p := l.find(ev.PID)
	missed := p.told && p.space != nil && p.space.mm != ev.MM && ev.MM != 0 // else the number is a kernel thread's now
	l.bind(p, ev.MM, l.events)
	if missed && l.losses.last != nil {
		// Nothing but an exec changes it, which was lost. What is said of the new one must not
		// become true of those who still have the old one.
		p.named = false
		if len(p.space.tellers) == 0 {
			p.space.tells(p.pid)
		}
		if err := l.sink.Write(&format.Exec{Common: common(ev), OldTID: ev.PID}); err != nil {
			return err
		}
		lost := *l.losses.last
		lost.Common, lost.Count, lost.CPU = common(ev), 0, -1
		if err := l.sink.Write(&lost); err != nil {
			return err
		}
	}
	return l.release(ev.MM, ev.Time)
}

func common(ev *bpfmmap.Event) format.Common {
	return format.Common{Time: ev.Time, PID: ev.PID, TID: ev.TID}
}

// clockTick is the unit of /proc/PID/stat's start time in ns: USER_HZ is 100 everywhere.
const clockTick = 10_000_000

// forked takes in a new process or thread. What a new address space holds is stated by the
// kernel side, whole: by the tracepoint rung after this event, by the others before it. What came
// before may not be all of it, if something was lost since, or has gone to a process that a
// listing came upon first: then the child is walked.
func (l *live) forked(ev *bpfmmap.Event) error {
	r := &format.Fork{
		Common: common(ev), PPID: ev.ParentPID, PTID: ev.ParentTID,
		StartTime: ev.StartTime - ev.StartTime%clockTick, CloneFlags: ev.CloneFlags,
		SharesVM: ev.CloneFlags&unix.CLONE_VM != 0,
	}
	if ev.TID != ev.PID {
		return l.sink.Write(r) // a thread
	}
	l.stats.Live.Forks++
	r.Stated = !r.SharesVM
	parent := l.processes[ev.ParentPID]
	// Who begins to read at the snapshot under way knows what it has told so far.
	told := parent != nil && parent.named && (l.shot == nil || l.shot.pid != 0 || parent.shot == l.shot.id)
	// A child has the name of the thread that forked it, and replay gives it the process's.
	named := told && parent.comm == ev.Comm.String()
	torn := r.Stated && l.f.Hooks() != bpfmmap.HooksTracepoint && (l.has(ev.PID, ev.MM) || !l.held.unborn(ev.MM, l.losses.generation))
	p := l.fork(ev.PID, l.events)
	p.named, p.comm = told, ev.Comm.String()
	l.introduced(p)
	if r.Stated {
		l.renew(ev.MM, l.events)
	}
	l.bind(p, ev.MM, l.events)
	if r.SharesVM && parent == nil && !l.some() {
		l.bind(l.find(ev.ParentPID), ev.MM, l.events) // whose own birth was lost
	}
	switch s := p.space; {
	case s == nil:
	case r.Stated || slices.Contains(s.tellers, ev.ParentPID):
		s.tells(p.pid)
	case len(s.tellers) > 0:
		told = false // the recording has another address space for the parent, as yet
	}
	if !told {
		l.adopt(ev.PID)
	}
	if err := l.sink.Write(r); err != nil {
		return err
	}
	if !named {
		if err := l.sink.Write(&format.Comm{Common: common(ev), Comm: ev.Comm.String()}); err != nil {
			return err
		}
	}
	if torn {
		l.held.forget(ev.MM)
		missing := bpfmmap.Event{Time: ev.Time, PID: ev.PID, TID: ev.TID, MM: ev.MM, Reason: bpfmmap.LossTorn}
		return l.dirty(&missing)
	}
	return l.release(ev.MM, ev.Time)
}

// executed takes in the begin of a process's new address space.
func (l *live) executed(ev *bpfmmap.Event) error {
	l.stats.Live.Execs++
	l.held.forget(ev.MM)
	l.renew(ev.MM, l.events)
	p := l.find(ev.PID)
	l.bind(p, ev.MM, l.events)
	if p.space != nil {
		p.space.tells(p.pid)
	}
	if !p.told {
		l.introduced(p)
	}
	if name := ev.Comm.String(); name != "" {
		p.comm = name
	}
	r := &format.Exec{Common: common(ev), OldTID: ev.OldTID, Comm: ev.Comm.String()}
	r.TID = r.PID // the thread that called execve is the leader from now on
	if r.OldTID == 0 {
		r.OldTID = r.PID
	}
	f := l.files.known(ev.Exe)
	if f != nil {
		r.Exe = f.Path
	}
	if err := l.sink.Write(r); err != nil || f != nil {
		return err
	}
	// The loss of what the file is called has been counted, maybe long before this.
	p.named = false
	unnamed := *ev
	unnamed.Reason = bpfmmap.LossTorn
	return l.dirty(&unnamed)
}

// adopt has a new process walked of which its parent does not tell what it is, or has: it has not
// been told itself.
func (l *live) adopt(pid uint32) {
	switch {
	case l.shot == nil && !l.plan.initial: // all are to be walked
	case l.shot == nil || !l.shot.adopt(pid):
		l.plan.adopt(pid)
	}
}

// introduced takes note that the recording tells of p now.
func (l *live) introduced(p *liveProcess) {
	p.told = true
	if l.shot != nil && l.shot.pid == 0 {
		p.shot = l.shot.id
	}
}

// renamed takes in a new name of a thread, which if it is the leader is the process's.
func (l *live) renamed(ev *bpfmmap.Event) error {
	p := l.processes[ev.PID]
	if p == nil {
		return nil // it is not known yet: a snapshot is to tell of it, name and all
	}
	if ev.TID == ev.PID {
		p.comm, p.renamed = ev.Comm.String(), l.events
	}
	return l.sink.Write(&format.Comm{Common: common(ev), Comm: ev.Comm.String()})
}

// exited takes in the end of a thread or of a process. When the last two threads end at
// once, both events say that they were the last.
func (l *live) exited(ev *bpfmmap.Event) error {
	group := ev.Group && l.exit(ev.PID)
	if group {
		l.stats.Live.Exits++
	}
	return l.sink.Write(&format.Exit{Common: common(ev), Code: ev.Code, Group: group})
}

// dirty takes in that a statement about one address space could not be made.
func (l *live) dirty(ev *bpfmmap.Event) error {
	lost := &format.Lost{Common: common(ev), Count: 1, From: ev.Time, CPU: -1, Reason: formatLoss(ev.Reason)}
	l.count(lost)
	s := l.spaces[ev.MM]
	if s == nil || len(s.members) == 0 {
		return nil // nobody has it any more, or a snapshot is to come that finds out who
	}
	lost.PID, lost.TID = l.speaker(s, ev)
	l.plan.repair(s)
	for _, u := range l.logging {
		u.spoil(s)
	}
	return l.sink.Write(lost)
}

// speaker returns the process and the thread under which a statement about s is written: one
// that the recording knows to have it, or else one that it knows.
func (l *live) speaker(s *liveSpace, ev *bpfmmap.Event) (pid, tid uint32) {
	if len(s.tellers) > 0 {
		pid = s.tellers[0]
		if slices.Contains(s.tellers, ev.PID) {
			pid = ev.PID
		}
	} else {
		told := func(pid uint32) bool { return l.processes[pid].told }
		i := slices.IndexFunc(s.members, told)
		pid = s.members[max(i, 0)]
		if slices.Contains(s.members, ev.PID) && (i < 0 || told(ev.PID)) {
			pid = ev.PID
		}
	}
	if pid == ev.PID {
		return pid, ev.TID
	}
	return pid, pid
}
