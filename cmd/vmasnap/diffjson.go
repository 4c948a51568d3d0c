package main

import (
	"encoding/json"
	"io"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// The JSON form of a comparison. docs/format.md describes it; schema is its version.
type (
	diffJSON struct {
		Schema  int             `json:"schema"`
		A       diffSideJSON    `json:"a"`
		B       diffSideJSON    `json:"b"`
		Matched string          `json:"matched"`
		Covers  string          `json:"covers"`
		Differs bool            `json:"differs"`
		Summary diffSummaryJSON `json:"summary"`
		Tables  map[string]any  `json:"tables"`
	}
	diffSideJSON struct {
		File      string          `json:"file"`
		FileBytes []byte          `json:"file_bytes,omitempty"`
		Host      json.RawMessage `json:"host"`
		At        uint64          `json:"at"` // CLOCK_MONOTONIC ns
		PID       uint32          `json:"pid,omitempty"`
		Missing   []string        `json:"missing"`
	}
	diffSummaryJSON struct {
		Gone      int            `json:"gone"`
		New       int            `json:"new"`
		Executed  int            `json:"executed"`
		Changed   int            `json:"changed"`
		Same      int            `json:"same"`
		Unknown   int            `json:"unknown"`
		Uncertain int            `json:"uncertain"`
		Files     map[string]int `json:"files"`
	}
	diffProcessesJSON struct {
		Gone    []diffProcessJSON `json:"gone"`
		New     []diffProcessJSON `json:"new"`
		Changed []diffPairJSON    `json:"changed"`
		Unclear []diffPairJSON    `json:"unclear"`
	}
	diffProcessJSON struct {
		PID       uint32 `json:"pid"`
		StartTime uint64 `json:"start_time,omitempty"`
		Comm      string `json:"comm"`
		CommBytes []byte `json:"comm_bytes,omitempty"`
		Exe       string `json:"exe,omitempty"`
		ExeBytes  []byte `json:"exe_bytes,omitempty"`
		Cgroup    string `json:"cgroup,omitempty"`
		CgroupRaw []byte `json:"cgroup_bytes,omitempty"`
		Walk      string `json:"walk"`
		Uncertain uint64 `json:"uncertain_since,omitempty"`
		Mappings  int    `json:"mappings"`
	}
	diffPairJSON struct {
		A         diffProcessJSON `json:"a"`
		B         diffProcessJSON `json:"b"`
		Executed  bool            `json:"executed,omitempty"`
		Unknown   bool            `json:"unknown,omitempty"`
		Uncertain bool            `json:"uncertain,omitempty"`
		SharesPID uint32          `json:"shares_pid,omitempty"`
		Files     []diffFileJSON  `json:"files,omitempty"`
	}
	diffFileJSON struct {
		Changes []string       `json:"changes"`
		A       *diffOfOneJSON `json:"a,omitempty"`
		B       *diffOfOneJSON `json:"b,omitempty"`
	}
	diffOfOneJSON struct {
		Path      string            `json:"path"`
		PathBytes []byte            `json:"path_bytes,omitempty"`
		Deleted   bool              `json:"deleted,omitempty"`
		Dev       string            `json:"dev"`
		Inode     uint64            `json:"inode,string"`
		BuildID   string            `json:"build_id,omitempty"`
		GoBuildID string            `json:"go_build_id,omitempty"`
		GoBytes   []byte            `json:"go_build_id_bytes,omitempty"`
		Origin    string            `json:"build_id_origin"`
		Mappings  []diffMappingJSON `json:"mappings"`
	}
	diffMappingJSON struct {
		Start  string `json:"start"`
		End    string `json:"end"`
		Offset string `json:"offset"`
		Prot   string `json:"prot"`
	}
	diffFileRowJSON struct {
		Path      string         `json:"path"`
		PathBytes []byte         `json:"path_bytes,omitempty"`
		Processes map[string]int `json:"processes"`
		Was       []string       `json:"build_ids_a"`
		Now       []string       `json:"build_ids_b"`
	}
	diffBuildIDJSON struct {
		BuildID   string   `json:"build_id,omitempty"`
		GoBuildID string   `json:"go_build_id,omitempty"`
		GoBytes   []byte   `json:"go_build_id_bytes,omitempty"`
		Paths     []string `json:"paths"`
		PathBytes [][]byte `json:"paths_bytes,omitempty"` // of all paths, if one is not UTF-8
		Was       int      `json:"processes_a"`
		Now       int      `json:"processes_b"`
	}
	diffCgroupJSON struct {
		Cgroup    string         `json:"cgroup"`
		CgroupRaw []byte         `json:"cgroup_bytes,omitempty"`
		Gone      int            `json:"gone"`
		New       int            `json:"new"`
		Executed  int            `json:"executed"`
		Changed   int            `json:"changed"`
		Unclear   int            `json:"unclear"`
		Files     map[string]int `json:"files"`
	}
)

func (d *diff) printJSON(w io.Writer) error {
	s := &d.Summary
	doc := diffJSON{
		Schema: 1, A: d.sides[0].json(), B: d.sides[1].json(), Matched: "name", Covers: d.Content.String(), Differs: !d.Same(),
		Summary: diffSummaryJSON{s.Gone, s.New, s.Executed, s.Changed, s.Same, s.Unknown, s.Uncertain, named(s.Files)},
		Tables:  make(map[string]any),
	}
	switch {
	case d.sides[0].pid != 0:
		doc.Matched = "asked"
	case d.SamePIDs:
		doc.Matched = "pid"
	}
	for _, by := range d.by {
		var rows any
		switch by {
		case "process":
			rows = d.processesJSON()
		case "file":
			rows = eachRow(d, d.Files(), fileRowJSON)
		case "build-id":
			rows = eachRow(d, d.BuildIDs(), buildIDRowJSON)
		case "cgroup":
			rows = eachRow(d, d.Cgroups(), cgroupRowJSON)
		}
		doc.Tables[by] = rows
	}
	return writeJSON(w, doc)
}

func (s *diffSide) json() diffSideJSON {
	j := diffSideJSON{Host: format.AppendJSON(nil, s.Host), At: s.at(), PID: s.pid, Missing: append([]string{}, s.sum.Incomplete()...)}
	j.File, j.FileBytes = jsonName(s.name)
	return j
}

// named gives counts of changes their names.
func named(counts map[replay.FileChange]int) map[string]int {
	out := make(map[string]int)
	for c, n := range counts {
		out[c.String()] = n
	}
	return out
}

// eachRow makes JSON of as many rows as are wanted.
func eachRow[Row, JSON any](d *diff, rows []Row, fn func(*Row) JSON) []JSON {
	if d.limit > 0 {
		rows = rows[:min(len(rows), d.limit)]
	}
	out := make([]JSON, len(rows))
	for i := range rows {
		out[i] = fn(&rows[i])
	}
	return out
}

func (d *diff) processesJSON() diffProcessesJSON {
	one := func(p **replay.Process) diffProcessJSON { return diffProcess(*p) }
	return diffProcessesJSON{
		Gone: eachRow(d, d.Gone, one), New: eachRow(d, d.New, one),
		Changed: eachRow(d, d.Changed, diffPair), Unclear: eachRow(d, d.Unclear, diffPair),
	}
}

func diffProcess(p *replay.Process) diffProcessJSON {
	j := diffProcessJSON{PID: p.PID, StartTime: p.StartTime, Walk: walkWord(p), Uncertain: p.UncertainSince, Mappings: p.Space.Len()}
	j.Comm, j.CommBytes = jsonName(p.Comm)
	j.Exe, j.ExeBytes = jsonName(p.Exe)
	j.Cgroup, j.CgroupRaw = jsonName(p.Cgroup())
	return j
}

func diffPair(p *replay.ProcessDiff) diffPairJSON {
	j := diffPairJSON{A: diffProcess(p.A), B: diffProcess(p.B), Executed: p.Executed, Unknown: p.Unknown, Uncertain: p.Uncertain, SharesPID: p.SharesPID}
	if p.SharesPID != 0 {
		return j
	}
	for i := range p.Files {
		f := &p.Files[i]
		file := diffFileJSON{A: diffOfOne(f.A, f.Was), B: diffOfOne(f.B, f.Now)}
		for c := range f.Changes.Each() {
			file.Changes = append(file.Changes, c.String())
		}
		j.Files = append(j.Files, file)
	}
	return j
}

// diffOfOne is a file on one side; nil where it is not mapped.
func diffOfOne(f *replay.File, maps []replay.Mapping) *diffOfOneJSON {
	if f == nil {
		return nil
	}
	j := &diffOfOneJSON{Deleted: f.Deleted, Dev: format.Device(f.Major, f.Minor), Inode: f.Inode, BuildID: f.BuildID.String(), Origin: f.BuildIDOrigin.String()}
	j.Path, j.PathBytes = jsonName(f.Path)
	j.GoBuildID, j.GoBytes = jsonName(f.GoBuildID)
	for i := range maps {
		m := &maps[i]
		j.Mappings = append(j.Mappings, diffMappingJSON{hex(m.Start), hex(m.End), hex(m.Offset), m.Perm()})
	}
	return j
}

func fileRowJSON(r *replay.FileDiffRow) diffFileRowJSON {
	j := diffFileRowJSON{Processes: named(r.Processes), Was: []string{}, Now: []string{}}
	j.Path, j.PathBytes = jsonName(r.Path)
	for _, id := range r.Was {
		j.Was = append(j.Was, id.String())
	}
	for _, id := range r.Now {
		j.Now = append(j.Now, id.String())
	}
	return j
}

func buildIDRowJSON(r *replay.BuildIDDiffRow) diffBuildIDJSON {
	j := diffBuildIDJSON{BuildID: r.BuildID.String(), Was: r.Was, Now: r.Now}
	j.GoBuildID, j.GoBytes = jsonName(r.GoBuildID)
	j.Paths, j.PathBytes = jsonNames(r.Paths)
	return j
}

func cgroupRowJSON(r *replay.CgroupDiffRow) diffCgroupJSON {
	j := diffCgroupJSON{Gone: r.Gone, New: r.New, Executed: r.Executed, Changed: r.Changed, Unclear: r.Unclear, Files: named(r.Files)}
	j.Cgroup, j.CgroupRaw = jsonName(r.Cgroup)
	return j
}
