package procmap

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
)

// findMapping returns p's executable mapping of the file name, and p's Maps.
func findMapping(t testing.TB, p *Process, name string) (VMA, *Maps) {
	t.Helper()
	m, err := OpenAt(p.Fd(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	var v VMA
	for {
		if err := m.Next(&v); err != nil {
			t.Fatalf("find mapping of %s: %v", name, err)
		}
		if string(v.Name) == name {
			return v.Clone(), m
		}
	}
}

// realTempDir is a temporary directory whose path has no symbolic links.
func realTempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func idsOf(t *testing.T, path string) (gnu []byte, goID string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	gnu, goID, err = ReadBuildIDs(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	return gnu, goID
}

func TestResolveModes(t *testing.T) {
	need.Query(t, Supported())
	goExe, cExe := compileGo(t), compile(t, "testdata/sharevm.c")
	cgoExe := compileGo(t, "-ldflags=-linkmode=external") // as with cgo
	for _, tt := range []struct {
		exe  string
		mode BuildIDMode
		want Origin
		goID bool
	}{
		{goExe, BuildIDAuto, OriginFile, true}, // its note is in no segment
		{goExe, BuildIDKernel, OriginAbsent, false},
		{goExe, BuildIDFile, OriginFile, true},
		{goExe, BuildIDNone, OriginNotAsked, false},
		{cgoExe, BuildIDAuto, OriginKernel, true},
		{cgoExe, BuildIDKernel, OriginKernel, false},
		{cgoExe, BuildIDFile, OriginFile, true},
		{cExe, BuildIDAuto, OriginKernel, false},
		{cExe, BuildIDKernel, OriginKernel, false},
		{cExe, BuildIDFile, OriginFile, false},
		{cExe, BuildIDNone, OriginNotAsked, false},
	} {
		p := openProcess(t, startCommand(t, exec.Command(tt.exe)).PID)
		v, m := findMapping(t, p, info(t, p).Exe)
		f := NewFiles(FilesOptions{Mode: tt.mode}).Resolve(p, m, &v)
		gnu, goID := idsOf(t, tt.exe)
		if tt.want != OriginKernel && tt.want != OriginFile {
			gnu = nil
		}
		if !tt.goID {
			goID = ""
		}
		if f.Origin != tt.want || f.BuildID != string(gnu) || f.GoBuildID != goID {
			t.Errorf("%s %v: %+v, want %v %x %q", filepath.Base(tt.exe), tt.mode, f, tt.want, gnu, goID)
		}
		if f.Path != string(v.Name) || f.Deleted || f.Inode != v.Inode || f.Major != v.Major || f.Minor != v.Minor {
			t.Errorf("%+v is not of %+v", f, v)
		}
	}
}

func TestResolveNoFile(t *testing.T) {
	f := NewFiles(FilesOptions{}).Resolve(nil, nil, &VMA{Name: []byte("[vdso]"), Flags: Executable})
	if f.Path != "[vdso]" || f.Origin != OriginNotAsked || f.Deleted {
		t.Errorf("%+v", f)
	}
}

// Where only the kernel is asked, and cannot be, nobody is.
func TestResolveNobodyAsked(t *testing.T) {
	p := openProcess(t, os.Getpid())
	v, _ := findMapping(t, p, info(t, p).Exe)
	for name, m := range map[string]*Maps{"none": nil, "text": openTest(t, os.Getpid(), Options{Source: SourceMaps})} {
		if f := NewFiles(FilesOptions{Mode: BuildIDKernel}).Resolve(p, m, &v); f.Origin != OriginNotAsked || f.BuildID != "" {
			t.Errorf("Maps %s: %+v", name, f)
		}
		if f := NewFiles(FilesOptions{}).Resolve(p, m, &v); f.Origin != OriginFile || f.GoBuildID == "" {
			t.Errorf("Maps %s, everybody asked: %+v", name, f)
		}
	}
}

func TestResolveDevice(t *testing.T) {
	// To open a socket would fail.
	socket := filepath.Join(realTempDir(t), "socket")
	if err := unix.Mknod(socket, unix.S_IFSOCK|0o600, 0); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/dev/null", socket} {
		_, st := openPath(t, path)
		v := VMA{Name: []byte(path), Inode: st.Ino, Major: unix.Major(st.Dev), Minor: unix.Minor(st.Dev)}
		if f := NewFiles(FilesOptions{}).Resolve(nil, nil, &v); f.Origin != OriginNotELF {
			t.Errorf("%+v", f)
		}
	}
}

// A file that is removed after it was looked at is another File from then on.
func TestResolveRemoved(t *testing.T) {
	files := NewFiles(FilesOptions{Mode: BuildIDNone})
	v := VMA{Name: []byte("/nowhere"), Minor: 1, Inode: 1}
	before := files.Resolve(nil, nil, &v)
	v.Deleted = true
	if after := files.Resolve(nil, nil, &v); before.Deleted || !after.Deleted {
		t.Errorf("%+v, then %+v", before, after)
	}
}

// The exact comparison must agree with stat(2) where that can be trusted.
func TestIdentical(t *testing.T) {
	p := openProcess(t, os.Getpid())
	v, _ := findMapping(t, p, info(t, p).Exe)
	files := NewFiles(FilesOptions{})
	for path, want := range map[string]bool{info(t, p).Exe: true, "vma.go": false} {
		fd, st := openPath(t, path)
		if got := files.identical(fd, &st, &v); got != want {
			t.Errorf("identical(%s) = %v", path, got)
		}
	}
}

// A file that the first process would not let the reader see is found through the second.
func TestResolveRetries(t *testing.T) {
	p := openProcess(t, os.Getpid())
	v, _ := findMapping(t, p, info(t, p).Exe)
	files := NewFiles(FilesOptions{Mode: BuildIDFile})
	other := v.Clone()
	other.Inode++ // nobody's
	for range maxTries + 1 {
		if f := files.Resolve(nil, nil, &other); f.Origin != OriginGone {
			t.Fatalf("%+v", f)
		}
	}
	if a, b := files.Resolve(p, nil, &other), files.Resolve(p, nil, &other); a != b {
		t.Error("tried more often than maxTries")
	}

	gone := v.Clone()
	gone.Name = []byte("/nowhere")
	if f := files.Resolve(nil, nil, &gone); f.Origin != OriginGone {
		t.Fatalf("%+v", f)
	}
	t.Run("through map_files", func(t *testing.T) {
		need.Root(t, "CAP_CHECKPOINT_RESTORE")
		if f := files.Resolve(p, nil, &gone); f.Origin != OriginFile {
			t.Errorf("%+v", f)
		}
	})
}

func TestResolveConcurrently(t *testing.T) {
	files := NewFiles(FilesOptions{Mode: BuildIDFile})
	p := openProcess(t, os.Getpid())
	v, _ := findMapping(t, p, info(t, p).Exe)
	got := make([]*File, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i] = files.Resolve(p, nil, &v) })
	}
	wg.Wait()
	for _, f := range got {
		if f != got[0] {
			t.Error("two Files for one file")
		}
	}
	files.Forget()
	if f := files.Resolve(p, nil, &v); f == got[0] || f.GoBuildID != got[0].GoBuildID {
		t.Errorf("after Forget: %+v", f)
	}
}

func TestResolveForgetsAtBound(t *testing.T) {
	files := NewFiles(FilesOptions{})
	for i := range maxShard + 1 {
		files.Resolve(nil, nil, &VMA{Name: strconv.AppendInt(nil, int64(i), 10)})
	}
	if n := len(files.shards[0].files); n == 0 || n > maxShard {
		t.Errorf("a shard remembers %d files", n)
	}
}

func TestBuildIDModeText(t *testing.T) {
	for m := BuildIDAuto; m <= BuildIDNone; m++ {
		text, err := m.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back BuildIDMode
		if err := back.UnmarshalText(text); err != nil || back != m {
			t.Errorf("%s: %v, %v", text, back, err)
		}
	}
	if err := new(BuildIDMode).UnmarshalText([]byte("both")); err == nil {
		t.Error("no error for an unknown mode")
	}
}
