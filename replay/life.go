package replay

import (
	"cmp"

	"github.com/vmasnap/vmasnap/format"
)

// fork takes up a new process. One that the snapshot under way has named already keeps what
// its walk told of it.
func (s *Session) fork(r *format.Fork) {
	if r.TID != r.PID && r.TID != 0 {
		return // a thread
	}
	s.Stats.Forks++
	child := s.procs[r.PID]
	if child == nil || r.StartTime == 0 || child.StartTime != r.StartTime {
		if child != nil && child.Status() != format.WalkZombie {
			s.Stats.Reborn++
		}
		s.remove(r.PID)
		child = &Process{PID: r.PID, StartTime: r.StartTime}
		s.put(child)
	}
	child.PPID, child.seen = r.PPID, s.wide
	parent := s.procs[r.PPID]
	if parent == nil && r.SharesVM {
		// Once it is walked, the child is too.
		parent = s.introduce(&format.Common{PID: r.PPID})
	}
	if parent == nil || parent == child {
		s.join(child, newAddressSpace(r.Stated))
		return
	}
	child.Comm, child.Exe = cmp.Or(child.Comm, parent.Comm), cmp.Or(child.Exe, parent.Exe)
	switch {
	case r.SharesVM:
		s.join(child, parent.AddressSpace)
	case r.Stated:
		s.join(child, newAddressSpace(true))
	default:
		s.join(child, parent.AddressSpace.fork())
	}
}

func (s *Session) exec(r *format.Exec) {
	s.Stats.Execs++
	known := s.procs[r.PID] != nil
	p := s.introduce(&r.Common)
	if !known {
		p.seen = s.wide // as good as a birth
	}
	s.replaced(r.PID, r.Time)
	s.join(p, newAddressSpace(true))
	p.Executed = true
	p.Comm = cmp.Or(r.Comm, p.Comm)
	p.Exe = r.Exe
}

func (s *Session) exit(r *format.Exit) {
	if !r.Group {
		return // a thread
	}
	s.Stats.Exits++
	if s.procs[r.PID] == nil {
		s.Stats.Orphans++
	}
	s.remove(r.PID)
}
