package replay

import (
	"cmp"
	"slices"

	"github.com/vmasnap/vmasnap/format"
)

// withMemory returns the processes that have an address space, or may have, in ascending order of
// pids.
func withMemory(s *Session) []*Process {
	var out []*Process
	for p := range s.Processes() {
		switch p.Status() {
		case format.WalkKernelThread, format.WalkZombie:
		default:
			out = append(out, p)
		}
	}
	return out
}

// byAge orders processes by start time, then by pid.
func byAge(a, b *Process) int {
	return cmp.Or(cmp.Compare(a.StartTime, b.StartTime), cmp.Compare(a.PID, b.PID))
}

// aged returns processes in that order.
func aged(of []*Process) []*Process { return slices.SortedFunc(slices.Values(of), byAge) }

// matchPIDs finds for each process of was the same one among now: same number, same start time.
// Where one of the start times is unknown the number will do.
func matchPIDs(was, now []*Process) map[*Process]*Process {
	numbers := make(map[uint32]*Process, len(now))
	for _, q := range now {
		numbers[q.PID] = q
	}
	pairs := make(map[*Process]*Process)
	for _, p := range was {
		if q := numbers[p.PID]; q != nil && p.is(q.StartTime) {
			pairs[p] = q
		}
	}
	return pairs
}

// matchNames finds for each process of was the one among now that corresponds to it: same
// executable, same name, same rank in the order of start times.
func matchNames(was, now []*Process) map[*Process]*Process {
	type name struct{ exe, comm string }
	groups := make(map[name][]*Process)
	for _, q := range aged(now) {
		n := name{q.Exe, q.Comm}
		groups[n] = append(groups[n], q)
	}
	pairs := make(map[*Process]*Process)
	for _, p := range aged(was) {
		n := name{p.Exe, p.Comm}
		if g := groups[n]; len(g) > 0 {
			pairs[p], groups[n] = g[0], g[1:]
		}
	}
	return pairs
}

// executed reports whether a process runs another program than before: its executable is another
// file. One that was renamed meanwhile is not.
func executed(p, q *Process, was, now []*belonging) bool {
	exe := func(of []*belonging, path string) *File {
		for _, f := range of {
			if path != "" && f.Path == path && f.Inode != 0 {
				return &f.File
			}
		}
		return nil
	}
	if f, g := exe(was, p.Exe), exe(now, q.Exe); f != nil && g != nil {
		return !f.is(g)
	}
	return otherNames(p, q)
}

// otherNames reports whether the executables are known by name, and not the same.
func otherNames(p, q *Process) bool { return p.Exe != "" && q.Exe != "" && p.Exe != q.Exe }

// sameBoot reports whether two recordings are of one boot of one machine: by the boot ID, or, where
// one has none, by the name and the time of the boot, which two readings of the clocks give up to a
// second. Without any of that, they are.
func sameBoot(a, b *format.Host) bool {
	if a == nil || b == nil || a == b {
		return a == b
	}
	if a.BootID != "" && b.BootID != "" {
		return a.BootID == b.BootID
	}
	const second = 1e9
	apart := int64(booted(a) - booted(b))
	return a.Hostname == b.Hostname && -second < apart && apart < second
}

// booted returns when the machine was booted, CLOCK_REALTIME ns.
func booted(h *format.Host) uint64 { return h.Clocks.Realtime - h.Clocks.Boottime }

// samePIDs reports whether the numbers of processes mean the same in two recordings of one boot: they are
// of one pid namespace, or at least one does not say of which.
func samePIDs(a, b *format.Host) bool {
	return a == b || a.PIDNamespace == b.PIDNamespace || a.PIDNamespace == 0 || b.PIDNamespace == 0
}

// matchFiles calls fn for each two of was and now that are one file, or of which one has taken the
// place of the other, and returns the rest. What matches better is matched first.
func (d *differ) matchFiles(was, now []*belonging, fn func(f, g *belonging)) (restWas, restNow []*belonging) {
	path := func(f *belonging) (fileKey, bool) {
		return fileKey{anonymous: f.anonymous, path: f.Path}, f.Path != "" || f.anonymous != 0
	}
	build := func(f *belonging) (fileKey, bool) { return fileKey{build: f.BuildID}, !f.BuildID.IsZero() }
	both := func(f *belonging) (fileKey, bool) {
		k, named := path(f)
		k.build = f.BuildID
		return k, named && !f.BuildID.IsZero()
	}
	same := func(f, g *belonging) bool { return f.is(&g.File) }
	ever := func(f, g *belonging) bool { return true }
	if d.SameBoot {
		was, now = join(was, now, func(f *belonging) (fileKey, bool) {
			k := f.identity()
			k.path = f.Path
			return k, true
		}, same, fn)
		was, now = join(was, now, func(f *belonging) (fileKey, bool) { return f.identity(), true }, same, fn)
	}
	was, now = join(was, now, both, ever, fn)
	was, now = join(was, now, path, ever, fn)
	if !d.SameBoot {
		was, now = join(was, now, build, ever, fn)
	}
	return was, now
}

// join calls fn for each of was and the first of now that has the same key and may be matched with
// it, once each, and returns the rest. The order decides, so that which is was and which is now
// makes no difference.
func join(was, now []*belonging, key func(*belonging) (fileKey, bool), may func(f, g *belonging) bool,
	fn func(f, g *belonging)) (restWas, restNow []*belonging) {
	keys := make(map[fileKey][]*belonging)
	for _, g := range now {
		if k, ok := key(g); ok {
			keys[k] = append(keys[k], g)
		}
	}
	taken := make(map[*belonging]bool)
	for _, f := range was {
		if k, ok := key(f); ok {
			list := keys[k]
			if i := slices.IndexFunc(list, func(g *belonging) bool { return may(f, g) }); i >= 0 {
				fn(f, list[i])
				taken[list[i]] = true
				keys[k] = slices.Delete(list, i, i+1)
				continue
			}
		}
		restWas = append(restWas, f)
	}
	for _, g := range now {
		if !taken[g] {
			restNow = append(restNow, g)
		}
	}
	return restWas, restNow
}
