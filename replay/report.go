package replay

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/vmasnap/vmasnap/format"
)

// ProcessRow is one process in a report.
type ProcessRow struct {
	Process  *Process
	Mappings int    // selected ones
	Bytes    uint64 // sum of their lengths
	Files    int    // distinct files among them; [vdso] and anonymous memory are none
	Deleted  int    // mappings of files that were no longer linked
}

// Usage is how much something is mapped. Processes that share an address space count one by
// one; their mappings count once.
type Usage struct {
	Processes int
	Mappings  int
	Bytes     uint64 // sum of the mappings' lengths
}

// tally is a row of a report in the making.
type tally[Row any] struct {
	row  Row
	last *Process // the one counted last
}

// count adds a mapping of p to u, the row's usage; first is false in the second and later
// processes of a shared address space. Mappings of one process come together.
func (t *tally[Row]) count(u *Usage, p *Process, m Mapping, first bool) {
	if t.last != p {
		t.last = p
		u.Processes++
	}
	if first {
		u.Mappings++
		u.Bytes += m.End - m.Start
	}
}

// FileRow is one file, or one build of it, in a report.
type FileRow struct {
	File *File
	Usage
}

// BuildIDRow is one build ID in a report. Files without one are gathered by the reason.
type BuildIDRow struct {
	BuildID   format.BuildID       // GNU build ID; zero = none
	GoBuildID string               // Go build ID; "" = none
	Origin    format.BuildIDOrigin // of the IDs, or why there are none
	Paths     []string             // sorted, distinct
	Usage
}

// subject is one process of a report.
type subject struct {
	*Process
	had []belongings
}

// belongings are what is, or was, mapped in one address space.
type belongings struct {
	space    *Space // which may be that of several processes
	mappings iter.Seq[Mapping]
}

// subjects returns those of the state, in ascending order of pids.
func (s *Session) subjects() iter.Seq[subject] {
	return func(yield func(subject) bool) {
		for p := range s.Processes() {
			if !yield(subject{p, []belongings{{p.Space, p.Space.All()}}}) {
				return
			}
		}
	}
}

// ReportProcesses returns a row for each selected process, in ascending order of pids.
func (s *Session) ReportProcesses(f Filter) []ProcessRow { return reportProcesses(s.subjects(), f) }

func reportProcesses(of iter.Seq[subject], f Filter) []ProcessRow {
	var rows []ProcessRow
	var known distinct
	files := make(map[*distinctFile]struct{})
	for p := range of {
		if !f.Process(p.Process) {
			continue
		}
		clear(files)
		row := ProcessRow{Process: p.Process}
		for _, had := range p.had {
			for m := range had.mappings {
				if !f.File(m.File) {
					continue
				}
				row.Mappings++
				row.Bytes += m.End - m.Start
				if m.Kind&format.ContentFiles != 0 {
					files[known.get(m.File)] = struct{}{}
				}
				if m.File.Deleted {
					row.Deleted++
				}
			}
		}
		row.Files = len(files)
		if row.Mappings > 0 || !f.Files() {
			rows = append(rows, row)
		}
	}
	return rows
}

// ReportFiles returns a row for each selected file, sorted by path.
func (s *Session) ReportFiles(f Filter) []FileRow { return reportFiles(s.subjects(), f) }

func reportFiles(of iter.Seq[subject], f Filter) []FileRow {
	var known distinct
	rows := make(map[*distinctFile]*tally[FileRow])
	visit(of, f, func(p *Process, m Mapping, first bool) {
		file := known.get(m.File)
		t := rows[file]
		if t == nil {
			t = &tally[FileRow]{}
			rows[file] = t
		}
		t.count(&t.row.Usage, p, m, first)
	})
	out := make([]FileRow, 0, len(rows))
	for file, t := range rows {
		t.row.File = file.File
		out = append(out, t.row)
	}
	slices.SortFunc(out, func(a, b FileRow) int {
		if c := strings.Compare(a.File.Path, b.File.Path); c != 0 {
			return c
		}
		return compareFiles(a.File, b.File)
	})
	return out
}

// visit calls fn for each selected mapping of each selected process, in ascending order;
// first is false in the second and later processes of a shared address space.
func visit(of iter.Seq[subject], f Filter, fn func(p *Process, m Mapping, first bool)) {
	seen := make(map[*Space]struct{})
	for p := range of {
		if !f.Process(p.Process) {
			continue
		}
		for _, had := range p.had {
			_, again := seen[had.space]
			seen[had.space] = struct{}{}
			for m := range had.mappings {
				if f.File(m.File) {
					fn(p.Process, m, !again)
				}
			}
		}
	}
}

// compareFiles orders files of one path, so that reports come out the same each time.
func compareFiles(a, b *File) int {
	return cmp.Or(cmp.Compare(a.Major, b.Major), cmp.Compare(a.Minor, b.Minor), cmp.Compare(a.Inode, b.Inode),
		strings.Compare(a.BuildID.String(), b.BuildID.String()), strings.Compare(a.GoBuildID, b.GoBuildID))
}

// ReportBuildIDs returns a row for each build ID among the selected mappings, sorted by it;
// what has a Go build ID alone comes next, what has none last, by the reason.
func (s *Session) ReportBuildIDs(f Filter) []BuildIDRow { return reportBuildIDs(s.subjects(), f) }

func reportBuildIDs(of iter.Seq[subject], f Filter) []BuildIDRow {
	type key struct {
		gnu    format.BuildID
		goID   string
		origin format.BuildIDOrigin // 0 where there is an ID
	}
	keyOf := func(file *File) key {
		k := key{file.BuildID, file.GoBuildID, file.BuildIDOrigin}
		if !k.gnu.IsZero() || k.goID != "" {
			k.origin = 0
		}
		return k
	}
	type entry struct {
		tally[BuildIDRow]
		paths map[string]struct{}
	}
	rows := make(map[key]*entry)
	visit(of, f, func(p *Process, m Mapping, first bool) {
		k := keyOf(m.File)
		e := rows[k]
		if e == nil {
			e = &entry{paths: make(map[string]struct{})}
			e.row = BuildIDRow{BuildID: k.gnu, GoBuildID: k.goID, Origin: m.File.BuildIDOrigin}
			rows[k] = e
		}
		e.paths[m.File.Path] = struct{}{}
		e.count(&e.row.Usage, p, m, first)
	})
	out := make([]BuildIDRow, 0, len(rows))
	for _, e := range rows {
		e.row.Paths = slices.Sorted(maps.Keys(e.paths))
		out = append(out, e.row)
	}
	rank := func(r *BuildIDRow) int {
		switch {
		case !r.BuildID.IsZero():
			return 0
		case r.GoBuildID != "":
			return 1
		}
		return 2
	}
	slices.SortFunc(out, func(a, b BuildIDRow) int {
		return cmp.Or(rank(&a)-rank(&b), strings.Compare(a.BuildID.String(), b.BuildID.String()),
			strings.Compare(a.GoBuildID, b.GoBuildID), cmp.Compare(a.Origin, b.Origin))
	})
	return out
}
