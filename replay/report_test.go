package replay

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

const reportWalk = walkOfTwo + `
process time=5 pid=20 tid=20 snapshot=1 status=shared shares_pid=11 comm="twin"
process time=5 pid=21 tid=21 snapshot=1 status=denied errno=13 comm="secret"
process time=6 pid=30 tid=30 snapshot=1 status=complete source=ioctl vmas=2 excluded_vdso=1 excluded_anon_exec=3 comm="many"
mmap time=6 pid=30 tid=30 start=0x1000 len=0x1000 dev=08:01 ino=9 prot=r-xp kind=exec-file walked build_id=ab01 build_id_origin=kernel path="/lib/c"
mmap time=6 pid=30 tid=30 start=0x2000 len=0x1000 dev=08:01 ino=10 prot=r-xp kind=exec-file walked deleted go_build_id="x/y" build_id_origin=file path="/go"
snapshot-end time=9 id=1 processes=complete:3,shared:1,denied:1 mmaps=5 files=4
`

func mustGlob(t *testing.T, pattern string) *Glob {
	t.Helper()
	g, err := ParseGlob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestReports(t *testing.T) {
	s := session(t, hostLine+reportWalk)
	for _, tc := range []struct {
		name                     string
		filter                   Filter
		processes, files, builds string
	}{
		{"all", Filter{},
			"10:2/3000 11:1/1000 20:1/1000 21:0/0 30:2/2000",
			"/a:3p2m /b:1p1m /go:1p1m /lib/c:1p1m",
			"ab01:1p1m -x/y:1p1m -:3p3m"},
		{"one process", Filter{PIDs: []uint32{30}}, "30:2/2000", "/go:1p1m /lib/c:1p1m", "ab01:1p1m -x/y:1p1m"},
		{"comm", Filter{Comm: mustGlob(t, "t[ew]*")}, "10:2/3000 20:1/1000", "/a:2p2m /b:1p1m", "-:2p3m"},
		{"path", Filter{Path: mustGlob(t, "*/c")}, "30:1/1000", "/lib/c:1p1m", "ab01:1p1m"},
		{"build ID", Filter{BuildID: "ab"}, "30:1/1000", "/lib/c:1p1m", "ab01:1p1m"},
		{"build ID in capitals", Filter{BuildID: "AB"}, "30:1/1000", "/lib/c:1p1m", "ab01:1p1m"},
		{"Go build ID in capitals", Filter{BuildID: "X/Y"}, "", "", ""},
		{"Go build ID", Filter{BuildID: "x/y"}, "30:1/1000", "/go:1p1m", "-x/y:1p1m"},
		{"nothing", Filter{Path: mustGlob(t, "/nowhere")}, "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var processes, files, builds []string
			for _, r := range s.ReportProcesses(tc.filter) {
				processes = append(processes, fmt.Sprintf("%d:%d/%x", r.Process.PID, r.Mappings, r.Bytes))
			}
			for _, r := range s.ReportFiles(tc.filter) {
				files = append(files, fmt.Sprintf("%s:%dp%dm", r.File.Path, r.Processes, r.Mappings))
			}
			for _, r := range s.ReportBuildIDs(tc.filter) {
				id := r.BuildID.String()
				if id == "" {
					id = "-" + r.GoBuildID
				}
				builds = append(builds, fmt.Sprintf("%s:%dp%dm", id, r.Processes, r.Mappings))
			}
			for _, c := range []struct{ what, got, want string }{
				{"processes", strings.Join(processes, " "), tc.processes},
				{"files", strings.Join(files, " "), tc.files},
				{"build IDs", strings.Join(builds, " "), tc.builds},
			} {
				if c.got != c.want {
					t.Errorf("%s\ngot  %s\nwant %s", c.what, c.got, c.want)
				}
			}
		})
	}
}

func TestSummary(t *testing.T) {
	s := session(t, hostLine+reportWalk)
	sum := s.Summary()
	if sum.Mappings != 5 || sum.Spaces != 3 || sum.Files != 4 || sum.NoBuildID != 2 || sum.Deleted != 1 ||
		sum.ExcludedAnonExec != 3 || sum.ExcludedVDSO != 1 || !sum.Truncated {
		t.Errorf("summary %+v", sum)
	}
	missing := strings.Join(sum.Incomplete(), "\n")
	for _, want := range []string{"no End record", "1 process denied"} {
		if !strings.Contains(missing, want) {
			t.Errorf("%q lacks %q", missing, want)
		}
	}
	if whole := session(t, hostLine+walkOfTwo+soundEnd+"end time=99 records=9\n").Summary(); len(whole.Incomplete()) > 0 {
		t.Errorf("a whole recording is said to miss %q", whole.Incomplete())
	}
	stopped := session(t, hostLine+walkOfTwo+soundEnd+"end time=99 records=9 reason=signal\n").Summary()
	if len(stopped.Incomplete()) > 0 {
		t.Errorf("a recording that was stopped behind its snapshot is said to miss %q", stopped.Incomplete())
	}
}

