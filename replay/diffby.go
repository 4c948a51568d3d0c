package replay

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/vmasnap/vmasnap/format"
)

// FileDiffRow is one path of which files have changed. Processes that share an address space count
// one by one. Processes that are gone, new or run another program are not in it.
type FileDiffRow struct {
	Path      string
	Processes map[FileChange]int // by each of the changes
	// Was and Now are the build IDs before and after in those processes, sorted and distinct.
	Was, Now []format.BuildID
}

// Files returns a row for each path of which files have changed, sorted by path.
func (d *Diff) Files() []FileDiffRow {
	rows := make(map[string]*FileDiffRow)
	for i := range d.Changed {
		told := make(map[string]FileChange) // so that a process counts once
		for j := range d.Changed[i].Files {
			f := &d.Changed[i].Files[j]
			row := rows[f.Path()]
			if row == nil {
				row = &FileDiffRow{Path: f.Path(), Processes: make(map[FileChange]int)}
				rows[f.Path()] = row
			}
			for c := range (f.Changes &^ told[row.Path]).Each() {
				row.Processes[c]++
			}
			told[row.Path] |= f.Changes
			row.Was, row.Now = addBuild(row.Was, f.A), addBuild(row.Now, f.B)
		}
	}
	return sortedRows(rows)
}

// addBuild adds the build ID of f, if it has one, to a sorted list.
func addBuild(list []format.BuildID, f *File) []format.BuildID {
	if f == nil || f.BuildID.IsZero() {
		return list
	}
	i, again := slices.BinarySearchFunc(list, f.BuildID, compareBuilds)
	if again {
		return list
	}
	return slices.Insert(list, i, f.BuildID)
}

func compareBuilds(a, b format.BuildID) int { return strings.Compare(a.String(), b.String()) }

// sortedRows returns the rows in the order of their keys.
func sortedRows[K cmp.Ordered, Row any](rows map[K]*Row) []Row {
	out := make([]Row, 0, len(rows))
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, *rows[k])
	}
	return out
}

// BuildIDDiffRow is a build ID that is mapped on one side alone.
type BuildIDDiffRow struct {
	BuildID   format.BuildID // GNU build ID; zero = none
	GoBuildID string         // Go build ID of a file without a GNU one
	Paths     []string       // sorted, distinct
	Was, Now  int            // processes of a, and of b; one of them is 0
}

// BuildIDs returns a row for each selected build ID that is gone or new, sorted by it. Unlike
// ProcessDiff.Files it covers processes that are gone, new, or run another program; but not those
// that cannot be compared.
func (d *Diff) BuildIDs() []BuildIDDiffRow {
	type entry struct {
		BuildIDDiffRow
		paths map[string]struct{}
	}
	rows := make(map[string]*entry)
	count := func(side []*Process, processes func(*entry) *int) {
		for _, p := range side {
			told := make(map[*entry]bool)
			for m := range p.Space.All() {
				if !d.covers(&m) || !d.filter.File(m.File) || m.File.BuildID.IsZero() && m.File.GoBuildID == "" {
					continue
				}
				key := m.File.BuildID.String()
				if key == "" {
					key = "go:" + m.File.GoBuildID // behind all hex digits
				}
				e := rows[key]
				if e == nil {
					e = &entry{paths: make(map[string]struct{})}
					if e.BuildID = m.File.BuildID; e.BuildID.IsZero() {
						e.GoBuildID = m.File.GoBuildID
					}
					rows[key] = e
				}
				e.paths[m.File.Path] = struct{}{}
				if !told[e] {
					told[e] = true
					*processes(e)++
				}
			}
		}
	}
	count(d.was, func(e *entry) *int { return &e.Was })
	count(d.now, func(e *entry) *int { return &e.Now })
	var out []BuildIDDiffRow
	for _, e := range sortedRows(rows) {
		if e.Was == 0 || e.Now == 0 {
			e.Paths = slices.Sorted(maps.Keys(e.paths))
			out = append(out, e.BuildIDDiffRow)
		}
	}
	return out
}

// CgroupDiffRow is a cgroup with processes that differ, or may. The numbers are of processes but
// for Files, which counts as DiffSummary.Files does.
type CgroupDiffRow struct {
	Cgroup    string // "" = unknown
	Gone, New int
	Executed  int
	Changed   int // run the same program, and files have changed
	Unclear   int // nothing is known to differ, but may
	Files     map[FileChange]int
}

// Cgroups returns a row for each cgroup with processes that differ or may, sorted by name. A
// process counts where it is, or was last.
func (d *Diff) Cgroups() []CgroupDiffRow {
	rows := make(map[string]*CgroupDiffRow)
	of := func(ps ...*Process) *CgroupDiffRow {
		name := ""
		for _, p := range ps {
			name = cmp.Or(name, p.Cgroup())
		}
		row := rows[name]
		if row == nil {
			row = &CgroupDiffRow{Cgroup: name, Files: make(map[FileChange]int)}
			rows[name] = row
		}
		return row
	}
	for _, p := range d.Gone {
		of(p).Gone++
	}
	for _, p := range d.New {
		of(p).New++
	}
	for i := range d.Changed {
		r := &d.Changed[i]
		row := of(r.B, r.A)
		if r.Executed {
			row.Executed++
			continue
		}
		row.Changed++
		if r.SharesPID == 0 {
			countFiles(row.Files, r.Files)
		}
	}
	for i := range d.Unclear {
		of(d.Unclear[i].B, d.Unclear[i].A).Unclear++
	}
	return sortedRows(rows)
}

// countFiles counts files by each of the changes.
func countFiles(counts map[FileChange]int, files []FileDiff) {
	for i := range files {
		for c := range files[i].Changes.Each() {
			counts[c]++
		}
	}
}
