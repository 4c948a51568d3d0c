package procmap

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
)

func TestPIDs(t *testing.T) {
	pids, err := PIDs("/proc", []int{-1})
	if err != nil {
		t.Fatal(err)
	}
	if pids[0] != -1 || !slices.IsSorted(pids) || !slices.Contains(pids, os.Getpid()) {
		t.Errorf("PIDs = %v", pids)
	}
	if _, err := PIDs("/nowhere", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("PIDs without procfs: %v", err)
	}
}

func TestInfoSelf(t *testing.T) {
	var before, after unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &before); err != nil {
		t.Fatal(err)
	}
	c := startChild(t, "hold")
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &after); err != nil {
		t.Fatal(err)
	}
	i := info(t, openProcess(t, c.PID))

	exe, err := filepath.EvalSymlinks(c.Cmd.Path)
	if err != nil {
		t.Fatal(err)
	}
	if i.Exe != exe || i.ExeDeleted || i.Root != "/" {
		t.Errorf("Exe = %q, deleted %v, Root = %q", i.Exe, i.ExeDeleted, i.Root)
	}
	if i.PID != c.PID || i.TID != c.PID || i.PPID != os.Getpid() || i.NSPID == 0 {
		t.Errorf("PID %d TID %d PPID %d NSPID %d", i.PID, i.TID, i.PPID, i.NSPID)
	}
	if i.UID != uint32(os.Geteuid()) || i.GID != uint32(os.Getegid()) {
		t.Errorf("UID %d GID %d", i.UID, i.GID)
	}
	if i.Zombie() || i.KernelThread || i.Threads < 1 || i.MM == (MMKey{}) || i.Cgroup == "" {
		t.Errorf("%+v", i)
	}
	if i.Denied != 0 || i.Failed != 0 || i.Err != nil {
		t.Errorf("denied %v, failed %v: %v", i.Denied, i.Failed, i.Err)
	}
	const tick = 10 * time.Millisecond
	if i.StartTime+uint64(tick) < uint64(before.Nano()) || i.StartTime > uint64(after.Nano()) || i.StartTime%uint64(tick) != 0 {
		t.Errorf("StartTime = %d, started between %d and %d", i.StartTime, before.Nano(), after.Nano())
	}
	for name, want := range map[string]uint64{"pid": i.PIDNamespace, "mnt": i.MountNamespace} {
		if link, err := os.Readlink("/proc/self/ns/" + name); err != nil || parseNamespace([]byte(link)) != want {
			t.Errorf("ns/%s is %s (%v), not %d", name, link, err, want)
		}
	}
	if mm, err := openProcess(t, c.PID).MM(); err != nil || mm != i.MM {
		t.Errorf("MM = %v, %v", mm, err)
	}
}

func TestUserHZ(t *testing.T) {
	const atClkTck = 17
	aux, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		t.Fatal(err)
	}
	const word = strconv.IntSize / 8
	field := func(b []byte) uint64 {
		if word == 4 {
			return uint64(binary.NativeEndian.Uint32(b))
		}
		return binary.NativeEndian.Uint64(b)
	}
	for len(aux) >= 2*word {
		if field(aux) == atClkTck {
			if got := field(aux[word:]); got != userHZ {
				t.Errorf("AT_CLKTCK = %d, userHZ = %d", got, userHZ)
			}
			return
		}
		aux = aux[2*word:]
	}
	t.Error("no AT_CLKTCK")
}

func TestInfoComm(t *testing.T) {
	for _, name := range []string{"a b", "x) R 1 2 (y", ") S 1", "((", "line\nbreak", "tab\tq\\012", "\xff\xfe", ""} {
		c := startChild(t, "comm", name)
		if i := info(t, openProcess(t, c.PID)); i.Comm != name || i.PPID != os.Getpid() {
			t.Errorf("Comm = %q, want %q; PPID = %d", i.Comm, name, i.PPID)
		}
	}
}

func TestInfoOwner(t *testing.T) {
	need.Root(t, "another user")
	c := startChild(t, "owner")
	if i := info(t, openProcess(t, c.PID)); i.UID != 1234 || i.GID != 4321 {
		t.Errorf("UID %d GID %d", i.UID, i.GID)
	}
}

func TestInfoKernelThread(t *testing.T) {
	if homeOf("/proc").namespace != initialPIDNamespace {
		need.Skip(t, need.Procmap, "the initial pid namespace, where kernel threads are")
	}
	i := info(t, openProcess(t, 2))
	if i.Comm != "kthreadd" || !i.KernelThread || i.Exe != "" || i.MM != (MMKey{}) || i.Failed != 0 {
		t.Errorf("%+v", i)
	}
}

