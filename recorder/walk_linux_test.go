package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

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
	alive := procmap.Info{PID: 5, TID: 5, State: 'S', Threads: 1}
	if err := selfInfo(&alive); err != nil {
		t.Fatal(err)
	}
	gone := alive
	gone.MM = procmap.MMKey{}
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
		{"no address space any more", gone, errReplaced, format.WalkVanished, 0, false},
		{"endless", alive, errEndless, format.WalkTimeout, 0, false},
		{"denied", alive, unix.EACCES, format.WalkDenied, unix.EACCES, false},
		{"other", alive, unix.EIO, format.WalkFailed, unix.EIO, false},
		{"our own limit", alive, unix.EMFILE, format.WalkUnknown, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := walk{info: tc.info, mmaps: []format.Mmap{{Start: 1, Length: 2}}}
			w.process.ExcludedVDSO = 1
			new(snapshot).conclude(&w, &job{pid: tc.info.PID}, tc.err)
			p := &w.process
			if p.Status != tc.want || p.Errno != uint32(tc.errno) || (w.fatal != nil) != tc.fatal {
				t.Errorf("%s, errno %d, fatal %v; want %s, %d, %v", p.Status, p.Errno, w.fatal, tc.want, tc.errno, tc.fatal)
			}
			kept := len(w.mmaps) == 1 && p.ExcludedVDSO == 1
			if kept != (tc.want == format.WalkComplete) {
				t.Errorf("%s: mappings kept: %v", p.Status, kept)
			}
			if tc.fatal && !errors.Is(w.fatal, tc.err) {
				t.Errorf("%v hides %v", w.fatal, tc.err)
			}
		})
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
