package replay

import (
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/vmasnap/vmasnap/format"
)

// History is a Session for a program that records and asks at once, without a file: one goroutine
// writes records, as recorder.Recorder.Run does to its sink, while any number of others ask what
// was mapped where, now or some time ago. What it knows goes back as far as it was told to keep;
// memory is that of the Session and of what has changed since: some 100 bytes for each statement.
type History struct {
	mu   sync.RWMutex
	s    *Session
	keep uint64 // ns

	now   uint64 // the highest time of a record
	swept uint64 // when what is too old was forgotten last
	since uint64 // the first record's; what was before is not known
	lives map[uint32][]*pastLife
	of    map[*Process]*pastLife
	space map[*AddressSpace]*pastSpace // those in use
	lost  doubts                       // from when on a loss may have been to when it was noticed
	any   doubts                       // of Session.incomplete
}

// pastLife is a process, and which address spaces it had.
type pastLife struct {
	*Process
	from, to uint64 // to is 0 as long as it lives
	had      []tenure
}

// tenure is an address space that a process has from a time on.
type tenure struct {
	from  uint64
	space *pastSpace
}

// NewHistory returns a History without processes that keeps what was so for at least that long.
func NewHistory(keep time.Duration) *History {
	h := &History{
		s: NewSession(), keep: uint64(max(keep, 0)), lives: make(map[uint32][]*pastLife),
		of: make(map[*Process]*pastLife), space: make(map[*AddressSpace]*pastSpace),
	}
	h.s.watch = h
	return h
}

// Write applies a record, which must not be changed afterwards. It makes of History a sink of a
// recorder, and never fails.
func (h *History) Write(rec format.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	head := rec.Head()
	if _, lost := rec.(*format.Lost); !lost {
		h.now = max(h.now, head.Time)
	}
	if h.since == 0 {
		h.since, h.swept = h.now, h.now
	}
	if h.now-h.swept > max(h.keep/4, uint64(100*time.Millisecond)) {
		h.sweep()
	}
	p := h.s.procs[head.PID]
	switch r := rec.(type) {
	case *format.Mmap:
		if p != nil && !r.Walked { // a walk follows upon a Process, which says all
			h.space[p.AddressSpace].changes(h.now, r.Start, r.Start+r.Length)
		}
	case *format.Clear:
		if p != nil {
			h.space[p.AddressSpace].changes(h.now, r.Start, r.Start+r.Length)
		}
	case *format.Process:
		h.walk(p, r)
		return nil
	}
	h.s.Apply(rec)
	h.any.follow(h.s.incomplete(), h.now)
	if r, ok := rec.(*format.Lost); ok {
		if r.PID == 0 {
			h.lost = append(h.lost, Window{max(r.From, 1), max(r.Time, 1)})
		}
		for _, past := range h.space {
			past.doubt(h.now)
		}
	}
	return nil
}

// walk applies what a walk says of p, or of another process with its number.
func (h *History) walk(p *Process, r *format.Process) {
	var before *AddressSpace
	var was *Space
	if p != nil && r.Status == format.WalkComplete {
		before, was = p.AddressSpace, p.Space.Clone()
	}
	h.s.Apply(r)
	p = h.s.procs[r.PID]
	if p == nil {
		return
	}
	past := h.space[p.AddressSpace]
	if p.AddressSpace == before {
		past.replaced(h.now, was)
	}
	past.doubt(h.now)
}

// joined implements watcher.
func (h *History) joined(p *Process, before *AddressSpace) {
	l := h.of[p]
	if l == nil {
		l = &pastLife{Process: p, from: h.now}
		h.of[p] = l
		h.lives[p.PID] = append(h.lives[p.PID], l)
	}
	past := h.space[p.AddressSpace]
	if past == nil {
		past = &pastSpace{AddressSpace: p.AddressSpace}
		h.space[p.AddressSpace] = past
		past.doubt(h.now)
	}
	l.had = append(l.had, tenure{h.now, past})
	h.unused(before)
}

// left implements watcher.
func (h *History) left(p *Process) {
	if l := h.of[p]; l != nil {
		l.to = h.now
		delete(h.of, p)
	}
	h.unused(p.AddressSpace)
}

// unused forgets an address space that nobody has any more, but for those who had it.
func (h *History) unused(a *AddressSpace) {
	if a != nil && a.users == 0 {
		delete(h.space, a)
	}
}

// sweep forgets what is older than is kept.
func (h *History) sweep() {
	h.swept = h.now
	oldest := h.now - min(h.keep, h.now)
	h.since = max(h.since, oldest)
	for pid, lives := range h.lives {
		lives = slices.DeleteFunc(lives, func(l *pastLife) bool { return l.to != 0 && l.to < oldest })
		if len(lives) == 0 {
			delete(h.lives, pid)
			continue
		}
		h.lives[pid] = lives
		for _, l := range lives {
			first := 0
			for first+1 < len(l.had) && l.had[first+1].from < oldest {
				first++
			}
			l.had = slices.Delete(l.had, 0, first)
		}
	}
	for _, past := range h.space {
		past.forget(oldest)
	}
	h.any = slices.DeleteFunc(h.any, func(w Window) bool { return w.Until != 0 && w.Until < oldest })
	h.lost = slices.DeleteFunc(h.lost, func(w Window) bool { return w.Until < oldest })
}

// PastAnswer is what a History knows about one address at one time. It belongs to the caller.
type PastAnswer struct {
	Miss      Miss
	Mapping   Mapping // with Hit
	Offset    uint64  // with Hit: bytes into Mapping.File of the address
	Uncertain bool    // statements that could have changed the answer were lost
	// Of the process, unless Miss is NoProcess: what it is called now, or was at its end.
	StartTime uint64 // CLOCK_BOOTTIME ns truncated to 10 ms; 0 = unknown
	Comm      string
	Status    format.WalkStatus
}

// Lookup answers what was mapped at addr in process pid at time t, CLOCK_MONOTONIC ns. A time that
// is to come is now. TooOld is the answer for times from before the first record, or that are not
// kept any more.
func (h *History) Lookup(pid uint32, t, addr uint64) PastAnswer {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if t < h.since {
		return PastAnswer{Miss: TooOld}
	}
	l := h.life(pid, t)
	if l == nil {
		return PastAnswer{Miss: NoProcess, Uncertain: h.any.at(t) || h.lost.at(t)}
	}
	a := PastAnswer{StartTime: l.StartTime, Comm: l.Comm, Status: l.Status()}
	i := sort.Search(len(l.had), func(i int) bool { return l.had[i].from > t })
	past := l.had[max(i-1, 0)].space
	var ok bool
	if a.Mapping, ok = past.lookup(t, addr); ok {
		a.Offset = a.Mapping.FileOffset(addr)
	} else {
		switch {
		case !past.known(t):
			a.Miss = NotWalked
		case a.Status == format.WalkKernelThread, a.Status == format.WalkZombie:
			a.Miss = NoAddresses
		default:
			a.Miss = NoMapping
		}
	}
	a.Uncertain = past.doubts.at(t) || h.lost.at(t)
	return a
}

// life returns who had that number at time t.
func (h *History) life(pid uint32, t uint64) *pastLife {
	for _, l := range slices.Backward(h.lives[pid]) {
		if l.from <= t {
			if l.to != 0 && l.to <= t {
				return nil
			}
			return l
		}
	}
	return nil
}

// Len returns the number of processes that live.
func (h *History) Len() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.s.Len()
}
