package procmap

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The threads come and go faster than they can be listed and opened.
func TestLiveThreadShortLived(t *testing.T) {
	p := openProcess(t, startCommand(t, exec.Command(compile(t, "testdata/relay.c", "-pthread"))).PID)
	waitZombie(t, p)
	const rounds = 1000
	failed := 0
	for range rounds {
		live, err := p.LiveThread()
		if err != nil {
			failed++
			continue
		}
		live.Close()
	}
	if failed > 0 {
		t.Errorf("no running thread %d times of %d", failed, rounds)
	}
}

// The directory of a thread says whose it is; its number does not.
func TestOwns(t *testing.T) {
	p := openProcess(t, startChild(t, "hold").PID)
	if owns, err := p.owns(p.Fd()); !owns || err != nil {
		t.Errorf("a process does not own its leader: %v", err)
	}
	if owns, err := p.owns(openProcess(t, os.Getpid()).Fd()); owns || err != nil {
		t.Errorf("a process owns a thread of another one: %v", err)
	}
	zombie := startChild(t, "hold")
	z := openProcess(t, zombie.PID)
	zombie.kill()
	if owns, err := z.owns(z.Fd()); owns || err != nil {
		t.Errorf("a thread that has exited counts as running: %v", err)
	}
}

func TestNoSuchProcess(t *testing.T) {
	const nobody = 1 << 30
	_, openErr := Open(nobody, Options{})
	_, processErr := OpenProcess("/proc", nobody)
	for name, err := range map[string]error{"Open": openErr, "OpenProcess": processErr} {
		if !errors.Is(err, ErrGone) || !errors.Is(err, fs.ErrNotExist) ||
			err.Error() != "open process 1073741824: no such process" {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Where there is no procfs, nothing is known of processes.
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	_, openErr = Open(os.Getpid(), Options{ProcFS: nowhere})
	_, processErr = OpenProcess(nowhere, os.Getpid())
	for name, err := range map[string]error{"Open": openErr, "OpenProcess": processErr} {
		if errors.Is(err, ErrGone) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s without procfs: %v", name, err)
		}
	}
}

// A process that ends while it is open is ErrGone, but something of that number did exist.
func TestEndedProcess(t *testing.T) {
	c := startChild(t, "hold")
	p := openProcess(t, c.PID)
	c.End()
	_, mmErr := p.MM()
	_, groupErr := p.Group()
	_, mapsErr := OpenAt(p.Fd(), Options{})
	for name, err := range map[string]error{
		"Info": p.Info(new(Info)), "MM": mmErr, "Group": groupErr, "OpenAt": mapsErr,
	} {
		if !errors.Is(err, ErrGone) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDefaultProcFS(t *testing.T) {
	p, err := OpenProcess("", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if i := info(t, p); i.PID != os.Getpid() || i.NSPID == 0 {
		t.Errorf("%+v", i)
	}
	if pids, err := PIDs("", nil); err != nil || len(pids) == 0 {
		t.Errorf("PIDs = %v, %v", pids, err)
	}
	want, err := Mount("/proc")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := Mount(""); err != nil || m != want {
		t.Errorf("Mount = %+v, %v, want %+v", m, err, want)
	}
}
