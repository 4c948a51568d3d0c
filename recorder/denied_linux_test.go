package recorder

import (
	"context"
	"errors"
	"io/fs"
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

// TestSourceNotThere: without the ioctl the text is read instead, unless what was asked for is
// not to be had from it.
func TestSourceNotThere(t *testing.T) {
	defer func() { supported = procmap.SupportedAt }()
	for _, missing := range []error{nil, &procmap.UnsupportedError{Feature: "PROCMAP_QUERY"}, fs.ErrPermission} {
		supported = func(string) error { return missing }
		text, ioctl := format.SourceMaps, format.SourceIoctl
		auto := ioctl
		if missing != nil {
			auto = text
		}
		for _, tc := range []struct {
			o     Options
			want  format.Source
			needs bool // the ioctl
		}{
			{Options{}, auto, false},
			{Options{BuildID: procmap.BuildIDFile}, auto, false},
			{Options{Source: SourceMaps}, text, false},
			{Options{Source: SourceIoctl}, ioctl, true},
			{Options{BuildID: procmap.BuildIDKernel}, ioctl, true},
		} {
			rec, err := New(tc.o)
			switch {
			case tc.needs && missing != nil:
				if !errors.Is(err, missing) {
					t.Errorf("%+v with %v: error is %v", tc.o, missing, err)
				}
			case err != nil || rec.Host().Source != tc.want:
				t.Errorf("%+v with %v: %v, want source %s", tc.o, missing, err, tc.want)
			}
		}
	}
	c := startHard(t, "wait")
	s := take(t, Options{PIDs: []int{c.PID}}) // falls back
	if p := s.wantStatus(t, c.PID, format.WalkComplete); p.Source != format.SourceMaps {
		t.Errorf("source is %s, want %s", p.Source, format.SourceMaps)
	}
	s.checkTruth(t, c.PID)
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
