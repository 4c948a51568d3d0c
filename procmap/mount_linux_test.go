package procmap

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
)

func TestMount(t *testing.T) {
	m, err := Mount("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil {
		t.Fatal(err)
	}
	if !m.OwnPIDs || m.PIDNamespace != st.Ino {
		t.Errorf("%+v, own namespace %d", m, st.Ino)
	}
	if err := unix.Stat("/proc/self/ns/mnt", &st); err != nil || m.MountNamespace != st.Ino {
		t.Errorf("mount namespace %d, want %d, %v", m.MountNamespace, st.Ino, err)
	}
	if _, err := Mount("/"); err == nil {
		t.Error("/ is a proc")
	}
}

// A second proc with options of its own, at a path that mountinfo escapes.
func TestMountOptions(t *testing.T) {
	need.Root(t, "CAP_SYS_ADMIN")
	dir := realTempDir(t) + "/a b"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("proc", dir, "proc", 0, "hidepid=2,gid=27"); err != nil {
		need.Skip(t, need.Procmap, "to mount proc: "+err.Error())
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	m, err := Mount(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.HidePID != HideInvisible || m.GID != 27 || !m.OwnPIDs {
		t.Errorf("%+v", m)
	}
	link, err := os.Readlink("/proc/self/ns/user")
	everybody := err == nil && parseNamespace([]byte(link)) == initialUserNamespace
	if everybody && m.PIDNamespace == initialPIDNamespace && m.Hidden {
		t.Errorf("hidden from root: %+v", m)
	}
	p, err := OpenProcess(dir, os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if i := info(t, p); i.PID != os.Getpid() || i.NSPID == 0 {
		t.Errorf("%+v", i)
	}
}
