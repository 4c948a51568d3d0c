package replay

import (
	"cmp"

	"github.com/vmasnap/vmasnap/format"
)

func (s *Session) snapshotBegin(r *format.SnapshotBegin) {
	s.snapshots++
	if r.PID == 0 {
		s.early = !s.begun
		s.wide, s.wideID, s.wideTold, s.older, s.lostOlder = s.snapshots, r.ID, 0, len(s.Losses), s.lostAny
	}
}

// process takes up what a walk says of a process; its mappings follow. A walk that was
// complete restates the address space, for all processes that have it. One that was not says
// nothing about it, and what was known stays true.
func (s *Session) process(r *format.Process) {
	s.wideTold++
	p := s.procs[r.PID]
	if p != nil && !p.is(r.StartTime) {
		p = nil // the number has been used again
	}
	if r.Status == format.WalkVanished {
		s.vanished(r, p)
		return
	}
	if p == nil {
		s.remove(r.PID)
		p = &Process{PID: r.PID}
		s.join(p, newAddressSpace(false))
		s.put(p)
	}
	// What the walk was not told, live statements may have.
	p.StartTime, p.Comm, p.Exe = cmp.Or(r.StartTime, p.StartTime), cmp.Or(r.Comm, p.Comm), r.Exe
	p.PPID, p.Walk, p.Executed, p.seen = r.PPID, r, false, s.wide
	switch r.Status {
	case format.WalkComplete:
		s.restate(p, r)
	case format.WalkKernelThread, format.WalkZombie:
		// Others may still have the address space that a zombie had.
		s.join(p, newAddressSpace(true))
	case format.WalkShared:
		s.merge(p, s.shared(r))
	default:
		if r.Blank {
			s.join(p, newAddressSpace(false))
		}
	}
}

// vanished takes note that a walk has found no process any more: named, so that its absence
// is no mystery, but gone. It may be an earlier one with the number of p, of whose birth and
// end live statements tell.
func (s *Session) vanished(r *format.Process, p *Process) {
	if born := p != nil && p.Walk == nil && p.seen != 0 && p.seen == s.wide; p != nil && !born {
		s.remove(r.PID)
	}
}

// shared returns the address space that r says it has from another process. One that claims
// to share with itself shares with nobody.
func (s *Session) shared(r *format.Process) *AddressSpace {
	if owner := s.procs[r.SharesPID]; owner != nil && owner.PID != r.PID {
		return owner.AddressSpace
	}
	return newAddressSpace(false)
}

// merge gives p the address space a. Of what p had, nothing may have been known but that
// others, its children, have it too: so they have a.
func (s *Session) merge(p *Process, a *AddressSpace) {
	old := p.AddressSpace
	s.join(p, a)
	if old.Known || old.users == 0 {
		return
	}
	for _, other := range s.procs {
		if other.AddressSpace == old {
			s.join(other, a)
		}
	}
}

// restate empties the address space of p, for its mappings follow. Where another process
// with the same one has been walked in this snapshot, the two have parted without a
// statement: whoever walked them knows who shares.
func (s *Session) restate(p *Process, r *format.Process) {
	if by := s.procs[p.by]; p.restated != 0 && p.restated == s.snapshots && by != nil && by != p && by.AddressSpace == p.AddressSpace {
		s.join(p, newAddressSpace(false))
	}
	a := p.AddressSpace
	if a.Known && a.UncertainSince == 0 {
		s.expect(a, r)
	}
	*a.Space = Space{}
	a.Known, a.restated, a.by = true, s.snapshots, p.PID
	// A walk from before a loss was noticed may be from before the loss.
	if r.Time == 0 || r.Time >= a.lostAt {
		s.certain(a, r.Time)
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
	if s.wide == 0 || s.wideID != r.ID {
		return
	}
	if s.wideTold == 0 {
		s.wide = 0
		return // it could not even list the processes
	}
	for pid, p := range s.procs {
		if s.unseen(p) {
			s.remove(pid)
		}
	}
	s.repaired(r.Time)
	s.wide, s.early, s.begun = 0, false, true
}

// unseen reports whether the machine-wide snapshot under way has not found p so far.
func (s *Session) unseen(p *Process) bool { return p.seen != s.wide }
