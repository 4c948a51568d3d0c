package recorder

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/internal/need"
)

func TestLeaderExited(t *testing.T) {
	exe := hardProgram(t)
	eachSource(t, func(t *testing.T, o Options) {
		c := startHard(t, "leader")
		s := take(t, o)
		p := s.wantStatus(t, c.PID, format.WalkComplete)
		if p.TID != uint32(c.other) || p.TID == p.PID {
			t.Errorf("TID %d of process %d, want %d", p.TID, p.PID, c.other)
		}
		if p.Exe != exe || p.ExeDeleted || p.Threads != 2 || p.PPID != uint32(os.Getpid()) {
			t.Errorf("exe %q, deleted %t, %d threads, parent %d", p.Exe, p.ExeDeleted, p.Threads, p.PPID)
		}
		s.checkTruth(t, c.PID)
		m := s.mapping(t, c.PID, exe)
		if m.File.BuildID.IsZero() {
			t.Errorf("no build ID: %s", m.File.BuildIDOrigin)
		}
		for _, r := range s.records {
			if m, ok := r.(*format.Mmap); ok && m.PID == uint32(c.PID) && m.TID != uint32(c.other) {
				t.Errorf("mapping at %#x was read through thread %d, want %d", m.Start, m.TID, c.other)
			}
		}
	})
}

