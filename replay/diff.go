package replay

import (
	"cmp"
	"slices"

	"github.com/vmasnap/vmasnap/format"
)

// DiffOptions says what counts as a difference. The zero value compares everything but addresses.
type DiffOptions struct {
	// Addresses makes it a difference where in memory a part of a file is mapped. Address space
	// randomization alone differs then in every process that began anew.
	Addresses bool
	// Filter selects processes and files. A pair of processes, or of files, is selected if one of
	// the two is. With a condition on files, processes of which no selected file has changed are
	// left out, but not those that cannot be compared.
	Filter Filter
}

// Diff is how the state b of a machine differs from the state a, which may be one machine at two
// times or two machines. Kernel threads and zombies, which have no address space, take no part: a
// process that has become a zombie is gone. Everything in it belongs to the two Sessions, which
// must not be changed as long as it is used.
type Diff struct {
	// SameBoot says that both are of one boot of one machine, so that devices and inodes mean the
	// same; SamePIDs that pids do too, so that processes were matched by pid and start time.
	SameBoot, SamePIDs bool
	// Content is what was compared: the kinds of mappings that both recordings cover.
	Content format.Content

	Gone []*Process // of a, in ascending order of pids
	New  []*Process // of b, in ascending order of pids
	// Changed are the processes of which something differs, Unclear those of which nothing is
	// known to differ but may: see ProcessDiff.Unknown and Uncertain. Both are in the order of
	// pids in a.
	Changed, Unclear []ProcessDiff
	Summary          DiffSummary

	was, now []*Process // for the tables: what was selected and compared
	filter   Filter
}

// ProcessDiff is how one process differs.
type ProcessDiff struct {
	A, B *Process
	// Executed says that this process runs another program than before. Then the files have
	// changed altogether, and Files is empty.
	Executed bool
	// Unknown says that the address space of A or B is not known: Files is empty.
	Unknown bool
	// Uncertain says that statements about A or B got lost and no walk has repaired that: some
	// of the differences may be none, and some may be missing.
	Uncertain bool
	// SharesPID is the process of a, further up in the same list, that has the same two address
	// spaces, and so the same Files; 0 = none.
	SharesPID uint32
	Files     []FileDiff // sorted by path; not to be changed
}

// differs reports whether there is something to tell.
func (p *ProcessDiff) differs() bool { return p.Executed || len(p.Files) > 0 }

// DiffSummary counts.
type DiffSummary struct {
	Gone, New int // processes
	Executed  int // processes that run another program
	Changed   int // processes that run the same one and of which files have changed
	Same      int // processes compared without a difference
	Unknown   int // processes that cannot be compared, also if Executed
	Uncertain int // processes about which statements got lost, also if Changed
	// Files counts changed files by each of the changes, in each pair of address spaces:
	// processes that share one count once.
	Files map[FileChange]int
}

// Same reports whether nothing is known to differ.
func (d *Diff) Same() bool { return len(d.Gone)+len(d.New)+len(d.Changed) == 0 }

// Complete reports whether all that was to be compared could be.
func (d *Diff) Complete() bool { return d.Summary.Unknown+d.Summary.Uncertain == 0 }

// DiffSessions returns how b differs from a. Processes are matched by pid and start time if both
// are of one boot of one machine, and else by executable, name, and rank: the order of start
// times among those that have both in common. Where the first snapshot of one was not complete yet,
// a process that only the other has is Unknown, neither gone nor new.
func DiffSessions(a, b *Session, o DiffOptions) *Diff {
	d := newDiffer(a, b, o)
	was, now := withMemory(a), withMemory(b)
	match := matchNames
	if d.SamePIDs {
		match = matchPIDs
	}
	pairs := match(was, now)
	matched := make(map[*Process]bool, len(pairs))
	var couples [][2]*Process
	for _, p := range was {
		q := pairs[p]
		matched[q] = true
		switch {
		case q != nil:
			couples = append(couples, [2]*Process{p, q})
		case b.early:
			couples = append(couples, [2]*Process{p, untold(p)})
		default:
			d.alone(p, &d.Gone, &d.was)
		}
	}
	for _, q := range now {
		switch {
		case matched[q]:
		case a.early:
			couples = append(couples, [2]*Process{untold(q), q})
		default:
			d.alone(q, &d.New, &d.now)
		}
	}
	slices.SortStableFunc(couples, func(x, y [2]*Process) int { return cmp.Compare(x[0].PID, y[0].PID) })
	for _, c := range couples {
		d.pair(c[0], c[1])
	}
	d.Summary.Gone, d.Summary.New = len(d.Gone), len(d.New)
	return d.Diff
}

