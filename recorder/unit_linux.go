package recorder

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
)

// unit is a walk, of one process or by the iterator of all, between two marks in the ring.
// What it found is the truth at the second mark once the statements between the marks have
// been laid over it: wherever nothing was said meanwhile nothing changed, or the change is
// told later.
type unit struct {
	id    uint64
	pid   uint32                  // 0: of every process
	walks atomic.Pointer[[]*walk] // set before the second mark is made

	// Of the goroutine that reads the ring.
	begun  uint64     // number of the event that was the first mark; 0 = not seen
	losses uint64     // losses.generation by then
	known  bool       // there was such a process at the first mark
	space  *liveSpace // its address space then
	log    map[*liveSpace][]noted
	size   int
	spoilt map[*liveSpace]struct{} // a statement about them was lost
	full   bool                    // the log was too long to keep
}

// noted is one statement of a unit's log.
type noted struct {
	start, end uint64
	mmaps      []format.Mmap
}

// maxNoted bounds the statements that one unit logs. A walk takes a millisecond, as a rule.
const maxNoted = 1 << 18

// note logs a statement about s.
func (u *unit) note(s *liveSpace, ev *bpfmmap.Event, mmaps []format.Mmap) {
	if u.pid != 0 && s != u.space || u.full {
		return
	}
	u.size += 1 + len(mmaps)
	if u.size > maxNoted {
		u.full, u.log = true, nil
		return
	}
	if u.log == nil {
		u.log = make(map[*liveSpace][]noted)
	}
	u.log[s] = append(u.log[s], noted{ev.Start, ev.End, mmaps})
}

// spoil makes what u finds about s worthless.
func (u *unit) spoil(s *liveSpace) {
	if u.spoilt == nil {
		u.spoilt = make(map[*liveSpace]struct{})
	}
	u.spoilt[s] = struct{}{}
}

// units are the walks whose second mark has not been seen. Workers add to them.
type units struct {
	mu   sync.Mutex
	last uint64
	byID map[uint64]*unit
}

// The marks' identifiers: a number, and in the lowest bits what it is the number of.
const (
	markBegin  = iota // the first mark of a unit
	markEnd           // the second
	markReady         // a snapshot has all it needs to begin
	markEnding        // the recording ends here
	markLost          // something was lost before
	markKinds
)

// add makes a unit for the walk of pid, or of all with 0.
func (us *units) add(pid uint32) *unit {
	us.mu.Lock()
	defer us.mu.Unlock()
	us.last++
	u := &unit{id: us.last, pid: pid}
	if us.byID == nil {
		us.byID = make(map[uint64]*unit)
	}
	us.byID[u.id] = u
	return u
}

func (us *units) get(id uint64) *unit {
	us.mu.Lock()
	defer us.mu.Unlock()
	return us.byID[id]
}

func (us *units) remove(u *unit) {
	us.mu.Lock()
	defer us.mu.Unlock()
	delete(us.byID, u.id)
}

// errUnmarked: a mark could not be put into the ring, which is full.
var errUnmarked = errors.New("mark walk in ring")

// between runs find between two marks. It is called by a worker. Without a mark what is found is
// still better than nothing: see shot.unmarked.
func (l *live) between(pid uint32, find func() []*walk) error {
	u := l.units.add(pid)
	if err := l.f.Mark(u.id*markKinds + markBegin); err != nil {
		l.units.remove(u)
		find()
		return errUnmarked
	}
	walks := find()
	u.walks.Store(&walks)
	if err := l.f.Mark(u.id*markKinds + markEnd); err != nil {
		l.units.remove(u)
		return errUnmarked
	}
	return nil
}

// mark takes in a mark.
func (l *live) mark(ev *bpfmmap.Event) error {
	id := ev.ID / markKinds
	switch ev.ID % markKinds {
	case markReady:
		if l.shot != nil && uint64(l.shot.id) == id {
			return l.shot.ready(l)
		}
		return nil
	case markEnding:
		l.ended = time.Now()
		return l.pollMisses() // of what the ring has, so that it is repaired
	case markLost:
		return l.reached(ev.Time, id)
	}
	u := l.units.get(id)
	if u == nil {
		return nil
	}
	if ev.ID%markKinds == markBegin {
		u.begun, u.losses = l.events, l.losses.generation
		if p := l.processes[u.pid]; p != nil {
			u.known, u.space = true, p.space
		}
		l.logging = append(l.logging, u)
		return nil
	}
	l.forget(u)
	// What was lost before the second mark has been counted by now.
	if err := l.checkLosses(); err != nil {
		return err
	}
	if l.shot == nil {
		return nil
	}
	for _, w := range *u.walks.Load() {
		if err := l.shot.settle(l, u, w, ev.Time); err != nil {
			return err
		}
	}
	return nil
}

// forget ends the log of u.
func (l *live) forget(u *unit) {
	l.units.remove(u)
	for i, other := range l.logging {
		if other == u {
			l.logging = append(l.logging[:i], l.logging[i+1:]...)
			return
		}
	}
}

// proves reports whether what w, a walk of u, found of p is the truth at u's second mark. If p is
// nil the kernel has listed all, but not this one: its birth is to come, or it is in the middle
// of its end, which may take its time on a busy machine. While the ring has not been read to
// where something is known to have been lost, nobody can tell.
func (l *live) proves(u *unit, w *walk, p *liveProcess) bool {
	if p == nil || p.space == nil || w.process.Status == format.WalkRaced {
		return false
	}
	_, spoilt := u.spoilt[p.space]
	return l.losses.open == nil && u.begun != 0 && u.losses == l.losses.generation && !u.full && !spoilt && p.bound <= u.begun
}