func TestInfoGone(t *testing.T) {
	c := startChild(t, "hold")
	p := openProcess(t, c.PID)
	c.End()
	var i Info
	if err := p.Info(&i); !errors.Is(err, ErrGone) {
		t.Errorf("Info: %v", err)
	}
	if _, err := p.MM(); !errors.Is(err, ErrGone) {
		t.Errorf("MM: %v", err)
	}
	if _, err := p.LiveThread(); !errors.Is(err, ErrGone) {
		t.Errorf("LiveThread: %v", err)
	}
	if _, err := OpenProcess("/proc", c.PID); !errors.Is(err, ErrGone) {
		t.Errorf("OpenProcess: %v", err)
	}
}

func TestInfoZombie(t *testing.T) {
	c := startChild(t, "hold")
	p := openProcess(t, c.PID)
	c.kill()
	i := info(t, p)
	if !i.Zombie() || i.Exe != "" || i.MM != (MMKey{}) || i.PPID != os.Getpid() || i.Failed != 0 {
		t.Errorf("%+v", i)
	}
	if _, err := p.LiveThread(); !errors.Is(err, ErrGone) {
		t.Errorf("LiveThread: %v", err)
	}
}

// The leader has exited, another thread runs on: /proc/PID tells next to nothing, but
// /proc/TID does.
func TestLiveThread(t *testing.T) {
	c := startChild(t, "dead-leader")
	p := openProcess(t, c.PID)
	if i := waitZombie(t, p); i.Exe != "" || i.Threads < 2 {
		t.Errorf("leader: %+v", i)
	}
	m, err := OpenAt(p.Fd(), Options{})
	if err == nil {
		if err = m.Next(new(VMA)); err == nil {
			t.Error("the leader's maps are not empty")
		}
		m.Close()
	}

	live, err := p.LiveThread()
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	i := info(t, live)
	if i.PID != c.PID || i.TID == c.PID || i.TID != live.TID() || i.Zombie() {
		t.Errorf("%+v", i)
	}
	if i.Exe == "" || i.Root != "/" || i.MM == (MMKey{}) || i.PPID != os.Getpid() || i.NSPID != c.PID {
		t.Errorf("%+v", i)
	}
	if lead := info(t, p); i.StartTime != lead.StartTime || i.Comm != lead.Comm {
		t.Errorf("start %d and %d, name %q and %q", i.StartTime, lead.StartTime, i.Comm, lead.Comm)
	}
	v, maps := findMapping(t, live, i.Exe)
	f := NewFiles(FilesOptions{Mode: BuildIDFile}).Resolve(live, maps, &v)
	if f.Origin != OriginFile || f.GoBuildID == "" {
		t.Errorf("file through live thread: %+v", f)
	}
}

func TestInfoPIDNamespace(t *testing.T) {
	need.Root(t, "CAP_SYS_ADMIN")
	cmd := roleCommand("hold", "")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	c := startCommand(t, cmd)
	i := info(t, openProcess(t, c.PID))
	if i.PID != c.PID || i.NSPID != 1 || i.PIDNamespace == homeOf("/proc").namespace {
		t.Errorf("%+v", i)
	}
}

func TestInfoExeDeleted(t *testing.T) {
	for _, tt := range []struct {
		name, remove string // a hard link keeps the file when remove is "link"
		want         string
		deleted      bool
	}{
		{"plain", "", "plain", false},
		{"gone", "yes", "gone", true},
		{"moved", "link", "moved", true},
		{"x (deleted)", "", "x (deleted)", false},
		{"y (deleted)", "yes", "y (deleted)", true},
	} {
		dir := realTempDir(t)
		path := filepath.Join(dir, tt.name)
		copyFile(t, "/proc/self/exe", path)
		cmd := roleCommand("hold", "")
		cmd.Path = path
		c := startCommand(t, cmd)
		var err error
		if tt.remove == "link" {
			err = os.Link(path, path+".other")
		}
		if tt.remove != "" {
			err = errors.Join(err, os.Remove(path))
		}
		if err != nil {
			t.Fatal(err)
		}
		i := info(t, openProcess(t, c.PID))
		if strings.TrimPrefix(i.Exe, dir+"/") != tt.want || i.ExeDeleted != tt.deleted {
			t.Errorf("%s: Exe %q, deleted %v", tt.name, i.Exe, i.ExeDeleted)
		}
	}
}

func TestInfoAllocs(t *testing.T) {
	p := openProcess(t, os.Getpid())
	var i Info
	// A scratch of its own: under the race detector a sync.Pool drops every fourth at random.
	s := scratches.New().(*scratch)
	if n := testing.AllocsPerRun(100, func() {
		if err := p.info(s, &i); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestGroup(t *testing.T) {
	// The test binary has other threads; one of them that is not the leader will do.
	fd, err := unix.Open("/proc/self/task", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	tids, err := readNumbers(fd, nil)
	if err != nil || len(tids) < 2 {
		t.Fatalf("threads %v, %v", tids, err)
	}
	for _, tid := range tids {
		if group, err := openProcess(t, tid).Group(); err != nil || group != os.Getpid() {
			t.Errorf("group of %d is %d, %v, want %d", tid, group, err, os.Getpid())
		}
	}
}