// TestSummaryVanished checks that processes that vanished count once, whatever comes after
// the snapshot that named them.
func TestSummaryVanished(t *testing.T) {
	s := session(t, hostLine+walkOfTwo+`
process time=5 pid=22 tid=22 snapshot=1 status=vanished
process time=5 pid=23 tid=23 snapshot=1 status=vanished
snapshot-end time=9 id=1 processes=complete:2,vanished:2 mmaps=3 files=2
comm time=10 pid=22 tid=22 comm="late"
snapshot-begin time=21 id=2 kind=repair pid=10
process time=22 pid=10 tid=10 start_time=5 snapshot=2 status=complete source=ioctl comm="ten"
snapshot-end time=23 id=2 pid=10 processes=complete:1
`)
	if sum := s.Summary(); sum.Processes[format.WalkVanished] != 2 || sum.Processes[format.WalkComplete] != 2 || sum.Processes[format.WalkUnknown] != 1 {
		t.Errorf("processes %v", sum.Processes)
	}
}

// TestSummaryFiles checks that what has no file is not counted as one.
func TestSummaryFiles(t *testing.T) {
	s := session(t, hostLine+`
mmap time=3 pid=10 tid=10 start=0x1000 len=0x1000 prot=r-xp kind=vdso path="[vdso]"
mmap time=3 pid=10 tid=10 start=0x2000 len=0x1000 prot=r-xp kind=anon-exec
mmap time=3 pid=10 tid=10 start=0x3000 len=0x1000 dev=08:01 ino=7 prot=r--p kind=data-file path="/a"
mmap time=3 pid=10 tid=10 start=0x4000 len=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file build_id=aa path="/b"
`)
	if sum := s.Summary(); sum.Mappings != 4 || sum.Files != 2 || sum.NoBuildID != 1 {
		t.Errorf("%d mappings of %d files, %d without build ID", sum.Mappings, sum.Files, sum.NoBuildID)
	}
}

// TestReportProcessFiles checks the same for the rows.
func TestReportProcessFiles(t *testing.T) {
	s := session(t, hostLine+`
mmap time=3 pid=10 tid=10 start=0x1000 len=0x1000 prot=r-xp kind=vdso path="[vdso]"
mmap time=3 pid=10 tid=10 start=0x2000 len=0x1000 prot=r-xp kind=anon-exec
mmap time=3 pid=10 tid=10 start=0x3000 len=0x1000 dev=08:01 ino=7 prot=r--p kind=data-file path="/a"
mmap time=3 pid=10 tid=10 start=0x4000 len=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file deleted path="/b"
mmap time=3 pid=10 tid=10 start=0x5000 len=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file deleted path="/b"
`)
	rows := s.ReportProcesses(Filter{})
	if len(rows) != 1 || rows[0].Mappings != 5 || rows[0].Files != 2 || rows[0].Deleted != 2 {
		t.Errorf("%+v", rows)
	}
}

// TestReportBuildIDsOfTwoOrigins has one build ID that the kernel told of one file and the
// ELF notes of another, and two reasons for none.
func TestReportBuildIDsOfTwoOrigins(t *testing.T) {
	s := session(t, hostLine+`
mmap time=3 pid=10 tid=10 start=0x1000 len=0x1000 ino=7 kind=exec-file build_id=aa build_id_origin=kernel path="/b"
mmap time=3 pid=10 tid=10 start=0x2000 len=0x1000 ino=8 kind=exec-file build_id=aa build_id_origin=file path="/a"
mmap time=3 pid=10 tid=10 start=0x3000 len=0x1000 ino=9 kind=exec-file build_id_origin=not-elf path="/c"
mmap time=3 pid=10 tid=10 start=0x4000 len=0x1000 ino=10 kind=exec-file build_id_origin=absent path="/d"
`)
	var got []string
	for _, r := range s.ReportBuildIDs(Filter{}) {
		got = append(got, fmt.Sprintf("%s%v:%dm", r.BuildID, r.Paths, r.Mappings))
	}
	if got, want := strings.Join(got, " "), "aa[/a /b]:2m [/d]:1m [/c]:1m"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"*/libssl.so*", "/usr/lib/x/libssl.so.3", true},
		{"*/libssl.so*", "libssl.so.3", false},
		{"a?c", "a/c", true},
		{"a?c", "ac", false},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{"[!a-c]x", "dx", true},
		{"[^a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{"[]a]", "]", true},
		{"[]a]", "a", true},
		{"[]a]", "b", false},
		{"[!]]", "]", false},
		{"[!]]", "a", true},
		{"[!]a]", "a", false},
		{"[[]", "[", true},
		{"[a[]x", "[x", true},
		{`[\]x`, `\x`, true},
		{`[\d]`, "7", false},
		{"[[:alpha:]]", "b", false},
		{"[[:alpha:]]", ":]", true},
		{"[[:alpha:]]*", "[]x", true},
		{"[ä]", "ä", true},
		{"[!ä]b", "äb", false},
		{`\*`, "*", true},
		{`\*`, "x", false},
		{"a.b", "axb", false},
		{"*", "with\nnewline\xff", true},
		{"", "", true},
		{"", "x", false},
	} {
		if got := mustGlob(t, tc.pattern).Match(tc.name); got != tc.want {
			t.Errorf("%q matches %q: %v", tc.pattern, tc.name, got)
		}
	}
	for _, bad := range []string{"[", "[!", "[]", "[!]", `a\`, "[z-a]"} {
		if _, err := ParseGlob(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
