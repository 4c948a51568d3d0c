package recorder

import (
	"slices"

	"github.com/vmasnap/vmasnap/bpfmmap"
)

// table says which process has which address space, at the point that the ring has been read
// to. It is what ties statements, which are about address spaces, to processes.
type table struct {
	processes map[uint32]*liveProcess
	spaces    map[uint64]*liveSpace // by the kernel's key, which never leaves this table

	// listing is the number of the listing of all tasks that was begun last. What FORK, EXEC
	// and EXIT say after its begin is newer than what the listing says about the same
	// process.
	listing uint64
	listed  bool                // its end has been seen
	ended   map[uint32]struct{} // processes that ended while it was under way
}

// liveProcess is a process that lives.
type liveProcess struct {
	pid     uint32
	space   *liveSpace // nil: none, as of a kernel thread
	listing uint64     // the listing in which its address space was told
	absent  bool       // the last listing did not find it
	bound   uint64     // when its address space was told: the number of the event
	told    bool       // the recording has said that it exists
	shot    uint32     // and did so, or walked it, in this snapshot
	named   bool       // and what it is
	comm    string     // and its name
	renamed uint64     // when that changed last: the number of the event
}

// liveSpace is an address space in use.
type liveSpace struct {
	mm      uint64
	members []uint32 // the processes that have it

	// filled is how far, from address 0 on, the statement about the whole of it has come
	// that follows a fork or an exec: nothing has been said about what is above.
	filled uint64
	last   bpfmmap.VMA // what the last event said, if that was one VMA and nothing more

	since uint64 // when it was taken up: the number of the event
	asked uint32 // the last snapshot that walked it, or could not

	// tellers are the members that have this address space in the recording too, all the same
	// one. Under another member's name a statement would become true of what that one had when
	// it was told last.
	tellers []uint32
	shot    uint32 // the last snapshot of everything that told it
}

// tells takes note that the recording tells of s through p.
func (s *liveSpace) tells(pid uint32) {
	if !slices.Contains(s.tellers, pid) {
		s.tellers = append(s.tellers, pid)
	}
}

// silence makes pid none of the tellers.
func (s *liveSpace) silence(pid uint32) {
	if i := slices.Index(s.tellers, pid); i >= 0 {
		s.tellers = slices.Delete(s.tellers, i, i+1)
	}
}

func newTable() table {
	return table{processes: make(map[uint32]*liveProcess), spaces: make(map[uint64]*liveSpace)}
}

// beginListing starts listing id.
func (t *table) beginListing(id uint64) {
	t.listing, t.listed, t.ended = id, false, make(map[uint32]struct{})
}

// endListing looks for processes that the listing should have found and did not. One that was
// in the middle of its end has no address space any more, and its EXIT is to come. The end of
// one that the next listing does not find either was lost.
func (t *table) endListing() {
	t.listed, t.ended = true, nil
	for _, p := range t.processes {
		switch {
		case p.listing == t.listing:
			p.absent = false
		case p.absent:
			t.exit(p.pid)
		default:
			p.absent = true
			t.unbind(p)
		}
	}
}

// known reports whether the listing under way can say nothing new about pid.
func (t *table) known(pid uint32) bool {
	if _, gone := t.ended[pid]; gone {
		return true
	}
	p := t.processes[pid]
	return p != nil && p.listing == t.listing
}

// has reports whether pid is known to have the address space mm.
func (t *table) has(pid uint32, mm uint64) bool {
	p := t.processes[pid]
	return p != nil && p.space != nil && p.space.mm == mm
}

// fork takes up a new process, whatever had its number before.
func (t *table) fork(pid uint32, at uint64) *liveProcess {
	t.exit(pid)
	delete(t.ended, pid)
	p := &liveProcess{pid: pid, listing: t.listing, bound: at}
	t.processes[pid] = p
	return p
}

// find returns the process pid, which it takes up if it is not known.
func (t *table) find(pid uint32) *liveProcess {
	p := t.processes[pid]
	if p == nil {
		p = &liveProcess{pid: pid}
		t.processes[pid] = p
	}
	return p
}

// bind ties p to the address space mm, which others may have too; 0 is none.
func (t *table) bind(p *liveProcess, mm, at uint64) {
	t.unbind(p)
	p.listing, p.bound = t.listing, at
	if mm == 0 {
		return
	}
	s := t.spaces[mm]
	if s == nil {
		s = &liveSpace{mm: mm, filled: nothing, since: at}
		t.spaces[mm] = s
	}
	p.space = s
	s.members = append(s.members, p.pid)
}

// renew makes mm a new address space. Its key may have had another meaning before, whose end
// has not been seen.
func (t *table) renew(mm, at uint64) {
	t.vacate(mm)
	if mm != 0 {
		t.spaces[mm] = &liveSpace{mm: mm, since: at}
	}
}

// vacate takes mm from those who had it: their end, and that of the space, has not been seen, but
// the key has another meaning now.
func (t *table) vacate(mm uint64) {
	s := t.spaces[mm]
	if s == nil {
		return
	}
	for _, pid := range s.members {
		t.processes[pid].space = nil
	}
	s.members = nil
	delete(t.spaces, mm)
}

// unbind takes p's address space away.
func (t *table) unbind(p *liveProcess) {
	s := p.space
	if s == nil {
		return
	}
	p.space = nil
	s.silence(p.pid)
	if i := slices.Index(s.members, p.pid); i >= 0 {
		s.members = slices.Delete(s.members, i, i+1)
	}
	if len(s.members) == 0 && t.spaces[s.mm] == s {
		delete(t.spaces, s.mm)
	}
}

// exit forgets the process and reports whether it was known.
func (t *table) exit(pid uint32) bool {
	if t.ended != nil {
		t.ended[pid] = struct{}{}
	}
	p := t.processes[pid]
	if p == nil {
		return false
	}
	t.unbind(p)
	delete(t.processes, pid)
	return true
}

// nothing is the address above all others: as liveSpace.filled it says that anything may be
// mapped anywhere.
const nothing = ^uint64(0)

// noVMA is no VMA: as liveSpace.last it is like no event.
var noVMA bpfmmap.VMA
