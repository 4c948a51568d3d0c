package main

import "github.com/vmasnap/vmasnap/replay"

// The JSON form of stale. docs/format.md describes it; schema is its version.
type (
	staleJSON struct {
		Schema       int             `json:"schema"`
		Compared     int             `json:"compared_files"`
		Unidentified int             `json:"files_without_build_id"`
		Unknown      []uint32        `json:"unknown_processes"`
		Files        []staleFileJSON `json:"files"`
	}
	staleFileJSON struct {
		Stale     string             `json:"stale"`
		Unproven  bool               `json:"unproven,omitempty"`
		Path      string             `json:"path"`
		PathBytes []byte             `json:"path_bytes,omitempty"`
		BuildID   string             `json:"build_id,omitempty"`
		GoBuildID string             `json:"go_build_id,omitempty"`
		Inode     uint64             `json:"inode,string"`
		NowID     string             `json:"now_build_id,omitempty"`
		NowGoID   string             `json:"now_go_build_id,omitempty"`
		NowInode  uint64             `json:"now_inode,omitempty,string"`
		Error     string             `json:"error,omitempty"`
		Processes []staleProcessJSON `json:"processes"`
	}
	staleProcessJSON struct {
		PID       uint32 `json:"pid"`
		Comm      string `json:"comm"`
		CommBytes []byte `json:"comm_bytes,omitempty"`
		Unit      string `json:"unit,omitempty"`
		Cgroup    string `json:"cgroup,omitempty"`
	}
)

func staleDocument(r *replay.StaleReport) *staleJSON {
	doc := &staleJSON{Schema: 1, Compared: r.Compared, Unidentified: r.Unidentified, Unknown: []uint32{}, Files: []staleFileJSON{}}
	for _, p := range r.Unknown {
		doc.Unknown = append(doc.Unknown, p.PID)
	}
	for i := range r.Files {
		f := &r.Files[i]
		row := staleFileJSON{
			Stale: f.Staleness.String(), Unproven: f.Unproven, BuildID: f.File.BuildID.String(), Inode: f.File.Inode,
			NowID: f.Now.BuildID.String(), NowInode: f.Now.Inode,
		}
		row.Path, row.PathBytes = jsonName(f.File.Path)
		row.GoBuildID, _ = jsonName(f.File.GoBuildID)
		row.NowGoID, _ = jsonName(f.Now.GoBuildID)
		if f.Err != nil {
			row.Error, _ = jsonName(f.Err.Error())
		}
		for _, p := range f.Processes {
			q := staleProcessJSON{PID: p.PID}
			q.Comm, q.CommBytes = jsonName(p.Comm)
			q.Unit, _ = jsonName(unitOf(p))
			if p.Walk != nil {
				q.Cgroup, _ = jsonName(p.Walk.Cgroup)
			}
			row.Processes = append(row.Processes, q)
		}
		doc.Files = append(doc.Files, row)
	}
	return doc
}
