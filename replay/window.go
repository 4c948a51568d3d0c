package replay

// Window is a time at which statements were missing, CLOCK_MONOTONIC ns.
type Window struct {
	From  uint64
	Until uint64 // 0 = they still are
}

// doubts are the windows of one address space, in the order of their times.
type doubts []Window

// follow takes note of AddressSpace.UncertainSince as it is now.
func (d *doubts) follow(since, now uint64) {
	open := len(*d) > 0 && (*d)[len(*d)-1].Until == 0
	switch {
	case since != 0 && !open:
		*d = append(*d, Window{From: since})
	case since != 0:
		last := &(*d)[len(*d)-1]
		last.From = min(last.From, since)
	case open:
		(*d)[len(*d)-1].Until = max(now, 1)
	}
}

// at reports whether statements were missing at time t.
func (d doubts) at(t uint64) bool {
	for _, w := range d {
		if w.From <= t && (w.Until == 0 || t < w.Until) {
			return true
		}
	}
	return false
}
