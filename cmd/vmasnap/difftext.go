package main

import (
	"bufio"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// print writes the comparison as text; out keeps the error.
func (d *diff) print(out *bufio.Writer, st style) {
	line := func(label, text string) { fmt.Fprintf(out, "%-8s %s\n", label, text) }
	for i, side := range d.sides {
		line(diffSides[i], side.text())
	}
	line("matched", d.matched())
	line("covers", d.Content.String())
	for i, side := range d.sides {
		for _, missing := range side.sum.Incomplete() {
			line("missing", st.warn("in "+diffSides[i]+": "+missing))
		}
	}
	for _, by := range d.by {
		t := map[string]func() *table{
			"process": d.processTable, "file": d.fileTable, "build-id": d.buildIDTable, "cgroup": d.cgroupTable,
		}[by]()
		if len(t.rows) == 0 {
			continue
		}
		fmt.Fprintln(out)
		left := 0
		if d.limit > 0 && len(t.rows) > d.limit {
			left = len(t.rows) - d.limit
			t.rows = t.rows[:d.limit]
		}
		t.print(out, st)
		if left > 0 {
			fmt.Fprintf(out, "... and %s more; --limit 0 shows all\n", count(left))
		}
	}
	fmt.Fprintf(out, "\n%s\n", d.summary())
}

// diffSides are what the two are called.
var diffSides = [2]string{"A", "B"}

// at returns the time that a side is of, CLOCK_MONOTONIC ns.
func (s *diffSide) at() uint64 { return cmp.Or(s.sum.At, s.sum.Stats.LastTime) }

// text says what a side is of.
func (s *diffSide) text() string {
	text := printable(s.name)
	if s.pid != 0 {
		text += fmt.Sprintf(", process %d", s.pid)
	}
	t := s.at()
	clock := replay.Timeline{Clocks: s.Host.Clocks}
	if wall := clock.Wall(t); !wall.IsZero() {
		text += ", " + wall.Format("2006-01-02 15:04:05.000 UTC")
	}
	return fmt.Sprintf("%s (%s): %s, Linux %s", text, sinceStart(t, s.Host), printable(s.Host.Hostname), printable(s.Host.Release))
}

// matched says how processes were matched.
func (d *diff) matched() string {
	switch {
	case d.sides[0].pid != 0:
		return "as asked"
	case d.SamePIDs:
		return "by pid and start time"
	case d.SameBoot:
		return "by executable, name and rank: two pid namespaces"
	}
	return "by executable, name and rank: two machines, or two boots of one"
}

// summary is the answer in one line.
func (d *diff) summary() string {
	s := &d.Summary
	var parts []string
	for _, n := range []struct {
		n    int
		word string
	}{
		{s.Gone, "gone"}, {s.New, "new"}, {s.Executed, "exec'ed"}, {s.Changed, "changed"}, {s.Same, "the same"},
		{s.Unknown, "unknown"}, {s.Uncertain, "uncertain"},
	} {
		if n.n > 0 {
			parts = append(parts, count(n.n)+" "+n.word)
		}
	}
	if len(parts) == 0 {
		return "nothing was compared: no process that counts is there in A or B; --at asks for another time"
	}
	text := "differ"
	if d.Same() {
		text = "no difference"
	}
	text += ": processes " + strings.Join(parts, ", ")
	if len(s.Files) > 0 {
		text += "; files " + tally(s.Files)
	}
	return text
}

func (d *diff) processTable() *table {
	t := newTable(">PID", "COMM", "DIFFERENCE", ">MAPPINGS", "WHAT")
	alone := func(p *replay.Process, what string) {
		t.row(fmt.Sprint(p.PID), printable(p.Comm), what, count(p.Space.Len()), printable(p.Exe)+mark(p.ExeDeleted(), " (deleted)"))
	}
	for _, p := range d.Gone {
		alone(p, "gone")
	}
	for _, p := range d.New {
		alone(p, "new")
	}
	for _, list := range [][]replay.ProcessDiff{d.Changed, d.Unclear} {
		for i := range list {
			diffRows(t, &list[i])
		}
	}
	return t
}

// diffRows adds what there is to say of one process.
func diffRows(t *table, p *replay.ProcessDiff) {
	pid := arrow(fmt.Sprint(p.A.PID), fmt.Sprint(p.B.PID))
	row := func(what string, mappings [2]int, text string) {
		n := arrow(count(mappings[0]), count(mappings[1]))
		t.row(pid, arrow(printable(p.A.Comm), printable(p.B.Comm)), what+mark(p.Uncertain, " (uncertain)"), n, text)
	}
	all := [2]int{p.A.Space.Len(), p.B.Space.Len()}
	exe := arrow(printable(p.A.Exe), printable(p.B.Exe))
	switch {
	case p.Executed:
		row("exec'ed", all, exe)
	case p.Unknown:
		row("unknown", all, exe+mark(exe != "", ", ")+unknownSides(p))
	case p.SharesPID != 0:
		row(fmt.Sprintf("as %d", p.SharesPID), all, exe)
	case len(p.Files) == 0:
		t.row(pid, arrow(printable(p.A.Comm), printable(p.B.Comm)), "uncertain", arrow(count(all[0]), count(all[1])), exe)
	}
	if p.SharesPID != 0 {
		return
	}
	for i := range p.Files {
		f := &p.Files[i]
		row(strings.ReplaceAll(f.Changes.String(), "|", ", "), [2]int{len(f.Was), len(f.Now)}, fileDiffText(f))
	}
}

// unknownSides says of which sides the address space is not known, and why.
func unknownSides(p *replay.ProcessDiff) string {
	var why []string
	for i, q := range []*replay.Process{p.A, p.B} {
		if !q.Known {
			why = append(why, fmt.Sprintf("walk %s in %s", q.Status(), diffSides[i]))
		}
	}
	return strings.Join(why, ", ")
}

// arrow is one of two texts if they are equal, else both.
func arrow(a, b string) string {
	if a == b {
		return a
	}
	return a + " -> " + b
}

// fileDiffText says which file it is, and what of it has changed.
func fileDiffText(f *replay.FileDiff) string {
	if f.A == nil {
		return fileName(f.B)
	}
	if f.B == nil {
		return fileName(f.A)
	}
	text := arrow(pathName(f.A.Path), pathName(f.B.Path)) + mark(f.B.Deleted, " (deleted)")
	if f.Changes&replay.FileUpgraded != 0 {
		a, b := buildIDCell(f.A.BuildID, f.A.GoBuildID, f.A.BuildIDOrigin), buildIDCell(f.B.BuildID, f.B.GoBuildID, f.B.BuildIDOrigin)
		if a == b {
			a, b = fileID(f.A), fileID(f.B)
		}
		text += ", " + arrow(a, b)
	}
	if f.Changes&replay.FileProtection != 0 {
		text += ", " + arrow(perms(f.Was), perms(f.Now))
	}
	if f.Changes&replay.FileRemapped != 0 {
		text += ", " + arrow(sizeOf(f.Was), sizeOf(f.Now))
	}
	if f.Changes&replay.FileMoved != 0 {
		from, to := firstMove(f)
		text += ", " + arrow(hex(from), hex(to))
	}
	return text
}

// firstMove returns where the first part of a file that has moved was, and where it is now.
func firstMove(f *replay.FileDiff) (from, to uint64) {
	for i := range f.Was {
		was := &f.Was[i]
		there := func(now replay.Mapping) bool {
			return now.Offset <= was.Offset && was.Offset-now.Offset < now.End-now.Start
		}
		at := func(now replay.Mapping) uint64 { return now.Start + was.Offset - now.Offset }
		if slices.ContainsFunc(f.Now, func(now replay.Mapping) bool { return there(now) && at(now) == was.Start }) {
			continue
		}
		if n := slices.IndexFunc(f.Now, there); n >= 0 {
			return was.Start, at(f.Now[n])
		}
	}
	return f.Was[0].Start, f.Now[0].Start
}

// fileID is what a file without a build ID is told from another by.
func fileID(f *replay.File) string {
	id := fmt.Sprintf("inode %s %d", format.Device(f.Major, f.Minor), f.Inode)
	if f.HasGeneration {
		id += fmt.Sprintf(" generation %d", f.Generation)
	}
	return id
}

func fileName(f *replay.File) string { return pathName(f.Path) + mark(f.Deleted, " (deleted)") }

func pathName(path string) string { return cmp.Or(printable(path), "[anonymous]") }

// perms lists the distinct permissions of mappings.
func perms(maps []replay.Mapping) string {
	var out []string
	for i := range maps {
		if p := maps[i].Perm(); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func sizeOf(maps []replay.Mapping) string {
	sum := uint64(0)
	for i := range maps {
		sum += maps[i].End - maps[i].Start
	}
	return bytesOf(sum)
}