// TestFileNames has one process with files whose names, or whose absence, are the
// difficulty. All are the same program, so all have a build ID.
func TestFileNames(t *testing.T) {
	exe := hardProgram(t)
	dir := tempDir(t)
	names := map[string]string{
		"plain":     "plain.so",
		"newline":   "a b\nlib.so\n",
		"bytes":     "not \xff\xfe utf-8 \x01\x1b[31m",
		"backslash": `back\slash\n`,
		"literal":   "really (deleted)",
		"both":      "twice (deleted) (deleted)",
		"deleted":   "unlinked.so",
		"gone":      "gone (deleted)",
		"bracket":   "[vdso]",
	}
	// A path of more than 512 bytes, and one of about 4,000.
	for key, length := range map[string]int{"long": 600, "longest": 4000} {
		deep := key
		for len(dir)+1+len(deep) < length-100 {
			deep += "/" + strings.Repeat("d", 99)
		}
		names[key] = deep + "/" + strings.Repeat("f", length-len(dir)-len(deep)-2)
		if err := os.MkdirAll(filepath.Join(dir, deep), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"map"}
	for _, name := range names {
		path := dir + "/" + name
		copyFile(t, exe, path)
		args = append(args, path)
	}
	c := startHard(t, args...)
	for _, key := range []string{"deleted", "gone"} {
		if err := os.Remove(dir + "/" + names[key]); err != nil {
			t.Fatal(err)
		}
	}
	eachSource(t, func(t *testing.T, o Options) {
		s := take(t, o)
		s.wantStatus(t, c.PID, format.WalkComplete)
		s.checkTruth(t, c.PID)
		for key, name := range names {
			t.Run(key, func(t *testing.T) {
				wantDeleted := key == "deleted" || key == "gone"
				if wantDeleted {
					need.Root(t, "map_files")
				}
				m := s.mapping(t, c.PID, dir+"/"+name)
				if m.File.Deleted != wantDeleted || m.File.BuildID.IsZero() {
					t.Errorf("deleted %t, build ID %q (%s)", m.File.Deleted, m.File.BuildID, m.File.BuildIDOrigin)
				}
			})
		}
	})
}

func TestMemfd(t *testing.T) {
	need.Root(t, "its build ID")
	exe := hardProgram(t)
	c := startHard(t, "memfd", exe)
	eachSource(t, func(t *testing.T, o Options) {
		s := take(t, o)
		s.wantStatus(t, c.PID, format.WalkComplete)
		s.checkTruth(t, c.PID)
		m := s.mapping(t, c.PID, "/memfd:lib of memory")
		if !m.File.Deleted || m.File.BuildID != s.mapping(t, c.PID, exe).File.BuildID {
			t.Errorf("deleted %t, build ID %q (%s)", m.File.Deleted, m.File.BuildID, m.File.BuildIDOrigin)
		}
	})
}

// TestDeletedProgram also has its path taken by another file.
func TestDeletedProgram(t *testing.T) {
	need.Root(t, "everybody's files")
	exe := filepath.Join(tempDir(t), "program")
	copyFile(t, hardProgram(t), exe)
	c := start(t, exec.Command(exe, "wait"))
	if err := os.Remove(exe); err != nil {
		t.Fatal(err)
	}
	copyFile(t, "/proc/self/exe", exe)
	eachSource(t, func(t *testing.T, o Options) {
		s := take(t, o)
		if p := s.wantStatus(t, c.PID, format.WalkComplete); p.Exe != exe || !p.ExeDeleted {
			t.Errorf("exe %q, deleted %t", p.Exe, p.ExeDeleted)
		}
		s.checkTruth(t, c.PID)
		if m := s.mapping(t, c.PID, exe); !m.File.Deleted || m.File.BuildID.IsZero() {
			t.Errorf("deleted %t, build ID %q (%s)", m.File.Deleted, m.File.BuildID, m.File.BuildIDOrigin)
		}
	})
}

// TestGoProgram: the kernel does not find the build ID of what the Go linker alone linked.
func TestGoProgram(t *testing.T) {
	exe := compileGo(t)
	c := start(t, exec.Command(exe))
	eachSource(t, func(t *testing.T, o Options) {
		s := take(t, o)
		s.wantStatus(t, c.PID, format.WalkComplete)
		s.checkTruth(t, c.PID)
		f := s.mapping(t, c.PID, exe).File
		if f.BuildID.IsZero() || f.GoBuildID == "" || f.BuildIDOrigin != format.BuildIDByFile {
			t.Errorf("build ID %q, Go build ID %q (%s)", f.BuildID, f.GoBuildID, f.BuildIDOrigin)
		}
	})
}

// compileGo builds a static program that says "ready" and waits.
func compileGo(t testing.TB) string {
	t.Helper()
	need.Tool(t, "go")
	dir := tempDir(t)
	const source = `package main

import "os"

func main() {
	os.Stdout.WriteString("ready\n")
	os.Stdin.Read(make([]byte, 1))
}
`
	for name, text := range map[string]string{"go.mod": "module idle\n\ngo 1.25\n", "main.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-o", "idle", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	return filepath.Join(dir, "idle")
}

// TestSharedSpace: two processes in one address space are both named and counted once.
func TestSharedSpace(t *testing.T) {
	c := startHard(t, "share")
	eachSource(t, func(t *testing.T, o Options) {
		s := take(t, o)
		a, b := s.process(t, c.PID), s.process(t, c.other)
		if a.Status == format.WalkShared {
			a, b = b, a
		}
		if a.Status != format.WalkComplete || b.Status != format.WalkShared || b.SharesPID != a.PID ||
			b.VMAs != 0 || a.VMAs == 0 || a.ExcludedVDSO != 1 || b.ExcludedVDSO != 0 {
			t.Errorf("first %+v\nsecond %+v", a, b)
		}
		pa, pb := s.session.Process(a.PID), s.session.Process(b.PID)
		if pa.Space != pb.Space || !pa.Known || !pb.Known {
			t.Errorf("replayed: one space %t, known %t and %t", pa.Space == pb.Space, pa.Known, pb.Known)
		}
		s.checkTruth(t, c.PID)
		s.checkTruth(t, c.other)
	})
}

func TestManyVMAs(t *testing.T) {
	const count = 60_000 // of the usual 65,530
	name := filepath.Join(tempDir(t), "many.so")
	c := startHard(t, "many", name, fmt.Sprint(count))
	eachSource(t, func(t *testing.T, o Options) {
		o.PIDs = []int{c.PID}
		s := take(t, o)
		p := s.wantStatus(t, c.PID, format.WalkComplete)
		if p.VMAs < count/2 {
			t.Errorf("%d mappings, want %d or more", p.VMAs, count/2)
		}
		got := make([]string, 0, count/2)
		for m := range s.session.Process(uint32(c.PID)).Space.All() {
			got = append(got, line(&m))
		}
		diffLines(t, "many", got, truth(t, fmt.Sprintf("/proc/%d/maps", c.PID), executableFile))
		t.Logf("%d mappings in %d bytes", p.VMAs, len(s.file))
	})
}

func TestZombie(t *testing.T) {
	c := startHard(t, "zombie")
	eachSource(t, func(t *testing.T, o Options) {
		s := take(t, o)
		p := s.wantStatus(t, c.other, format.WalkZombie)
		if p.PPID != uint32(c.PID) || p.Comm != "hard" || p.Exe != "" || p.StartTime == 0 {
			t.Errorf("%+v", p)
		}
		if r := s.session.Process(p.PID); r == nil || !r.Known || r.Space.Len() != 0 {
			t.Errorf("replayed: %+v", r)
		}
	})
}

// TestKernelThreads: the kernel's own word on who is one is the ninth field of stat.
func TestKernelThreads(t *testing.T) {
	const (
		pfKthread           = 0x00200000
		initialPIDNamespace = 0xEFFFFFFC // PROC_PID_INIT_INO
	)
	eachSource(t, func(t *testing.T, o Options) {
		n := 0
		s := take(t, o)
		for _, r := range s.records {
			p, ok := r.(*format.Process)
			if !ok {
				continue
			}
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
			if err != nil {
				continue
			}
			var flags uint64
			rest := string(b[strings.LastIndexByte(string(b), ')')+2:])
			if f := strings.Fields(rest); len(f) > 6 {
				fmt.Sscan(f[6], &flags)
			}
			kernel := flags&pfKthread != 0
			if kernel != (p.Status == format.WalkKernelThread) {
				t.Errorf("process %d %q: %s, kernel thread %t", p.PID, p.Comm, p.Status, kernel)
			}
			if kernel {
				n++
			}
		}
		if s.session.Host.PIDNamespace != initialPIDNamespace {
			need.Skip(t, need.Procmap, "the initial pid namespace, where kernel threads are")
		}
		if n == 0 {
			t.Error("no kernel threads")
		}
	})
}

// TestContent: what is left out by default is counted, and recorded on request.
func TestContent(t *testing.T) {
	c := startHard(t, "jit")
	dir := fmt.Sprintf("/proc/%d/maps", c.PID)
	isFile := func(f []string) bool { return f[3] != "00:00" || f[4] != "0" }
	isJIT := func(f []string) bool { return !isFile(f) && f[1][2] == 'x' && !strings.Contains(f[5], "[v") }
	isVDSO := func(f []string) bool { return strings.HasSuffix(f[5], "[vdso]\n") }
	if n := len(truth(t, dir, isJIT)); n != 3 {
		t.Fatalf("%d VMAs of JIT code, want 3", n)
	}
	eachSource(t, func(t *testing.T, o Options) {
		for mask := range 8 {
			o.AllFile, o.AnonExec, o.VDSO = mask&1 != 0, mask&2 != 0, mask&4 != 0
			o.PIDs = []int{c.PID}
			s := take(t, o)
			p := s.wantStatus(t, c.PID, format.WalkComplete)
			wantJIT, wantVDSO := 3, len(truth(t, dir, isVDSO))
			want := truth(t, dir, func(f []string) bool {
				return executableFile(f) || o.AllFile && isFile(f) || o.AnonExec && isJIT(f) || o.VDSO && isVDSO(f)
			})
			if o.AnonExec {
				wantJIT = 0
			}
			if o.VDSO {
				wantVDSO = 0
			}
			if int(p.ExcludedAnonExec) != wantJIT || int(p.ExcludedVDSO) != wantVDSO ||
				s.stats.ExcludedAnonExec != wantJIT || s.stats.ExcludedVDSO != wantVDSO {
				t.Errorf("mask %d: left out %d and %d, want %d and %d", mask, p.ExcludedAnonExec, p.ExcludedVDSO, wantJIT, wantVDSO)
			}
			var got []string
			for m := range s.session.Process(uint32(c.PID)).Space.All() {
				got = append(got, line(&m))
			}
			diffLines(t, fmt.Sprintf("mask %d", mask), got, want)
		}
	})
}

// TestSharedSegment: memory that has a device, but 0 as inode number.
func TestSharedSegment(t *testing.T) {
	need.Root(t, "everybody's files")
	c := startHard(t, "segment")
	eachSource(t, func(t *testing.T, o Options) {
		s := take(t, o)
		s.wantStatus(t, c.PID, format.WalkComplete)
		s.checkTruth(t, c.PID)
		m := s.mapping(t, c.PID, "/SYSV00000000")
		if m.File.Inode != 0 || m.File.Minor == 0 || m.Kind != format.ContentExecFile || m.Flags != format.MapShared {
			t.Errorf("%s, kind %v", m, m.Kind)
		}
	})
}

// TestContainer has a program that lives in a mount namespace and a root directory of its own,
// where a library is mapped that nobody else can name.
func TestContainer(t *testing.T) {
	need.Root(t, "everybody's files")
	exe := hardProgram(t)
	for _, mode := range []string{"chroot", "pivot"} {
		t.Run(mode, func(t *testing.T) {
			dir := tempDir(t)
			// What the reader sees under the same names is something else.
			copyFile(t, "/proc/self/exe", filepath.Join(dir, "lib.so"))
			c := startHard(t, mode, dir, exe)
			eachSource(t, func(t *testing.T, o Options) {
				s := take(t, o)
				p := s.wantStatus(t, c.PID, format.WalkComplete)
				if p.MountNamespace == 0 || p.MountNamespace == s.session.Host.MountNamespace {
					t.Errorf("mount namespace %d, the recorder's is %d", p.MountNamespace, s.session.Host.MountNamespace)
				}
				if root, err := os.Readlink(fmt.Sprintf("/proc/%d/root", c.PID)); err != nil || p.Root != root {
					t.Errorf("root %q, want %q, %v", p.Root, root, err)
				}
				s.checkTruth(t, c.PID)
				var lib string
				for m := range s.session.Process(uint32(c.PID)).Space.All() {
					if strings.HasSuffix(m.File.Path, "/lib.so") {
						lib = m.File.BuildID.String()
					}
				}
				if want := s.mapping(t, c.PID, exe).File.BuildID.String(); lib != want || lib == "" {
					t.Errorf("build ID of lib.so is %q, want %q", lib, want)
				}
			})
		})
	}
}

// TestPIDList: each process that was asked for once, in whatever way it was asked for.
func TestPIDList(t *testing.T) {
	a, b := startHard(t, "wait"), startHard(t, "wait")
	gone := startHard(t, "wait")
	gone.End()
	eachSource(t, func(t *testing.T, o Options) {
		o.PIDs = []int{b.PID, a.PID, gone.PID, b.PID}
		s := take(t, o)
		if s.stats.Listed != 3 {
			t.Errorf("%d processes listed, want 3", s.stats.Listed)
		}
		for _, c := range []*child{a, b} {
			s.wantStatus(t, c.PID, format.WalkComplete)
			s.checkTruth(t, c.PID)
		}
		s.wantStatus(t, gone.PID, format.WalkVanished)
		if s.session.Len() != 2 {
			t.Errorf("%d processes are replayed, want 2", s.session.Len())
		}
		o.PIDs = []int{}
		if s := take(t, o); s.stats.Listed != 0 || s.session.Len() != 0 {
			t.Errorf("of nobody: %+v", s.stats)
		}
	})
}
