package replay

import "github.com/vmasnap/vmasnap/format"

// chosen are the processes whose mappings are replayed, where one alone is asked for: it, and those
// whose mappings become its own, because it shares their address space or is forked from them.
type chosen struct {
	pids  map[uint32]struct{}
	c     *Cursor
	whole map[*AddressSpace]struct{} // of which every statement was replayed
	again bool                       // one of pids had mappings that were not
}

// begin has everything replayed from the beginning of c.
func (of *chosen) begin(c *Cursor) {
	of.c, of.whole = c, make(map[*AddressSpace]struct{})
	c.watch = of
	c.apply = of.apply
}

// missed reports whether that was in vain: more processes are chosen now.
func (of *chosen) missed() bool {
	if of == nil || !of.again {
		return false
	}
	of.again = false
	return true
}

// wants reports whether a statement is to be replayed, or is the one that ends the replay.
func (of *chosen) wants(now uint64, pid uint32) bool {
	return now > of.c.now || of.has(pid)
}

func (of *chosen) has(pid uint32) bool {
	_, has := of.pids[pid]
	return has
}

// choose adds a process of which statements may have been passed over.
func (of *chosen) choose(pid uint32) {
	of.pids[pid] = struct{}{}
	of.again = true
}

// apply looks for a child that has a copy of mappings that were passed over.
func (of *chosen) apply(rec format.Record) {
	if r, ok := rec.(*format.Fork); ok && (r.TID == r.PID || r.TID == 0) && !r.Stated && of.has(r.PID) && !of.has(r.PPID) {
		of.choose(r.PPID)
	}
	of.c.Apply(rec)
}

// joined implements watcher.
func (of *chosen) joined(p *Process, _ *AddressSpace) {
	a := p.AddressSpace
	_, whole := of.whole[a]
	switch {
	case whole:
		of.pids[p.PID] = struct{}{} // what it states from now on is about the same
	case !of.has(p.PID):
	case a.users == 1:
		of.whole[a] = struct{}{} // a new one
	default:
		for _, other := range of.c.procs {
			if other.AddressSpace == a && !of.has(other.PID) {
				of.choose(other.PID)
			}
		}
	}
}

// left implements watcher.
func (of *chosen) left(*Process) {}
