package replay

import "github.com/vmasnap/vmasnap/format"

// maxLosses is how many windows a Session keeps.
const maxLosses = 256

// Loss is a window in which statements got lost: what the recording says of this time is
// uncertain. All times are CLOCK_MONOTONIC ns.
type Loss struct {
	PID      uint32            // with all processes that have its address space; 0 = any process
	From     uint64            // nothing was lost before; 0 = unknown
	Detected uint64            // when the loss was noticed
	Repaired uint64            // when a walk, or the end of the address space, made an end of it; 0 = nothing did
	Reason   format.LostReason // through which door
	Count    uint64            // statements; 0 = unknown

	space *AddressSpace // of PID, until it is repaired
}

// covers reports whether the loss can be the reason for something about process pid.
func (l *Loss) covers(pid uint32) bool { return l.PID == 0 || l.PID == pid }

func (s *Session) lost(r *format.Lost) {
	s.Stats.Losses++
	s.Stats.Lost += r.Count
	since := max(r.From, 1)
	var about *AddressSpace
	if p := s.procs[r.PID]; p != nil {
		about = p.AddressSpace
		about.lose(since, r.Time)
	}
	if r.PID == 0 {
		about = nil
		s.lostAny++
		s.lose(since)
		for _, p := range s.procs {
			p.lose(since, r.Time)
		}
	}
	if r.PID == 0 || about != nil {
		s.excused(about, r.From)
	}
	s.window(Loss{PID: r.PID, From: r.From, Detected: r.Time, Reason: r.Reason, Count: r.Count, space: about})
}

// lose marks that processes may have come to be, or ended, since then.
func (s *Session) lose(since uint64) {
	if s.UncertainSince == 0 || since < s.UncertainSince {
		s.UncertainSince = since
	}
}

// lose marks what a loss from since on, noticed at the time now, may have changed.
func (a *AddressSpace) lose(since, now uint64) {
	a.lostAt = max(a.lostAt, now)
	if a.UncertainSince == 0 || since < a.UncertainSince {
		a.UncertainSince = since
	}
}

// window notes a loss. One that is noticed in several records, one for each CPU say, is one.
func (s *Session) window(l Loss) {
	if n := len(s.Losses); n > s.older {
		last := &s.Losses[n-1]
		if last.PID == l.PID && last.space == l.space && last.Reason == l.Reason && last.Repaired == 0 {
			last.From, last.Detected = min(last.From, l.From), max(last.Detected, l.Detected)
			last.Count += l.Count
			return
		}
	}
	s.Stats.LossWindows++
	if len(s.Losses) < maxLosses {
		s.Losses = append(s.Losses, l)
	}
}

// certain ends what was uncertain about a.
func (s *Session) certain(a *AddressSpace, now uint64) {
	if a.UncertainSince == 0 {
		return
	}
	a.UncertainSince = 0
	for i := range s.Losses {
		if l := &s.Losses[i]; l.space == a && l.Repaired == 0 {
			l.Repaired, l.space = max(now, 1), nil
		}
	}
}

// repaired ends the windows from before the machine-wide snapshot that ends now, but for
// those of address spaces that it could not state.
func (s *Session) repaired(now uint64) {
	if s.lostAny == s.lostOlder {
		s.UncertainSince = 0
	}
	for i := range s.Losses[:s.older] {
		if l := &s.Losses[i]; l.Repaired == 0 && (l.space == nil || l.space.UncertainSince == 0) {
			l.Repaired, l.space = max(now, 1), nil
		}
	}
}
