package recorder

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/procmap"
)

// recordEnv turns the test binary into a recorder: its value is the source.
const recordEnv = "VMASNAP_TEST_RECORD"

// recordToOutput writes a recording of all processes to standard output.
func recordToOutput() error {
	var o Options
	if err := o.Source.UnmarshalText([]byte(os.Getenv(recordEnv))); err != nil {
		return err
	}
	rec, err := New(o)
	if err != nil {
		return err
	}
	w, err := format.NewWriter(os.Stdout, rec.Host(), format.WriterOptions{})
	if err != nil {
		return err
	}
	_, err = rec.Run(context.Background(), w)
	return errors.Join(err, w.Close())
}

// TestDenied records as a user who may look into its own processes alone.
func TestDenied(t *testing.T) {
	need.Root(t, "everybody's files")
	const nobody = 65534
	as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	exe := hardProgram(t)
	own := exec.Command(exe, "wait")
	own.SysProcAttr = as
	mine := start(t, own)
	roots := startHard(t, "wait")

	eachSource(t, func(t *testing.T, o Options) {
		// By this name it can be executed although its directory is closed to others.
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), recordEnv+"="+o.Source.String(), "GORACE=atexit_sleep_ms=0")
		cmd.Dir = "/"
		cmd.SysProcAttr = as
		cmd.Stderr = os.Stderr
		file, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		session := checkFile(t, file)
		get := func(pid int) *format.Process {
			p := session.Process(uint32(pid))
			if p == nil {
				t.Fatalf("process %d is not in the recording", pid)
			}
			return p.Walk
		}
		for _, pid := range []int{roots.PID, os.Getpid()} {
			p := get(pid)
			if p.Status != format.WalkDenied || p.Errno != uint32(unix.EACCES) && p.Errno != uint32(unix.EPERM) {
				t.Errorf("root's process %d: %s with errno %d", pid, p.Status, p.Errno)
			}
			if p.Comm == "" || p.StartTime == 0 || p.UID != 0 || p.Exe != "" || p.VMAs != 0 || session.Process(uint32(pid)).Known {
				t.Errorf("root's process %d: %+v", pid, p)
			}
		}
		p := get(mine.PID)
		if p.Status != format.WalkComplete || p.UID != nobody || p.GID != nobody || p.Exe != exe {
			t.Errorf("the user's own process: %+v", p)
		}
		s := taken{records: []format.Record{p}, session: session}
		s.checkTruth(t, mine.PID)
		for p := range session.Processes() {
			if st := p.Status(); st == format.WalkFailed || st == format.WalkTimeout {
				t.Errorf("process %d %q: %s with errno %d", p.PID, p.Comm, st, p.Walk.Errno)
			}
		}
	})
}

// TestSourceNotThere: a recording that was asked for with the ioctl is not made without.
func TestSourceNotThere(t *testing.T) {
	if procmap.Supported() == nil {
		rec, err := New(Options{Source: procmap.SourceIoctl})
		if err != nil || rec.Host().Source != format.SourceIoctl {
			t.Errorf("%v", err)
		}
		return
	}
	if _, err := New(Options{Source: procmap.SourceIoctl}); !errors.Is(err, procmap.ErrNotSupported) {
		t.Errorf("error is %v, want ErrNotSupported", err)
	}
	rec, err := New(Options{})
	if err != nil || rec.Host().Source != format.SourceMaps {
		t.Errorf("without the ioctl: %v", err)
	}
}

// TestNoProc: a directory that is no proc is an error, not an empty snapshot.
func TestNoProc(t *testing.T) {
	rec, err := New(Options{ProcFS: tempDir(t) + "/absent"})
	if err == nil {
		_, err = rec.Run(t.Context(), new(discard))
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v, want os.ErrNotExist", err)
	}
}
