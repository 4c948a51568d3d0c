package main

import (
	"encoding/json"
	"io"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// The JSON form of a report. docs/format.md describes it; schema is its version.
type (
	reportJSON struct {
		Schema    int             `json:"schema"`
		File      string          `json:"file"`
		FileBytes []byte          `json:"file_bytes,omitempty"`
		Host      json.RawMessage `json:"host"`
		At        uint64          `json:"at,omitempty"` // CLOCK_MONOTONIC ns
		Processes map[string]int  `json:"processes_by_walk"`
		Spaces    int             `json:"spaces"`
		Mappings  int             `json:"mappings"`
		Files     int             `json:"files"`
		Deleted   int             `json:"deleted_files"`
		NoBuildID int             `json:"files_without_build_id"`
		AnonExec  int             `json:"excluded_anon_exec"`
		VDSO      int             `json:"excluded_vdso"`
		Lost      uint64          `json:"lost"`
		Losses    []lossJSON      `json:"losses,omitempty"`
		Followed  *followedJSON   `json:"followed,omitempty"`
		Missing   []string        `json:"missing"`
		Tables    map[string]any  `json:"tables"`
	}
	followedJSON struct {
		Sets     uint64 `json:"sets"`
		Clears   uint64 `json:"clears"`
		Forks    uint64 `json:"forks"`
		Execs    uint64 `json:"execs"`
		Exits    uint64 `json:"exits"`
		Restated uint64 `json:"restated"`
		Drift    uint64 `json:"drift"`
		Drifted  uint64 `json:"drift_processes"`
	}
	lossJSON struct {
		PID      uint32 `json:"pid,omitempty"`
		From     uint64 `json:"from"`
		Detected uint64 `json:"detected"`
		Repaired uint64 `json:"repaired,omitempty"`
		Reason   string `json:"reason"`
		Count    uint64 `json:"count"`
	}
	processJSON struct {
		PID        uint32 `json:"pid"`
		PPID       uint32 `json:"ppid,omitempty"`
		Comm       string `json:"comm"`
		CommBytes  []byte `json:"comm_bytes,omitempty"`
		Exe        string `json:"exe,omitempty"`
		ExeBytes   []byte `json:"exe_bytes,omitempty"`
		ExeDeleted bool   `json:"exe_deleted,omitempty"`
		Walk       string `json:"walk"`
		Uncertain  uint64 `json:"uncertain_since,omitempty"`
		SharesPID  uint32 `json:"shares_pid,omitempty"`
		Cgroup     string `json:"cgroup,omitempty"`
		CgroupRaw  []byte `json:"cgroup_bytes,omitempty"`
		Mappings   int    `json:"mappings"`
		Bytes      uint64 `json:"bytes"`
		Files      int    `json:"files"`
		Deleted    int    `json:"deleted"`
	}
	fileJSON struct {
		Path      string `json:"path"`
		PathBytes []byte `json:"path_bytes,omitempty"`
		Deleted   bool   `json:"deleted,omitempty"`
		Dev       string `json:"dev"`
		Inode     uint64 `json:"inode,string"`
		BuildID   string `json:"build_id,omitempty"`
		GoBuildID string `json:"go_build_id,omitempty"`
		GoBytes   []byte `json:"go_build_id_bytes,omitempty"`
		Origin    string `json:"build_id_origin"`
		Processes int    `json:"processes"`
		Mappings  int    `json:"mappings"`
		Bytes     uint64 `json:"bytes"`
	}
	buildIDJSON struct {
		BuildID   string   `json:"build_id,omitempty"`
		GoBuildID string   `json:"go_build_id,omitempty"`
		GoBytes   []byte   `json:"go_build_id_bytes,omitempty"`
		Origin    string   `json:"build_id_origin"`
		Paths     []string `json:"paths"`
		PathBytes [][]byte `json:"paths_bytes,omitempty"` // of all paths, if one is not UTF-8
		Processes int      `json:"processes"`
		Mappings  int      `json:"mappings"`
		Bytes     uint64   `json:"bytes"`
	}
)

func (r *report) printJSON(w io.Writer, name string, s reported, sum *replay.Summary) error {
	doc := reportJSON{
		Schema: 1, Host: format.AppendJSON(nil, sum.Host), At: sum.At, Processes: make(map[string]int),
		Spaces: sum.Spaces, Mappings: sum.Mappings, Files: sum.Files, Deleted: sum.Deleted, NoBuildID: sum.NoBuildID,
		AnonExec: sum.ExcludedAnonExec, VDSO: sum.ExcludedVDSO, Lost: sum.Stats.Lost,
		Missing: append([]string{}, sum.Incomplete()...), Tables: make(map[string]any),
	}
	doc.File, doc.FileBytes = jsonName(name)
	for status, n := range sum.Processes {
		if n > 0 {
			doc.Processes[status.String()] = n
		}
	}
	if sum.Followed > 0 {
		doc.Processes[followed] = sum.Followed
	}
	for _, l := range sum.Losses {
		doc.Losses = append(doc.Losses, lossJSON{l.PID, l.From, l.Detected, l.Repaired, l.Reason.String(), l.Count})
	}
	if st := &sum.Stats; sum.Host.Hooks != format.HooksNone {
		doc.Followed = &followedJSON{st.Mmaps - st.Walked, st.Clears, st.Forks, st.Execs, st.Exits, st.Restated, st.Drift, st.DriftProcesses}
	}
	for _, by := range r.by {
		var rows any
		switch by {
		case "process":
			rows = r.processesJSON(s)
		case "file":
			rows = r.filesJSON(s)
		case "build-id":
			rows = r.buildIDsJSON(s)
		}
		doc.Tables[by] = rows
	}
	return writeJSON(w, doc)
}

func (r *report) processesJSON(s reported) []processJSON {
	rows, _ := r.processes(s)
	out := make([]processJSON, len(rows))
	for i, row := range rows {
		p := row.Process
		j := processJSON{PID: p.PID, PPID: p.PPID, Walk: walkWord(p), Uncertain: p.UncertainSince, ExeDeleted: p.ExeDeleted(),
			Mappings: row.Mappings, Bytes: row.Bytes, Files: row.Files, Deleted: row.Deleted}
		j.Comm, j.CommBytes = jsonName(p.Comm)
		j.Exe, j.ExeBytes = jsonName(p.Exe)
		if p.Walk != nil {
			if p.Status() == format.WalkShared {
				j.SharesPID = p.Walk.SharesPID
			}
			j.Cgroup, j.CgroupRaw = jsonName(p.Walk.Cgroup)
		}
		out[i] = j
	}
	return out
}

func (r *report) filesJSON(s reported) []fileJSON {
	rows, _ := r.files(s)
	out := make([]fileJSON, len(rows))
	for i, row := range rows {
		f := row.File
		j := fileJSON{Deleted: f.Deleted, Dev: format.Device(f.Major, f.Minor), Inode: f.Inode,
			BuildID: f.BuildID.String(), Origin: f.BuildIDOrigin.String(),
			Processes: row.Processes, Mappings: row.Mappings, Bytes: row.Bytes}
		j.Path, j.PathBytes = jsonName(f.Path)
		j.GoBuildID, j.GoBytes = jsonName(f.GoBuildID)
		out[i] = j
	}
	return out
}

func (r *report) buildIDsJSON(s reported) []buildIDJSON {
	rows, _ := r.buildIDs(s)
	out := make([]buildIDJSON, len(rows))
	for i, row := range rows {
		j := buildIDJSON{BuildID: row.BuildID.String(), Origin: row.Origin.String(),
			Processes: row.Processes, Mappings: row.Mappings, Bytes: row.Bytes}
		j.GoBuildID, j.GoBytes = jsonName(row.GoBuildID)
		j.Paths, j.PathBytes = jsonNames(row.Paths)
		out[i] = j
	}
	return out
}
