package replay

import (
	"fmt"
	"slices"

	"github.com/vmasnap/vmasnap/format"
)

const (
	// farBack is how far a time may lie before the latest one, ns: a walk that hangs is
	// recorded when it is given up, with the time at which it began.
	farBack = 10 * 60 * 1e9
	// maxOdd is how many odd statements are kept until it is known what was lost.
	maxOdd = 64
)

// liveRules hold what the rules about live statements need to remember. They are about
// recordings that claim to have followed every change: each process is introduced, by a walk
// or its birth, before anything is said of it. A loss excuses what follows it, but is
// recorded when it is noticed, which is later.
type liveRules struct {
	covered bool // a machine-wide snapshot is complete
	// excused are processes of which statements may come although they are not known: the
	// walk of a process that ends can be ahead of the news of its end.
	excused map[uint32]struct{}
	odd     []odd
	back    bool // a time that went back was told already
}

// odd is a statement that only a loss can explain.
type odd struct {
	problem Problem
	pid     uint32
	time    uint64
}

// time checks a record's time against those before it, once: one bad time makes many.
func (c *checker) time(now uint64) {
	if latest := c.session.Stats.LastTime; now != 0 && !c.live.back && latest > farBack && now < latest-farBack {
		c.live.back = true
		c.problemf("time %d lies %d s before an earlier record's %d", now, (latest-now)/1e9, latest)
	}
}

// statement checks that rec is about a process that is known, or is one's birth.
func (c *checker) statement(rec format.Record) {
	h := rec.Head()
	p := c.session.procs[h.PID]
	switch r := rec.(type) {
	case *format.SnapshotBegin:
		if r.Kind == format.SnapshotInitial && r.PID != 0 {
			c.adopted(r.PID)
		}
	case *format.SnapshotEnd:
		c.parted(r)
	case *format.Process:
		c.excuse(h.PID, r.Status == format.WalkVanished)
	case *format.Fork:
		if r.TID != r.PID && r.TID != 0 {
			return
		}
		if p != nil && (r.StartTime == 0 || p.StartTime != r.StartTime) && p.Status() != format.WalkZombie {
			c.suspect(h, "process %d is born again, but has not ended", h.PID)
		}
		c.excuse(h.PID, false)
	case *format.Mmap:
		if p == nil && !r.Walked {
			c.suspect(h, "a mapping of process %d, which nothing has introduced", h.PID)
		}
	case *format.Clear:
		if p == nil {
			c.suspect(h, "a statement about process %d, which nothing has introduced", h.PID)
		}
	case *format.Exec:
		if p == nil {
			c.suspect(h, "an exec of process %d, which nothing has introduced", h.PID)
		}
	case *format.Comm:
		if p == nil && r.TID == r.PID {
			c.suspect(h, "a name of process %d, which nothing has introduced", h.PID)
		}
	case *format.Exit:
		if p == nil && r.Group {
			c.suspect(h, "the end of process %d, which nothing has introduced", h.PID)
		}
	}
}

// parted excuses the processes that the snapshot which ends has not found: they end.
func (c *checker) parted(r *format.SnapshotEnd) {
	s := c.session
	if s.wide == 0 || s.wideID != r.ID || r.PID != 0 {
		return
	}
	c.live.covered = true
	for pid, p := range s.procs {
		if s.unseen(p) {
			c.excuse(pid, true)
		}
	}
}

// adopted excuses what has been said about a process that is followed from now on, not from
// its birth.
func (c *checker) adopted(pid uint32) {
	c.live.odd = slices.DeleteFunc(c.live.odd, func(o odd) bool { return o.pid == pid })
}

func (c *checker) excuse(pid uint32, excused bool) {
	switch {
	case !excused:
		delete(c.live.excused, pid)
	case c.live.excused == nil:
		c.live.excused = map[uint32]struct{}{pid: {}}
	default:
		c.live.excused[pid] = struct{}{}
	}
}

// suspect keeps a problem until the end, unless nothing was promised.
func (c *checker) suspect(h *format.Common, msg string, args ...any) {
	if _, excused := c.live.excused[h.PID]; excused || !c.live.covered || len(c.live.odd) == maxOdd || !follows(c.session.Host) {
		return
	}
	c.live.odd = append(c.live.odd, odd{Problem{c.at(), fmt.Errorf(msg, args...)}, h.PID, h.Time})
}

// follows reports whether the recorder was to state every change.
func follows(h *format.Host) bool {
	return h != nil && (h.Hooks == format.HooksKprobe || h.Hooks == format.HooksFentry || h.Hooks == format.HooksTracepoint)
}

// explain reports what no loss explains.
func (c *checker) explain() {
	for i := range c.live.odd {
		if o := &c.live.odd[i]; !c.explained(o) {
			c.report(&o.problem)
		}
	}
	c.live.odd = nil
}

func (c *checker) explained(o *odd) bool {
	for i := range c.session.Losses {
		if l := &c.session.Losses[i]; l.covers(o.pid) && (o.time == 0 || l.From <= o.time) {
			return true
		}
	}
	return false
}
