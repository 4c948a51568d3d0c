package procmap

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
)

// Each file is mapped by a child and then treated in a way that makes it hard to find.
func TestResolveHardFiles(t *testing.T) {
	need.Root(t, "CAP_CHECKPOINT_RESTORE")
	lib := compileGo(t)
	gnu, goID := idsOf(t, lib)
	nothing := func(string) error { return nil }
	for _, tt := range []struct {
		name     string
		treat    func(path string) error
		vma      string // name in the VMA, if another one
		deleted  bool
		blind    bool // without map_files
		origin   Origin
		literals bool // Path has the suffix
	}{
		{name: "plain", treat: nothing, origin: OriginFile},
		{name: "plain without map_files", treat: nothing, blind: true, origin: OriginFile},
		{name: "new\nline \\012 \xff", treat: nothing, origin: OriginFile},
		{name: "removed", treat: os.Remove, deleted: true, origin: OriginFile},
		{name: "removed without map_files", treat: os.Remove, deleted: true, blind: true, origin: OriginDenied},
		{name: "x (deleted)", treat: nothing, vma: "x", origin: OriginFile, literals: true},
		{name: "y (deleted)", treat: nothing, vma: "y", blind: true, origin: OriginFile, literals: true},
		{name: "z (deleted)", treat: os.Remove, deleted: true, origin: OriginFile},
		{name: "kept elsewhere", origin: OriginFile, treat: func(p string) error { return os.Rename(p, p+"2") }, vma: "kept elsewhere2"},
		{name: "linked", deleted: true, origin: OriginFile, treat: func(p string) error {
			return errors.Join(os.Link(p, p+"2"), os.Remove(p))
		}},
		{name: "aliased", deleted: true, origin: OriginFile, treat: func(p string) error { // a link is not the file's name
			return errors.Join(os.Link(p, p+"2"), os.Symlink(p+"2", p+" (deleted)"), os.Remove(p))
		}},
		{name: "replaced", deleted: true, blind: true, origin: OriginDenied, treat: func(p string) error {
			if err := os.Remove(p); err != nil {
				return err
			}
			return os.WriteFile(p, []byte("something else"), 0o644)
		}},
	} {
		dir := realTempDir(t)
		path := filepath.Join(dir, tt.name)
		copyFile(t, lib, path)
		p := openProcess(t, startChild(t, "map", path).PID)
		if err := tt.treat(path); err != nil {
			t.Fatal(err)
		}
		name := path
		if tt.vma != "" {
			name = filepath.Join(dir, tt.vma)
		}
		v, _ := findMapping(t, p, name)
		files := NewFiles(FilesOptions{Mode: BuildIDFile})
		c := candidate{files: files, p: p, v: &v}
		if tt.blind {
			c.asked, c.mapErr = true, unix.EPERM
		}
		var f *File
		if tt.blind {
			f = files.lookThrough(&c, nil)
		} else {
			f = files.Resolve(p, nil, &v)
		}
		want := name
		if tt.literals {
			want += " (deleted)"
		}
		if f.Path != want || f.Deleted != tt.deleted || f.Origin != tt.origin {
			t.Errorf("%q: %+v", tt.name, f)
		}
		if tt.origin == OriginFile && (f.BuildID != string(gnu) || f.GoBuildID != goID) {
			t.Errorf("%q: build IDs %x %q, want %x %q", tt.name, f.BuildID, f.GoBuildID, gnu, goID)
		}
	}
}

func TestResolveMemfd(t *testing.T) {
	lib := compileGo(t)
	p := openProcess(t, startChild(t, "memfd", lib).PID)
	v, m := findMapping(t, p, "/memfd:libx.so")
	f := NewFiles(FilesOptions{}).Resolve(p, m, &v)
	if !f.Deleted || f.Path != "/memfd:libx.so" {
		t.Errorf("%+v", f)
	}
	t.Run("build ID", func(t *testing.T) {
		need.Root(t, "CAP_CHECKPOINT_RESTORE")
		if f.Origin != OriginFile || f.GoBuildID == "" {
			t.Errorf("%+v", f)
		}
	})
}

// A file in a mount namespace and below a root directory that the reader does not have;
// the reader has another file at the same path.
func TestResolveOtherRoot(t *testing.T) {
	need.Root(t, "CAP_SYS_ADMIN")
	lib := compileGo(t)
	dir := realTempDir(t)
	path := filepath.Join(dir, "lib.so")
	copyFile(t, lib, path)
	gnu, _ := idsOf(t, lib)
	p := openProcess(t, startChild(t, "map-inside", path).PID)
	copyFile(t, "/proc/self/exe", path)
	i := info(t, p)
	if i.MountNamespace == info(t, openProcess(t, os.Getpid())).MountNamespace {
		t.Errorf("MountNamespace = %d", i.MountNamespace)
	}
	for _, blind := range []bool{false, true} {
		m, err := OpenAt(p.Fd(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		var v VMA
		for !strings.HasSuffix(string(v.Name), "/lib.so") {
			if err := m.Next(&v); err != nil {
				t.Fatal(err)
			}
		}
		v = v.Clone()
		files := NewFiles(FilesOptions{Mode: BuildIDFile})
		c := candidate{files: files, p: p, v: &v}
		if blind {
			c.asked, c.mapErr = true, unix.EPERM
		}
		f := files.lookThrough(&c, nil)
		if f.Origin != OriginFile || f.BuildID != string(gnu) {
			t.Errorf("blind %v: root %q, %+v", blind, i.Root, f)
		}
	}
}
