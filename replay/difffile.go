package replay

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/vmasnap/vmasnap/format"
)

// FileChange is what has become of a file in an address space: a set of bits, as a file can be
// deleted and be mapped elsewhere at once.
type FileChange uint16

// The changes. FileLoaded, FileUnloaded and FileUpgraded come alone.
const (
	FileLoaded     FileChange = 1 << iota // it was not mapped before
	FileUnloaded                          // it is not mapped any more
	FileUpgraded                          // another file, or another build, of the same path
	FileDeleted                           // it was linked at its path and is no more
	FileRelinked                          // it was deleted and is linked
	FileRenamed                           // the same file has another path
	FileProtection                        // parts of it have other permissions
	FileRemapped                          // other parts of it are mapped, or some more often or less often
	FileMoved                             // parts of it are at other addresses; with DiffOptions.Addresses
)

var fileChanges = []string{"loaded", "unloaded", "upgraded", "deleted", "relinked", "renamed", "protection", "remapped", "moved"}

// Each iterates over the changes in the set.
func (c FileChange) Each() iter.Seq[FileChange] {
	return func(yield func(FileChange) bool) {
		for one := FileChange(1); one != 0; one <<= 1 {
			if c&one != 0 && !yield(one) {
				return
			}
		}
	}
}

// String returns the names of the changes, joined by "|".
func (c FileChange) String() string {
	var names []string
	for one := range c.Each() {
		i := 0
		for one>>i != 1 {
			i++
		}
		names = append(names, nameOf(uint8(i), fileChanges...))
	}
	return strings.Join(names, "|")
}

// FileDiff is how one file differs in two address spaces. Of what is upgraded nothing but that is
// compared.
type FileDiff struct {
	Changes FileChange
	// A and B are the file; nil where it is not mapped. They hold what any of the mappings says
	// of it, and so are no Files of the Sessions.
	A, B *File
	// Was and Now are its mappings in ascending order, with those joined that continue each
	// other.
	Was, Now []Mapping
}

// Path returns what the file is called, or was called if it is mapped no more.
func (f *FileDiff) Path() string {
	if f.B != nil {
		return f.B.Path
	}
	return f.A.Path
}

// is reports whether f and g can be one file of one machine: by device and inode, and by generation
// and build ID where both are known.
func (f *File) is(g *File) bool {
	return f.Major == g.Major && f.Minor == g.Minor && f.Inode == g.Inode &&
		(!f.HasGeneration || !g.HasGeneration || f.Generation == g.Generation) &&
		(f.BuildID.IsZero() || g.BuildID.IsZero() || f.BuildID == g.BuildID)
}

// belonging is one file in an address space.
type belonging struct {
	File
	anonymous format.Content // the kind, if it is no file
	maps      []Mapping
}

// fileKey is by what files are found; parts that do not matter are zero.
type fileKey struct {
	anonymous    format.Content
	major, minor uint32
	inode        uint64
	path         string
	build        format.BuildID
}

// identity returns the key of a file of one machine; without an inode its path has to do.
func (f *belonging) identity() fileKey {
	k := fileKey{anonymous: f.anonymous, major: f.Major, minor: f.Minor, inode: f.Inode}
	if f.Inode == 0 || f.anonymous != 0 {
		k.path = f.Path
	}
	return k
}

// belongings returns the files of an address space, sorted by path. Statements of one file that
// tell of different things, or by different names, are of one.
func (d *differ) belongings(s *Space) []*belonging {
	var out []*belonging
	files := make(map[*File]*belonging)
	keys := make(map[fileKey][]*belonging)
	for m := range s.All() {
		if !d.covers(&m) {
			continue
		}
		f := files[m.File]
		if anonymous := m.Kind & (format.ContentAnonExec | format.ContentVDSO); f == nil || f.anonymous != anonymous {
			f = &belonging{File: *m.File, anonymous: anonymous}
			k := f.identity()
			if i := slices.IndexFunc(keys[k], func(old *belonging) bool { return old.is(m.File) }); i >= 0 {
				f = keys[k][i]
				f.learn(m.File)
			} else {
				keys[k] = append(keys[k], f)
				out = append(out, f)
			}
			files[m.File] = f
		}
		f.add(m)
	}
	slices.SortStableFunc(out, func(a, b *belonging) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), compareFiles(&a.File, &b.File))
	})
	return out
}

