package symbols_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay/symbols"
)

const (
	tinyID  = "8ccc30a6e3c2f9601c3a0a382f99521efa7ed94e"
	tinyEnd = 0x2e1 // of Shape::area, and the start of exported
)

func parseID(t testing.TB, hex string) format.BuildID {
	t.Helper()
	id, err := format.ParseBuildID(hex)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// tinyFile is what a recording says of testdata/tiny.so, which was somewhere else then.
func tinyFile(t testing.TB) symbols.File {
	return symbols.File{Path: "/opt/lib/tiny.so", BuildID: parseID(t, tinyID)}
}

// place copies tiny.so to a path below a new directory, which it returns. Change may change it.
func place(t testing.TB, path string, change func([]byte) []byte) string {
	t.Helper()
	b, err := os.ReadFile("testdata/tiny.so")
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		b = change(b)
	}
	dir := t.TempDir()
	path = filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// otherBuild changes the build ID.
func otherBuild(b []byte) []byte {
	id := strings.Index(string(b), "GNU\x00\x8c\xcc")
	b[id+4] = 0xab
	return b
}

// TestPlaces finds a file at each of the places.
func TestPlaces(t *testing.T) {
	first, rest := tinyID[:2], tinyID[2:]
	for name, c := range map[string]struct {
		path string
		set  func(o *symbols.Options, dir string)
	}{
		"root":          {"opt/lib/tiny.so", func(o *symbols.Options, dir string) { o.Roots = []string{t.TempDir(), dir} }},
		"root, debug":   {"usr/lib/debug/.build-id/" + first + "/" + rest + ".debug", func(o *symbols.Options, dir string) { o.Roots = []string{dir} }},
		"dir, build-id": {".build-id/" + first + "/" + rest + ".debug", func(o *symbols.Options, dir string) { o.Dirs = []string{t.TempDir(), dir} }},
		"dir, short":    {first + "/" + rest + ".debug", func(o *symbols.Options, dir string) { o.Dirs = []string{dir} }},
		"dir, name":     {"tiny.so", func(o *symbols.Options, dir string) { o.Dirs = []string{dir} }},
		"debuginfo": {tinyID + "/debuginfo", func(o *symbols.Options, dir string) {
			o.SkipSystem = false
			t.Setenv("DEBUGINFOD_CACHE_PATH", dir)
		}},
		"executable": {"debuginfod_client/" + tinyID + "/executable", func(o *symbols.Options, dir string) {
			o.SkipSystem = false
			t.Setenv("DEBUGINFOD_CACHE_PATH", "")
			t.Setenv("XDG_CACHE_HOME", dir)
		}},
		"home": {".cache/debuginfod_client/" + tinyID + "/executable", func(o *symbols.Options, dir string) {
			o.SkipSystem = false
			t.Setenv("DEBUGINFOD_CACHE_PATH", "")
			t.Setenv("XDG_CACHE_HOME", "")
			t.Setenv("HOME", dir)
			t.Setenv("USERPROFILE", dir) // on Windows
		}},
	} {
		t.Run(name, func(t *testing.T) {
			opts := symbols.Options{SkipSystem: true}
			dir := place(t, c.path, nil)
			c.set(&opts, dir)
			table, err := symbols.NewFinder(opts).Open(tinyFile(t))
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{filepath.Join(dir, filepath.FromSlash(c.path))}; !slices.Equal(table.Paths(), want) {
				t.Errorf("found at %q, want %q", table.Paths(), want)
			}
			if got, ok := table.At(tinyEnd + 3); !ok || got.Name != "exported" || got.Offset != 3 || got.Start != tinyEnd || got.Size != 52 {
				t.Errorf("%+v, %t", got, ok)
			}
			if table.Len() != 4 {
				t.Errorf("%d functions", table.Len())
			}
		})
	}
}

// TestRecordedPath looks at the recorded path, unless told not to.
func TestRecordedPath(t *testing.T) {
	file := tinyFile(t)
	file.Path = filepath.ToSlash(filepath.Join(place(t, "tiny.so", nil), "tiny.so"))
	if !strings.HasPrefix(file.Path, "/") {
		t.Skip("recorded paths are those of Linux")
	}
	if _, err := symbols.NewFinder(symbols.Options{SkipSystem: true}).Open(file); err != nil {
		t.Error(err)
	}
	_, err := symbols.NewFinder(symbols.Options{SkipSystem: true, SkipRecorded: true}).Open(file)
	if !errors.Is(err, symbols.NotFound) {
		t.Error(err)
	}
}

// TestReasons tells why there are no symbols.
func TestReasons(t *testing.T) {
	file := tinyFile(t)
	bazel := symbols.File{Path: file.Path, GoBuildID: "redacted"}
	for name, c := range map[string]struct {
		file   symbols.File
		dir    string
		want   symbols.Reason
		errors string
	}{
		"nothing":     {file, t.TempDir(), symbols.NotFound, `find symbols of "/opt/lib/tiny.so": not found`},
		"no build ID": {symbols.File{Path: file.Path}, place(t, "tiny.so", nil), symbols.NoBuildID, "no build ID recorded"},
		"redacted":    {bazel, place(t, "tiny.so", nil), symbols.NoBuildID, "no build ID recorded"},
		"other build": {file, place(t, "tiny.so", otherBuild), symbols.OtherBuildID,
			"other build ID abcc30a6e3c2f9601c3a0a382f99521efa7ed94e, recorded " + tinyID},
		"another's build ID file": {file, place(t, ".build-id/"+tinyID[:2]+"/"+tinyID[2:]+".debug", otherBuild), symbols.OtherBuildID, "other build ID abcc"},
		"a Go build ID alone":     {symbols.File{Path: file.Path, GoBuildID: "a/b"}, place(t, "tiny.so", nil), symbols.OtherBuildID, `recorded "a/b"`},
		"text":                    {file, place(t, "tiny.so", func([]byte) []byte { return []byte("#!/bin/sh\n") }), symbols.Damaged, "not an ELF file"},
		"cut off":                 {file, place(t, "tiny.so", func(b []byte) []byte { return b[:0x300] }), symbols.Damaged, "section headers: "},
		"empty":                   {file, place(t, "tiny.so", func([]byte) []byte { return nil }), symbols.NotFound, ": not found"},
		"directory":               {file, place(t, "tiny.so/file", nil), symbols.NotReadable, "not a regular file"},
		"relative":                {symbols.File{Path: "tiny.so", BuildID: file.BuildID}, place(t, "tiny.so", nil), symbols.NotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := symbols.NewFinder(symbols.Options{SkipSystem: true, Dirs: []string{c.dir}})
			for range 2 { // the second is remembered
				_, err := f.Find(c.file, tinyEnd)
				var why *symbols.Error
				if !errors.Is(err, c.want) || !errors.As(err, &why) || why.Reason != c.want || why.File != c.file {
					t.Fatalf("%v, want %v", err, c.want)
				}
				if !strings.Contains(err.Error(), c.errors) {
					t.Errorf("%v, want %s", err, c.errors)
				}
				if c.want == symbols.OtherBuildID && (why.Path == "" || why.BuildID.IsZero()) {
					t.Errorf("%#v does not say which", why)
				}
			}
		})
	}
}

