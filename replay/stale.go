package replay

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/vmasnap/vmasnap/format"
)

// Staleness says how code that runs differs from the code on disk.
type Staleness uint8

// The ways in which code can be stale.
const (
	Fresh       Staleness = iota // it is the code on disk, as far as can be told
	Deleted                      // nothing is at the path any more
	Replaced                     // another file is at the path, of another build
	Overwritten                  // the same file has another build in it
	// Temporary code never belonged to a path, or to one of passing files: memfd, shared
	// memory, what a program unpacked to run and removed.
	Temporary
	NotCompared // what is on disk could not be looked at
)

// String returns a short name, or the number if it is none of these.
func (s Staleness) String() string {
	return nameOf(s, "fresh", "deleted", "replaced", "overwritten", "temporary", "not-compared")
}

// OnDisk is the file that is at a path now.
type OnDisk struct {
	Inode     uint64         // 0 = unknown
	BuildID   format.BuildID // GNU build ID; zero = none
	GoBuildID string         // "" = none
}

// Disk looks up a path as process p sees it: in its mount namespace and below its root directory.
// An error that is fs.ErrNotExist says that nothing is there; any other that it is not known.
type Disk interface {
	Look(p *Process, path string) (OnDisk, error)
}

// StaleFile is one file that is mapped and not fresh, as some processes see it.
type StaleFile struct {
	Staleness Staleness
	File      *File  // that is mapped
	Now       OnDisk // unless nothing is there
	Err       error  // with NotCompared
	// Unproven: there is no build ID to compare, but another file is at the path.
	Unproven  bool
	Processes []*Process // in ascending order of pids
}

// StaleReport is what of a machine's code is not that on disk.
type StaleReport struct {
	// Files are sorted by staleness, path and build ID.
	Files []StaleFile
	// Compared are the distinct files that were, Unidentified those among them without any build
	// ID, of which only another inode can be seen.
	Compared, Unidentified int
	// Unknown are the processes whose address space is not known or is uncertain.
	Unknown []*Process
}

// Found reports whether any code is stale.
func (r *StaleReport) Found() bool {
	return slices.ContainsFunc(r.Files, func(f StaleFile) bool {
		return f.Staleness == Deleted || f.Staleness == Replaced || f.Staleness == Overwritten
	})
}

// place is a path as a group of processes sees it.
type place struct {
	mounts uint64 // inode number of the mount namespace
	root   string
	file   *distinctFile
}

// Stale compares the executable files that selected processes have mapped with those on disk.
func (s *Session) Stale(disk Disk, f Filter) *StaleReport {
	r := &StaleReport{}
	found := make(map[place]*StaleFile)
	var known distinct
	compared := make(map[*distinctFile]struct{})
	for p := range s.Processes() {
		if !f.Process(p) {
			continue
		}
		if !p.Known || p.UncertainSince != 0 {
			r.Unknown = append(r.Unknown, p)
		}
		for m := range p.Space.All() {
			if m.Kind&format.ContentExecFile == 0 || !f.File(m.File) {
				continue
			}
			file := known.get(m.File)
			at := place{file: file}
			if p.Walk != nil {
				at.mounts, at.root = p.Walk.MountNamespace, p.Walk.Root
			}
			stale := found[at]
			if stale == nil {
				stale = look(disk, p, m.File)
				found[at] = stale
			}
			if stale.Staleness != NotCompared && stale.Staleness != Temporary {
				compared[file] = struct{}{}
			}
			if n := len(stale.Processes); n == 0 || stale.Processes[n-1] != p {
				stale.Processes = append(stale.Processes, p)
			}
		}
	}
	r.Compared = len(compared)
	for file := range compared {
		if !identified(file.BuildID, file.GoBuildID) {
			r.Unidentified++
		}
	}
	for _, stale := range found {
		if stale.Staleness != Fresh {
			r.Files = append(r.Files, *stale)
		}
	}
	slices.SortFunc(r.Files, func(a, b StaleFile) int {
		return cmp.Or(cmp.Compare(a.Staleness, b.Staleness), strings.Compare(a.File.Path, b.File.Path),
			compareFiles(a.File, b.File), cmp.Compare(a.Processes[0].PID, b.Processes[0].PID))
	})
	return r
}

// look compares a file that p has mapped with the one on disk.
func look(disk Disk, p *Process, file *File) *StaleFile {
	r := &StaleFile{File: file}
	if pathless(file) {
		r.Staleness = Temporary
		return r
	}
	now, err := disk.Look(p, file.Path)
	r.Now = now
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.Staleness = Deleted
		if passing(file.Path) {
			r.Staleness = Temporary
		}
	case err != nil:
		r.Staleness, r.Err = NotCompared, err
	default:
		r.Staleness, r.Unproven = againstDisk(file, now)
	}
	return r
}

// againstDisk compares a mapped file with the one that is at its path.
func againstDisk(file *File, now OnDisk) (s Staleness, unproven bool) {
	other := file.Deleted || now.Inode != 0 && file.Inode != 0 && now.Inode != file.Inode
	change := Overwritten
	if other {
		change = Replaced
	}
	same := false
	switch {
	case !file.BuildID.IsZero():
		same = file.BuildID == now.BuildID
	case distinctive(file.GoBuildID):
		same = file.GoBuildID == now.GoBuildID
	default: // nothing to compare
		if other {
			return Replaced, true
		}
		return Fresh, false
	}
	if same {
		return Fresh, false
	}
	return change, false
}

// identified reports whether there is a build ID that tells two builds apart.
func identified(gnu format.BuildID, goID string) bool { return !gnu.IsZero() || distinctive(goID) }

// distinctive reports whether a Go build ID says anything: build systems write "redacted".
func distinctive(goID string) bool { return goID != "" && goID != "redacted" }

// pathless reports whether the file never was at a path.
func pathless(f *File) bool {
	switch {
	case f.Path == "", !strings.HasPrefix(f.Path, "/"):
		return true // anonymous memory, [vdso], anon_inode:, pipe:
	case strings.HasPrefix(f.Path, "/memfd:"), strings.HasPrefix(f.Path, "/SYSV"), f.Path == "/dev/zero",
		strings.HasPrefix(f.Path, "/dev/"), strings.HasPrefix(f.Path, "/anon_hugepage"), strings.HasPrefix(f.Path, "/[aio]"):
		return true
	}
	return false
}

// passing reports whether files at the path are there for a while, so that it says nothing that one
// is gone.
func passing(path string) bool {
	for _, dir := range []string{"/tmp/", "/var/tmp/", "/run/", "/var/run/"} {
		if strings.HasPrefix(path, dir) {
			return true
		}
	}
	return false
}