// learn adds what g, the same file, tells.
func (f *belonging) learn(g *File) {
	if !f.HasGeneration {
		f.Generation, f.HasGeneration = g.Generation, g.HasGeneration
	}
	if f.BuildID.IsZero() && f.GoBuildID == "" {
		f.BuildID, f.GoBuildID, f.BuildIDOrigin = g.BuildID, g.GoBuildID, g.BuildIDOrigin
	}
	// Of several names one is chosen, always the same.
	if g.Path != "" && (f.Path == "" || f.Deleted && !g.Deleted || f.Deleted == g.Deleted && g.Path < f.Path) {
		f.Path, f.Deleted = g.Path, g.Deleted
	}
}

// add takes up a mapping that lies behind all others.
func (f *belonging) add(m Mapping) {
	m.File = &f.File
	if n := len(f.maps); n > 0 && f.maps[n-1].continues(&m) {
		f.maps[n-1].End = m.End
		return
	}
	f.maps = append(f.maps, m)
}

// files returns how the files of two address spaces differ, as far as they are selected.
func (d *differ) files(was, now []*belonging) []FileDiff {
	var out []FileDiff
	tell := func(r FileDiff) {
		if r.Changes != 0 && (r.A != nil && d.filter.File(r.A) || r.B != nil && d.filter.File(r.B)) {
			out = append(out, r)
		}
	}
	was, now = d.matchFiles(was, now, func(f, g *belonging) {
		tell(FileDiff{Changes: d.changes(f, g), A: &f.File, B: &g.File, Was: f.maps, Now: g.maps})
	})
	for _, f := range was {
		tell(FileDiff{Changes: FileUnloaded, A: &f.File, Was: f.maps})
	}
	for _, g := range now {
		tell(FileDiff{Changes: FileLoaded, B: &g.File, Now: g.maps})
	}
	slices.SortStableFunc(out, func(a, b FileDiff) int {
		return cmp.Or(strings.Compare(a.Path(), b.Path()), cmp.Compare(a.Changes, b.Changes))
	})
	return out
}

// changes compares what is, or takes the place of, one file.
func (d *differ) changes(f, g *belonging) FileChange {
	var c FileChange
	switch {
	case d.upgraded(f, g):
		return FileUpgraded
	case f.Deleted && !g.Deleted:
		c |= FileRelinked
	case !f.Deleted && g.Deleted:
		c |= FileDeleted
	}
	if f.Path != g.Path && f.Path != "" && g.Path != "" {
		c |= FileRenamed
	}
	protected, more := shift(f, g, permissions)
	if protected {
		c |= FileProtection
	}
	if more {
		c |= FileRemapped
	}
	if d.addresses {
		if moved, _ := shift(f, g, distance); moved {
			c |= FileMoved
		}
	}
	return c
}

// redacted is the Go build ID that all programs share that Bazel has built.
const redacted = "redacted"

// upgraded reports whether f and g are not the same build. Where no build ID tells, they have to
// be the same file; of which nobody knows on two machines.
func (d *differ) upgraded(f, g *belonging) bool {
	switch {
	case f.anonymous != 0:
		return false
	case !f.BuildID.IsZero() && !g.BuildID.IsZero():
		return f.BuildID != g.BuildID
	case f.GoBuildID != "" && g.GoBuildID != "" && (f.GoBuildID != g.GoBuildID || f.GoBuildID != redacted):
		return f.GoBuildID != g.GoBuildID
	}
	return d.SameBoot && !f.is(&g.File)
}