// untold stands for process p on a side that had not told of all processes yet.
func untold(p *Process) *Process {
	return &Process{PID: p.PID, StartTime: p.StartTime, PPID: p.PPID, Comm: p.Comm, Exe: p.Exe, AddressSpace: newAddressSpace(false)}
}

// DiffProcesses returns how process q of b differs from process p of a, whatever they are called.
// The Sessions may be the same. That another process runs another program is no exec: its files
// are compared.
func DiffProcesses(a, b *Session, p, q *Process, o DiffOptions) *Diff {
	d := newDiffer(a, b, o)
	d.pair(p, q)
	return d.Diff
}

// differ makes a Diff.
type differ struct {
	*Diff
	addresses bool
	done      map[[2]*Space]compared
}

// compared are two address spaces that were compared.
type compared struct {
	pid   uint32 // the process of a for which they were
	files []FileDiff
	exec  bool
}

func newDiffer(a, b *Session, o DiffOptions) *differ {
	d := &differ{
		Diff:      &Diff{SameBoot: sameBoot(a.Host, b.Host), Summary: DiffSummary{Files: make(map[FileChange]int)}, filter: o.Filter},
		addresses: o.Addresses, done: make(map[[2]*Space]compared),
	}
	d.SamePIDs = d.SameBoot && samePIDs(a.Host, b.Host)
	d.Content = content(a.Host) & content(b.Host)
	return d
}

// content returns what a recording covers: if it does not say, everything.
func content(h *format.Host) format.Content {
	if h == nil || h.Content == 0 {
		return format.ContentFiles | format.ContentAnonExec | format.ContentVDSO
	}
	return h.Content
}

// alone takes up a process that only one side has.
func (d *differ) alone(p *Process, list, side *[]*Process) {
	if !d.filter.Process(p) {
		return
	}
	*side = append(*side, p)
	if d.filter.Files() && !d.mapsSelected(p) {
		return
	}
	*list = append(*list, p)
}

// mapsSelected reports whether p maps a file that the Filter selects.
func (d *differ) mapsSelected(p *Process) bool {
	for m := range p.Space.All() {
		if d.covers(&m) && d.filter.File(m.File) {
			return true
		}
	}
	return false
}

// covers reports whether both sides would have recorded m.
func (d *Diff) covers(m *Mapping) bool { return m.Kind == 0 || m.Kind&d.Content != 0 }

// pair compares two processes.
func (d *differ) pair(p, q *Process) {
	if !d.filter.Process(p) && !d.filter.Process(q) {
		return
	}
	one := d.SamePIDs && p.PID == q.PID && p.is(q.StartTime)
	r := ProcessDiff{A: p, B: q, Unknown: !p.Known || !q.Known, Uncertain: p.UncertainSince != 0 || q.UncertainSince != 0}
	if r.Unknown {
		r.Executed = one && !d.filter.Files() && otherNames(p, q)
	} else {
		d.was, d.now = append(d.was, p), append(d.now, q)
		d.compare(&r, one)
	}
	d.count(&r)
	switch {
	case r.differs():
		d.Changed = append(d.Changed, r)
	case r.Unknown || r.Uncertain:
		d.Unclear = append(d.Unclear, r)
	}
}

// compare fills in what two known address spaces say. Whoever shares them says it again.
func (d *differ) compare(r *ProcessDiff, one bool) {
	key := [2]*Space{r.A.Space, r.B.Space}
	c, again := d.done[key]
	if !again {
		was, now := d.belongings(r.A.Space), d.belongings(r.B.Space)
		c.pid = r.A.PID
		if c.exec = one && executed(r.A, r.B, was, now); !c.exec {
			c.files = d.files(was, now)
		}
		d.done[key] = c
	}
	if r.Executed = c.exec; r.Executed && d.filter.Files() {
		r.Executed = d.mapsSelected(r.A) || d.mapsSelected(r.B)
	}
	r.Files = c.files
	if again && r.differs() {
		r.SharesPID = c.pid
	}
}

// count takes r up in the summary.
func (d *differ) count(r *ProcessDiff) {
	s := &d.Summary
	switch {
	case r.Executed:
		s.Executed++
	case len(r.Files) > 0:
		s.Changed++
	case !r.Unknown && !r.Uncertain:
		s.Same++
	}
	if r.Unknown {
		s.Unknown++
	} else if r.Uncertain {
		s.Uncertain++
	}
	if r.SharesPID == 0 {
		countFiles(s.Files, r.Files)
	}
}
