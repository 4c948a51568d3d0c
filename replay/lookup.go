package replay

import (
	"fmt"
	"strconv"

	"github.com/vmasnap/vmasnap/format"
)

// Miss says why a lookup has no answer.
type Miss uint8

// The reasons for a miss.
const (
	Hit         Miss = iota // not a miss
	NoProcess               // no such process in the recording at this time
	NotWalked               // the process is known, but its address space is not: see Process.Status
	NoAddresses             // a kernel thread or a zombie: it has no address space
	NoMapping               // nothing that the recording covers is mapped there
	TooOld                  // a History does not go back so far
)

// String returns a short name of the reason, or its number if it is none of these.
func (m Miss) String() string {
	return nameOf(m, "hit", "no-process", "not-walked", "no-address-space", "no-mapping", "too-old")
}

// nameOf returns the name of an enumeration's value, or its number if it has none.
func nameOf[T ~uint8](v T, names ...string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return strconv.Itoa(int(v))
}

// Answer is what a Session knows about one address.
type Answer struct {
	Miss    Miss
	Process *Process // nil with NoProcess
	Mapping Mapping  // with Hit
	Offset  uint64   // with Hit: bytes into Mapping.File of the address
	// Uncertain is set when statements that could have changed the answer were lost.
	Uncertain bool
}

// Lookup answers what was mapped at addr in process pid.
func (s *Session) Lookup(pid uint32, addr uint64) Answer {
	p := s.procs[pid]
	if p == nil {
		return Answer{Miss: NoProcess, Uncertain: s.incomplete() != 0}
	}
	a := Answer{Process: p, Uncertain: p.UncertainSince != 0}
	m, ok := p.Space.Lookup(addr)
	switch {
	case ok:
		a.Mapping, a.Offset = m, m.FileOffset(addr)
	case !p.Known:
		a.Miss = NotWalked
	case p.Status() == format.WalkKernelThread, p.Status() == format.WalkZombie:
		a.Miss = NoAddresses
	default:
		a.Miss = NoMapping
	}
	return a
}

// incomplete returns since when there may be processes that nothing tells of; 0 = all are told.
func (s *Session) incomplete() uint64 {
	if s.early {
		return 1
	}
	return s.UncertainSince
}

// Explain says in a sentence why there is no answer, "" for a hit.
func (a *Answer) Explain(host *format.Host) string {
	switch a.Miss {
	case Hit:
		return ""
	case NoProcess:
		if host != nil && host.Hidden {
			return "no such process in the recording at this time, which could not see all processes of the host"
		}
		return "no such process in the recording at this time"
	case NotWalked:
		return fmt.Sprintf("the address space of this process is not known: walk %s", a.Process.Status())
	case NoAddresses:
		return fmt.Sprintf("a %s has no address space", a.Process.Status())
	}
	why := "no recorded mapping there"
	if p := a.Process; p != nil && p.walk() != nil && p.Walk.ExcludedAnonExec > 0 {
		why += fmt.Sprintf("; %d anonymous executable VMAs (JIT code) of this process were left out, --anon-exec records them", p.Walk.ExcludedAnonExec)
	}
	if host != nil && host.Content&format.ContentVDSO == 0 {
		why += "; [vdso] was left out"
		if host.Hooks == format.HooksNone {
			why += ", --vdso records it"
		}
	}
	return why
}
