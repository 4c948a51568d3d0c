package procmap

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// leaveFiles lowers the limit so that spare more descriptors can be opened at a time, and
// returns what raises it again.
func leaveFiles(t *testing.T, spare int) (restore func()) {
	t.Helper()
	last := 0
	for range spare + 1 {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		last = fd
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(last), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLiveThreadNoFiles: to be out of descriptors does not mean that no thread runs.
func TestLiveThreadNoFiles(t *testing.T) {
	p := openProcess(t, startChild(t, "dead-leader").PID)
	waitZombie(t, p)
	for spare := range 2 {
		restore := leaveFiles(t, spare)
		_, err := p.LiveThread()
		restore()
		if !errors.Is(err, unix.EMFILE) || errors.Is(err, ErrGone) {
			t.Errorf("with %d descriptors left: %v, want EMFILE", spare, err)
		}
	}
}

// TestHomeNoFiles: what could not be found out is not remembered.
func TestHomeNoFiles(t *testing.T) {
	homes.Lock()
	delete(homes.of, "/proc")
	homes.Unlock()
	restore := leaveFiles(t, 0)
	h := homeOf("/proc")
	restore()
	if h != (home{}) {
		t.Errorf("without descriptors: %+v", h)
	}
	if m, err := Mount("/proc"); err != nil || !m.OwnPIDs || m.PIDNamespace == 0 {
		t.Errorf("afterwards: %+v, %v", m, err)
	}
}

// lookAtSelf asks everything about the reader itself once its first thread has exited.
func lookAtSelf(string) error {
	return exitLeaderThen(func() error {
		p, err := OpenProcess("/proc", os.Getpid())
		if err != nil {
			return err
		}
		for i := (Info{}); !i.Zombie(); {
			if err := p.Info(&i); err != nil {
				return err
			}
		}
		m, err := Mount("/proc")
		if err != nil {
			return err
		}
		if !m.OwnPIDs || m.PIDNamespace == 0 || m.MountNamespace == 0 {
			return errors.New("namespaces are not known")
		}
		live, err := p.LiveThread()
		if err != nil {
			return err
		}
		var i Info
		if err := live.Info(&i); err != nil {
			return err
		}
		fd, err := unix.Open(i.Exe, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		maps, err := OpenAt(live.Fd(), Options{})
		if err != nil {
			return err
		}
		var v VMA
		for string(v.Name) != i.Exe {
			if err := maps.Next(&v); err != nil {
				return err
			}
		}
		if !NewFiles(FilesOptions{}).identical(fd, &st, &v) {
			return errors.New("the program is not recognized")
		}
		return nil
	})
}

// TestReaderWithDeadLeader: the child says that it is ready if it could find out all.
func TestReaderWithDeadLeader(t *testing.T) { startChild(t, "look-at-self") }
