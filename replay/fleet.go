package replay

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/vmasnap/vmasnap/format"
)

// Fleet gathers which builds of files many recordings have mapped, as of many hosts. It keeps
// nothing of a Session but names and numbers. The zero value is ready to use.
type Fleet struct {
	builds map[buildKey]*FleetBuild
}

// FleetBuild is one build of a file, or of several of one build ID. Files without any ID are told
// apart by path.
type FleetBuild struct {
	BuildID   format.BuildID       // GNU build ID; zero = none
	GoBuildID string               // Go build ID; "" = none
	Origin    format.BuildIDOrigin // of the IDs, or why there are none
	Paths     []string             // sorted, distinct
	Uses      []FleetUse           // in the order in which the recordings were added
}

// FleetUse is one recording's processes that map a build.
type FleetUse struct {
	Recording string   // as it was added
	Host      string   // its name
	Paths     []string // sorted, distinct
	Processes []FleetProcess
}

// FleetProcess is a process that maps it.
type FleetProcess struct {
	PID       uint32
	Comm      string
	Uncertain bool // statements about it have been lost
}

// buildKey tells builds apart.
type buildKey struct {
	gnu  format.BuildID
	goID string
	path string // of what has no ID
}

// Add takes in what the selected processes of s have mapped of the selected files.
func (f *Fleet) Add(recording string, s *Session, filter Filter) {
	if f.builds == nil {
		f.builds = make(map[buildKey]*FleetBuild)
	}
	host := ""
	if s.Host != nil {
		host = s.Host.Hostname
	}
	last := make(map[*FleetBuild]*Process)
	visit(s.subjects(), filter, func(p *Process, m Mapping, _ bool) {
		b := f.build(m.File)
		b.Paths = insert(b.Paths, m.File.Path)
		if last[b] == nil {
			b.Uses = append(b.Uses, FleetUse{Recording: recording, Host: host})
		}
		use := &b.Uses[len(b.Uses)-1]
		use.Paths = insert(use.Paths, m.File.Path)
		if last[b] == p {
			return
		}
		last[b] = p
		use.Processes = append(use.Processes, FleetProcess{p.PID, p.Comm, p.UncertainSince != 0})
	})
}

// insert adds a name to a sorted list that has each once.
func insert(names []string, name string) []string {
	i, found := slices.BinarySearch(names, name)
	if found {
		return names
	}
	return slices.Insert(names, i, name)
}

func (f *Fleet) build(file *File) *FleetBuild {
	key := buildKey{gnu: file.BuildID}
	switch {
	case !file.BuildID.IsZero():
	case distinctive(file.GoBuildID):
		key.goID = file.GoBuildID
	default:
		key.path = file.Path
	}
	b := f.builds[key]
	if b == nil {
		b = &FleetBuild{BuildID: file.BuildID, GoBuildID: file.GoBuildID, Origin: file.BuildIDOrigin}
		f.builds[key] = b
	}
	return b
}

// Builds returns all builds, sorted by their first path, then those of most hosts first.
func (f *Fleet) Builds() []*FleetBuild {
	return slices.SortedFunc(maps.Values(f.builds), func(a, b *FleetBuild) int {
		return cmp.Or(strings.Compare(a.Paths[0], b.Paths[0]), len(b.Uses)-len(a.Uses),
			strings.Compare(a.BuildID.String(), b.BuildID.String()), strings.Compare(a.GoBuildID, b.GoBuildID))
	})
}
