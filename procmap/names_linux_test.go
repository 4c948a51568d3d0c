package procmap

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
)

// TestNames looks for every file of the zoo by its real name.
func TestNames(t *testing.T) {
	eachSource(t, func(t *testing.T, source Source) {
		c := startChild(t, "zoo")
		cwd := c.Cmd.Dir
		vmas, err := collect(c.open(Options{Source: source, AllFile: true, AnonExec: true}))
		if err != nil {
			t.Fatal(err)
		}
		find := func(name string) *VMA {
			for i := range vmas {
				if string(vmas[i].Name) == name {
					return &vmas[i]
				}
			}
			return &VMA{}
		}
		for _, f := range zooFiles {
			name, deleted := strings.CutSuffix(f.name, " (deleted)")
			v := find(filepath.Join(cwd, name))
			if v.End == 0 || v.Deleted != deleted {
				t.Errorf("%q: found %t, deleted %t", f.name, v.End != 0, v.Deleted)
			}
			if v.End-v.Start != uint64(page) || v.Offset != uint64(page) {
				t.Errorf("%q: %d bytes at offset %d", f.name, v.End-v.Start, v.Offset)
			}
			if want := map[Source]uint64{SourceIoctl: uint64(page)}[source]; v.PageSize != want {
				t.Errorf("%q: page size %d, want %d", f.name, v.PageSize, want)
			}
		}
		for _, name := range []string{
			filepath.Join(cwd, zooUnlinked), "/memfd:a memfd", "/dev/zero", "/SYSV00000000",
		} {
			if v := find(name); v.End == 0 || !v.Deleted {
				t.Errorf("%q: found %t, deleted %t", name, v.End != 0, v.Deleted)
			}
		}
		t.Run("memory", func(t *testing.T) {
			if find("[anon:a jit]").End == 0 {
				need.Skip(t, need.AnonNames, "CONFIG_ANON_VMA_NAME")
			}
			if v := find("[anon_shmem:shared (deleted)]"); v.End == 0 || v.Deleted {
				t.Errorf("named shared memory: found %t, deleted %t", v.End != 0, v.Deleted)
			}
		})
		dir := cwd
		for depth := 1; depth <= zooDeepest; depth++ {
			dir += "/" + strings.Repeat("d", zooStep-1)
			if v := find(dir + "/" + zooDeepFile); v.End == 0 {
				t.Errorf("name of %d bytes is missing", len(dir)+1+len(zooDeepFile))
			}
		}
	})
}

// TestNameLimit steps through the lengths around PATH_MAX.
func TestNameLimit(t *testing.T) {
	eachSource(t, func(t *testing.T, source Source) {
		c := startChild(t, "limit")
		vmas, err := collect(c.open(Options{Source: source}))
		if err != nil {
			t.Fatal(err)
		}
		lengths := map[int]bool{}
		for _, v := range vmas {
			if v.NameUnknown {
				t.Errorf("name at %#x is unknown", v.Start)
			}
			lengths[len(v.Name)] = true
		}
		for n := limitFrom; n <= limitTo; n++ {
			if !lengths[n] {
				t.Errorf("no name of %d bytes", n)
			}
		}
	})
}

const limitFrom, limitTo = 4090, 4100

// mapLimit maps files whose paths are limitFrom to limitTo bytes long.
func mapLimit(string) error {
	cwd, err := os.Getwd()
	if err != nil {
		return err
	}
	length := len(cwd)
	for length < limitFrom-250 {
		step := min(200, limitFrom-100-length)
		dir := strings.Repeat("d", step-1)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := os.Chdir(dir); err != nil {
			return err
		}
		length += step
	}
	for n := limitFrom; n <= limitTo; n++ {
		name := strings.Repeat("f", n-length-1)
		if err := mapFile(name, zooFiles[0].prot, zooFiles[0].flags); err != nil {
			return err
		}
	}
	return nil
}

// TestFindLongName goes back and forth, while the text is read forwards.
func TestFindLongName(t *testing.T) {
	need.Query(t, Supported())
	c := startChild(t, "limit")
	m := c.open(Options{})
	vmas, err := collect(m)
	if err != nil {
		t.Fatal(err)
	}
	for i := range vmas {
		want := &vmas[len(vmas)-1-i]
		var v VMA
		if err := m.Find(want.Start, &v); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(v.Name, want.Name) || v.NameUnknown {
			t.Errorf("at %#x: name of %d bytes, want %d", v.Start, len(v.Name), len(want.Name))
		}
	}
}

// TestAmbiguousName documents where the sources differ: text does not escape a backslash.
func TestAmbiguousName(t *testing.T) {
	need.Query(t, Supported())
	c := startChild(t, "ambiguous")
	for source, want := range map[Source]string{
		SourceIoctl: `literal\012.so`,
		SourceMaps:  "literal\n.so",
	} {
		m := c.open(Options{Source: source})
		var v VMA
		var err error
		for err == nil && !bytes.Contains(v.Name, []byte("literal")) {
			err = m.Next(&v)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if got := filepath.Base(string(v.Name)); got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
}

func mapAmbiguous(string) error {
	return mapFile(zooAmbiguous, zooFiles[0].prot, zooFiles[0].flags)
}
