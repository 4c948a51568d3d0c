package recorder

import (
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// TestFillProcess: every fact has its place.
func TestFillProcess(t *testing.T) {
	var got format.Process
	fillProcess(&got, &procmap.Info{
		PID: 1, TID: 2, PPID: 3, StartTime: 4, Threads: 5, UID: 6, GID: 7, NSPID: 8, PIDNamespace: 9, MountNamespace: 10,
		Comm: "comm", Exe: "/exe", ExeDeleted: true, Root: "/root", Cgroup: "/cgroup",
	}, 1)
	want := format.Process{
		Common: format.Common{PID: 1, TID: 2},
		PPID:   3, StartTime: 4, Threads: 5, UID: 6, GID: 7, NSPID: 8, PIDNamespace: 9, MountNamespace: 10,
		Comm: "comm", Exe: "/exe", ExeDeleted: true, Root: "/root", Cgroup: "/cgroup",
	}
	if got != want {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// TestLongPath: the longest path that is recorded fits into a record, a longer one is left
// out and the file keeps its number.
func TestLongPath(t *testing.T) {
	for length, want := range map[int]int{maxPath: maxPath, maxPath + 1: 0} {
		var m format.Mmap
		fillMmap(&m, &procmap.VMA{Inode: 7}, format.ContentExecFile, &procmap.File{Path: strings.Repeat("x", length)})
		if len(m.Path) != want || m.Inode != 7 {
			t.Errorf("path of %d bytes: %d recorded, inode %d", length, len(m.Path), m.Inode)
		}
		if _, err := format.AppendRecord(nil, &m); err != nil {
			t.Errorf("path of %d bytes: %v", length, err)
		}
	}
}

// TestNumbersAgree: procmap and format know nothing of each other, and their enumerations
// are converted by number. The names must agree, for all there are.
func TestNumbersAgree(t *testing.T) {
	for n := range uint8(procmap.OriginFailed) + 1 {
		if a, b := procmap.Origin(n).String(), format.BuildIDOrigin(n).String(); a != b {
			t.Errorf("origin %d is %q in procmap and %q in format", n, a, b)
		}
	}
	for n := range uint8(procmap.BuildIDNone) + 1 {
		if a, b := procmap.BuildIDMode(n).String(), format.BuildIDMode(n).String(); a != b {
			t.Errorf("build ID mode %d is %q in procmap and %q in format", n, a, b)
		}
	}
	for _, s := range []procmap.Source{procmap.SourceIoctl, procmap.SourceMaps} {
		if got := formatSource(s).String(); got != s.String() {
			t.Errorf("source %q becomes %q", s, got)
		}
	}
	for _, k := range []procmap.Kind{procmap.KindExecFile, procmap.KindDataFile, procmap.KindAnonExec, procmap.KindVDSO} {
		if got := formatKind(k).String(); got != k.String() {
			t.Errorf("kind %q becomes %q", k, got)
		}
	}
}