// TestNoFunction is not about the file.
func TestNoFunction(t *testing.T) {
	f := symbols.NewFinder(symbols.Options{SkipSystem: true, Dirs: []string{"testdata"}})
	for _, off := range []uint64{0, 0x3f3, 0x3f4, 1 << 40, ^uint64(0)} {
		if s, err := f.Find(tinyFile(t), off); !errors.Is(err, symbols.NoFunction) {
			t.Errorf("%#x: %+v, %v", off, s, err)
		}
	}
}

// TestGoesOn looks further where the first place has another build.
func TestGoesOn(t *testing.T) {
	old := place(t, "tiny.so", otherBuild)
	got, err := symbols.NewFinder(symbols.Options{SkipSystem: true, Dirs: []string{old, "testdata"}}).Find(tinyFile(t), tinyEnd)
	if err != nil || got.Name != "exported" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestTrustPath takes any file with the right path, but not if a build ID says otherwise.
func TestTrustPath(t *testing.T) {
	f := symbols.NewFinder(symbols.Options{SkipSystem: true, TrustPath: true, Dirs: []string{place(t, "tiny.so", otherBuild)}})
	file := tinyFile(t)
	if _, err := f.Open(file); !errors.Is(err, symbols.OtherBuildID) {
		t.Error(err)
	}
	file.BuildID = format.BuildID{}
	if s, err := f.Find(file, tinyEnd); err != nil || s.Name != "exported" {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestRootKeepsIn takes ".." of a recorded path for what the kernel would.
func TestRootKeepsIn(t *testing.T) {
	dir := place(t, "out/tiny.so", nil)
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	file := symbols.File{Path: "/../out/tiny.so", BuildID: parseID(t, tinyID)}
	if _, err := symbols.NewFinder(symbols.Options{SkipSystem: true, Roots: []string{root}}).Open(file); !errors.Is(err, symbols.NotFound) {
		t.Error(err)
	}
}

// TestCache opens a file once, whatever its path was, and tries a path again that is new.
func TestCache(t *testing.T) {
	f := symbols.NewFinder(symbols.Options{SkipSystem: true, Dirs: []string{"testdata"}})
	gone := tinyFile(t)
	gone.Path = "/opt/gone.so"
	if _, err := f.Open(gone); !errors.Is(err, symbols.NotFound) {
		t.Fatal(err)
	}
	first, err := f.Open(tinyFile(t))
	if err != nil {
		t.Fatal(err)
	}
	if second, err := f.Open(gone); second != first || err != nil {
		t.Errorf("the same build under another name: %p, %v, was %p", second, err, first)
	}
}

func TestConcurrent(t *testing.T) {
	f := symbols.NewFinder(symbols.Options{SkipSystem: true, Dirs: []string{"testdata"}})
	file := tinyFile(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for off := uint64(0x2d0); off < 0x319; off++ {
				if s, err := f.Find(file, off); err == nil && s.Name == "" {
					t.Errorf("%#x: %+v", off, s)
				}
			}
		})
	}
	all.Wait()
}

// TestFindAllocs: nothing is allocated but for the first demangling, nor where nothing is found.
func TestFindAllocs(t *testing.T) {
	f := symbols.NewFinder(symbols.Options{SkipSystem: true, Dirs: []string{"testdata"}})
	file, gone := tinyFile(t), symbols.File{Path: "/opt/gone.so", BuildID: parseID(t, "abcd")}
	for name, ask := range map[string]func() (symbols.Symbol, error){
		"C":           func() (symbols.Symbol, error) { return f.Find(file, tinyEnd) },
		"C++":         func() (symbols.Symbol, error) { return f.Find(file, tinyEnd-1) },
		"no function": func() (symbols.Symbol, error) { return f.Find(file, 0) },
		"no file":     func() (symbols.Symbol, error) { return f.Find(gone, 0) },
	} {
		want, wantErr := ask()
		n := testing.AllocsPerRun(100, func() {
			if s, err := ask(); s != want || !errors.Is(err, wantErr) {
				t.Errorf("%+v, %v, was %+v, %v", s, err, want, wantErr)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func ExampleFinder() {
	id, err := format.ParseBuildID("8ccc30a6e3c2f9601c3a0a382f99521efa7ed94e")
	if err != nil {
		panic(err)
	}
	finder := symbols.NewFinder(symbols.Options{SkipSystem: true, Dirs: []string{"testdata"}})
	file := symbols.File{Path: "/opt/lib/tiny.so", BuildID: id}
	for _, offset := range []uint64{0x2d2, 0x2d8, 0x2f0, 0} {
		s, err := finder.Find(file, offset)
		if err != nil {
			fmt.Printf("%#x: %v\n", offset, err)
			continue
		}
		fmt.Printf("%#x: %s+%#x\n", offset, s.Name, s.Offset)
	}
	file.BuildID, err = format.ParseBuildID("00c0ffee")
	if err != nil {
		panic(err)
	}
	_, err = finder.Find(file, 0x2d8)
	var why *symbols.Error
	if errors.As(err, &why) {
		fmt.Println(why.Reason, why.BuildID)
	}
	// Output:
	// 0x2d2: hidden(int)+0x2
	// 0x2d8: Shape::area(int) const+0x0
	// 0x2f0: exported+0xf
	// 0x0: no function at this offset
	// other build ID 8ccc30a6e3c2f9601c3a0a382f99521efa7ed94e
}
