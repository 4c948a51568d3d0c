package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/vmasnap/vmasnap/replay"
)

// The JSON form of report --across. docs/format.md describes it; schema is its version.
type (
	acrossJSON struct {
		Schema     int             `json:"schema"`
		Recordings []recordingJSON `json:"recordings"`
		Builds     []buildJSON     `json:"builds"`
	}
	recordingJSON struct {
		File      string   `json:"file"`
		FileBytes []byte   `json:"file_bytes,omitempty"`
		Host      string   `json:"host"`
		HostBytes []byte   `json:"host_bytes,omitempty"`
		Missing   []string `json:"missing"`
	}
	buildJSON struct {
		BuildID   string    `json:"build_id,omitempty"`
		GoBuildID string    `json:"go_build_id,omitempty"`
		GoBytes   []byte    `json:"go_build_id_bytes,omitempty"`
		Origin    string    `json:"build_id_origin"`
		Paths     []string  `json:"paths"`
		PathBytes [][]byte  `json:"paths_bytes,omitempty"` // of all paths, if one is not UTF-8
		Uses      []useJSON `json:"uses"`
	}
	useJSON struct {
		Recording int        `json:"recording"` // index into recordings
		Paths     []string   `json:"paths"`
		PathBytes [][]byte   `json:"paths_bytes,omitempty"` // of all paths, if one is not UTF-8
		Processes []userJSON `json:"processes"`
	}
	userJSON struct {
		PID       uint32 `json:"pid"`
		Comm      string `json:"comm"`
		CommBytes []byte `json:"comm_bytes,omitempty"`
		Uncertain bool   `json:"uncertain,omitempty"`
	}
)

// across reports which builds the recordings have, and who maps them.
func (r *report) across(s *streams, out *bufio.Writer, st style, names []string, asJSON, strict bool) error {
	if r.span != "" {
		return usageError("--across and --time: want one of them; --at goes with both")
	}
	var fleet replay.Fleet
	doc := acrossJSON{Schema: 1, Builds: []buildJSON{}}
	damaged, incomplete := false, false
	index := make(map[string]int)
	for _, name := range names {
		if _, again := index[name]; again {
			return usageError("%s is there twice", name)
		}
		index[name] = len(doc.Recordings)
		loaded, err := loadAt(s, name, string(r.at), (*replay.Recording).Replay)
		if err != nil {
			return err
		}
		damaged = damaged || loaded.damage != nil
		sum := loaded.summary()
		row := recordingJSON{Missing: append([]string{}, sum.Incomplete()...)}
		row.File, row.FileBytes = jsonName(name)
		row.Host, row.HostBytes = jsonName(sum.Host.Hostname)
		doc.Recordings = append(doc.Recordings, row)
		incomplete = incomplete || len(row.Missing) > 0
		fleet.Add(name, loaded.Session, r.filter)
	}
	builds := fleet.Builds()
	if asJSON {
		for _, b := range builds {
			doc.Builds = append(doc.Builds, buildDocument(b, index))
		}
		if err := writeJSON(out, doc); err != nil {
			return outputError(err)
		}
	} else {
		r.printAcross(out, st, &doc, builds)
	}
	switch {
	case damaged:
		return told()
	case strict && incomplete:
		return &exitError{code: exitIncomplete}
	}
	return nil
}

func buildDocument(b *replay.FleetBuild, index map[string]int) buildJSON {
	row := buildJSON{BuildID: b.BuildID.String(), Origin: b.Origin.String()}
	row.GoBuildID, row.GoBytes = jsonName(b.GoBuildID)
	row.Paths, row.PathBytes = jsonNames(b.Paths)
	for _, use := range b.Uses {
		u := useJSON{Recording: index[use.Recording]}
		u.Paths, u.PathBytes = jsonNames(use.Paths)
		for _, p := range use.Processes {
			q := userJSON{PID: p.PID, Uncertain: p.Uncertain}
			q.Comm, q.CommBytes = jsonName(p.Comm)
			u.Processes = append(u.Processes, q)
		}
		row.Uses = append(row.Uses, u)
	}
	return row
}

func (r *report) printAcross(out *bufio.Writer, st style, doc *acrossJSON, builds []*replay.FleetBuild) {
	for _, row := range doc.Recordings {
		for _, missing := range row.Missing {
			fmt.Fprintf(out, "%s: %s\n", printable(row.File), st.warn("missing: "+missing))
		}
	}
	if len(builds) == 0 {
		fmt.Fprintf(out, "no such file is mapped in %s\n", plural(len(doc.Recordings), "recording"))
		return
	}
	t := newTable("BUILD ID", "HOST", "RECORDING", ">PROCESSES", "FILES", "WHO")
	shown := builds
	if r.limit > 0 && len(shown) > r.limit {
		shown = shown[:r.limit]
	}
	for _, b := range shown {
		for _, use := range b.Uses {
			var paths []string
			for _, p := range use.Paths {
				paths = append(paths, printable(p))
			}
			t.row(buildIDCell(b.BuildID, b.GoBuildID, b.Origin), printable(use.Host), printable(use.Recording),
				count(len(use.Processes)), strings.Join(paths, ", "), who(use.Processes))
		}
	}
	t.print(out, st)
	if left := len(builds) - len(shown); left > 0 {
		fmt.Fprintf(out, "... and %s more; --limit 0 shows all\n", plural(left, "build"))
	}
	fmt.Fprintf(out, "\n%s in %s\n", plural(len(builds), "build"), plural(len(doc.Recordings), "recording"))
}

// who names the first few processes.
func who(ps []replay.FleetProcess) string {
	const most = 5
	var names []string
	for _, p := range ps[:min(len(ps), most)] {
		names = append(names, fmt.Sprintf("%d %s%s", p.PID, printable(p.Comm), mark(p.Uncertain, " (uncertain)")))
	}
	if more := len(ps) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %s more", count(more)))
	}
	return strings.Join(names, ", ")
}
