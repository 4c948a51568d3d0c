package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// TestCut: an answer that begins below the end of what was said before takes that back.
func TestCut(t *testing.T) {
	for _, tc := range []struct {
		addr uint64
		want string
	}{
		{9, "1+2 4+2 6+2"},
		{8, "1+2 4+2 6+2"},
		{7, "1+2 4+2 6+1"},
		{6, "1+2 4+2"},
		{5, "1+2 4+1"},
		{4, "1+2"},
		{3, "1+2"},
		{2, "1+1"},
		{1, ""},
		{0, ""},
	} {
		w := walk{mmaps: []format.Mmap{{Start: 1, Length: 2}, {Start: 4, Length: 2}, {Start: 6, Length: 2}}}
		w.cut(tc.addr)
		var got []string
		for _, m := range w.mmaps {
			got = append(got, fmt.Sprintf("%d+%d", m.Start, m.Length))
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("cut at %d leaves %q, want %q", tc.addr, got, tc.want)
		}
	}
}

// TestConclude: what each outcome of a pass is called, and that half an address space is not
// kept.
func TestConclude(t *testing.T) {
	var alive procmap.Info
	if err := selfInfo(&alive); err != nil {
		t.Fatal(err)
	}
	// Seen without an address space: one in the middle of an exec, one that is a zombie by now,
	// and one that is gone.
	execs, exits, gone := alive, alive, alive
	execs.MM, exits.MM, gone.MM = procmap.MMKey{}, procmap.MMKey{}, procmap.MMKey{}
	exits.PID, gone.PID = startHard(t, "zombie").other, 1<<30
	kernel := procmap.Info{PID: 2, TID: 2, KernelThread: true}
	zombie := procmap.Info{PID: 6, TID: 6, State: 'Z', Threads: 1}
	for _, tc := range []struct {
		name  string
		info  procmap.Info
		err   error
		want  format.WalkStatus
		errno unix.Errno
		fatal bool
	}{
		{"end", alive, nil, format.WalkComplete, 0, false},
		{"kernel thread", kernel, nil, format.WalkKernelThread, 0, false},
		{"zombie", zombie, nil, format.WalkZombie, 0, false},
		{"gone", alive, fmt.Errorf("x: %w", procmap.ErrGone), format.WalkVanished, 0, false},
		{"not there", alive, fs.ErrNotExist, format.WalkVanished, 0, false},
		{"replaced", alive, errReplaced, format.WalkRaced, 0, false},
		{"in the middle of an exec", execs, errReplaced, format.WalkRaced, 0, false},
		{"a zombie by now", exits, errReplaced, format.WalkVanished, 0, false},
		{"no address space any more", gone, errReplaced, format.WalkVanished, 0, false},
		{"endless", alive, errEndless, format.WalkTimeout, 0, false},
		{"denied", alive, unix.EACCES, format.WalkDenied, unix.EACCES, false},
		{"other", alive, unix.EIO, format.WalkFailed, unix.EIO, false},
		{"our own limit", alive, unix.EMFILE, format.WalkUnknown, 0, true},
		{"our own limit, kernel thread", kernel, unix.ENFILE, format.WalkUnknown, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := walk{info: tc.info, mmaps: []format.Mmap{{Start: 1, Length: 2}}}
			w.process.ExcludedVDSO, w.process.ExcludedAnonExec = 1, 1
			(&snapshot{Recorder: new(Recorder)}).conclude(&w, &job{pid: tc.info.PID}, tc.err)
			p := &w.process
			if p.Status != tc.want || p.Errno != uint32(tc.errno) || (w.fatal != nil) != tc.fatal {
				t.Errorf("%s, errno %d, fatal %v; want %s, %d, %v", p.Status, p.Errno, w.fatal, tc.want, tc.errno, tc.fatal)
			}
			kept := 0
			if tc.want == format.WalkComplete {
				kept = 1
			}
			if len(w.mmaps) != kept || int(p.ExcludedVDSO) != kept || int(p.ExcludedAnonExec) != kept {
				t.Errorf("%s: kept %d mappings, %d and %d left out, want %d of each", p.Status, len(w.mmaps), p.ExcludedVDSO, p.ExcludedAnonExec, kept)
			}
			if tc.fatal && !errors.Is(w.fatal, tc.err) {
				t.Errorf("%v hides %v", w.fatal, tc.err)
			}
		})
	}
}

// TestLookNoFiles: a record must not lack what the recorder had no descriptor left for.
func TestLookNoFiles(t *testing.T) {
	p, err := procmap.OpenProcess("", unix.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	err = new(walk).look(p)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("error is %v, want EMFILE", err)
	}
}

// TestTimedOut: what a worker told of a process before its walk hung is recorded, and not
// what it found out later.
func TestTimedOut(t *testing.T) {
	i := procmap.Info{PID: 5, TID: 6, Comm: "stuck", UID: 7}
	j := &job{pid: 5, began: 3}
	j.tell(&i)
	i.Comm = "later"
	s := snapshot{Recorder: &Recorder{source: procmap.SourceMaps}}
	p := s.timedOut(j).process
	if p.Status != format.WalkTimeout || p.Time != 3 || p.PID != 5 || p.TID != 6 || p.Comm != "stuck" || p.UID != 7 || p.Source != format.SourceMaps {
		t.Errorf("%+v", p)
	}
}

// TestEndless: a walk that gets answers all the time does not go on for ever.
func TestEndless(t *testing.T) {
	c := startHard(t, "many", filepath.Join(tempDir(t), "many.so"), "10000")
	rec, err := New(Options{WalkTimeout: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	s := snapshot{Recorder: rec, stop: make(chan struct{}), files: procmap.NewFiles(procmap.FilesOptions{})}
	if err := s.walkOnce(new(walk), &job{pid: c.PID}); !errors.Is(err, errEndless) {
		t.Errorf("error is %v, want %v", err, errEndless)
	}
}

// selfInfo fills in what is known of this process, which has an address space.
func selfInfo(i *procmap.Info) error {
	p, err := procmap.OpenProcess("/proc", unix.Getpid())
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Info(i)
}
