package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// diffText writes a Diff down, one item after the other.
func diffText(d *Diff) string {
	var out []string
	for _, p := range d.Gone {
		out = append(out, fmt.Sprintf("gone %d", p.PID))
	}
	for _, p := range d.New {
		out = append(out, fmt.Sprintf("new %d", p.PID))
	}
	for _, list := range [][]ProcessDiff{d.Changed, d.Unclear} {
		for _, p := range list {
			text := fmt.Sprint(p.A.PID)
			if p.B.PID != p.A.PID {
				text += fmt.Sprintf(">%d", p.B.PID)
			}
			for _, is := range []struct {
				so   bool
				word string
			}{{p.Executed, " exec"}, {p.Unknown, " unknown"}, {p.Uncertain, " uncertain"}} {
				if is.so {
					text += is.word
				}
			}
			if p.SharesPID != 0 {
				text += fmt.Sprintf(" as %d", p.SharesPID)
			}
			for _, f := range p.Files {
				text += fmt.Sprintf(" %s %s", f.Changes, f.Path())
			}
			out = append(out, text)
		}
	}
	return strings.Join(out, ", ")
}

// diffProc is a walk of a process; more begins with its comm.
func diffProc(pid, start int, more string) string {
	return fmt.Sprintf("process time=3 pid=%d tid=%[1]d start_time=%d snapshot=1 status=complete %s\n", pid, start, more)
}

// diffMap is a mapping of two pages; more may say other things.
func diffMap(pid, start int, path string, ino int, more string) string {
	for _, d := range []string{"prot=r-xp", "kind=exec-file", "len=0x2000"} {
		if !strings.Contains(more, d[:strings.Index(d, "=")+1]) {
			more += " " + d
		}
	}
	return fmt.Sprintf("mmap time=3 pid=%d tid=%[1]d start=%#x dev=08:01 ino=%d path=%q %s\n", pid, start, ino, path, more)
}

// diffHost covers everything, otherHost is another machine that does.
var (
	diffHost  = strings.Replace(hostLine, "content=exec-file", "content=exec-file|data-file|anon-exec|vdso", 1)
	otherHost = strings.Replace(diffHost, `hostname="h"`, `hostname="i"`, 1)
)

func TestDiffFiles(t *testing.T) {
	one := func(maps ...string) string { return diffProc(1, 5, `comm="x" exe="/x"`) + strings.Join(maps, "") }
	m := func(start int, path string, ino int, more string) string { return diffMap(1, start, path, ino, more) }
	for _, tc := range []struct{ name, a, b, want, other string }{ // other: on another boot, if it is not the same
		{"nothing", one(m(0x1000, "/a", 7, "")), one(m(0x1000, "/a", 7, "")), "", ""},
		{"loaded", one(), one(m(0x1000, "/a", 7, "")), "1 loaded /a", ""},
		{"unloaded", one(m(0x1000, "/a", 7, "")), one(), "1 unloaded /a", ""},
		{"elsewhere", one(m(0x1000, "/a", 7, "")), one(m(0x5000, "/a", 7, "")), "", ""},
		{"cut differently", one(m(0x1000, "/a", 7, "")),
			one(m(0x1000, "/a", 7, "len=0x1000"), m(0x2000, "/a", 7, "len=0x1000 pgoff=0x1000")), "", ""},
		{"cut and torn apart", one(m(0x1000, "/a", 7, "")),
			one(m(0x1000, "/a", 7, "len=0x1000"), m(0x9000, "/a", 7, "len=0x1000 pgoff=0x1000")), "", ""},
		{"known from walk and hook", one(m(0x1000, "/a", 7, "build_id=aa")),
			one(m(0x1000, "/a", 7, "len=0x1000 build_id=aa"), m(0x2000, "/a", 7, "len=0x1000 pgoff=0x1000 gen=3 has_gen")), "", ""},
		{"upgraded", one(m(0x1000, "/a", 7, "build_id=aa")), one(m(0x1000, "/a", 8, "build_id=bb len=0x5000")), "1 upgraded /a", ""},
		{"upgraded in place", one(m(0x1000, "/a", 7, "build_id=aa")), one(m(0x1000, "/a", 7, "build_id=bb")), "1 upgraded /a", ""},
		{"installed again", one(m(0x1000, "/a", 7, "build_id=aa")), one(m(0x1000, "/a", 8, "build_id=aa")), "", ""},
		{"upgraded Go program", one(m(0x1000, "/a", 7, `go_build_id="x"`)), one(m(0x1000, "/a", 7, `go_build_id="y"`)), "1 upgraded /a", ""},
		{"Go program installed again", one(m(0x1000, "/a", 7, `go_build_id="x"`)), one(m(0x1000, "/a", 8, `go_build_id="x"`)), "", ""},
		{"Go program by Bazel", one(m(0x1000, "/a", 7, `go_build_id="redacted"`)),
			one(m(0x1000, "/a", 8, `go_build_id="redacted"`)), "1 upgraded /a", "none"},
		{"upgraded without build ID", one(m(0x1000, "/a", 7, "")), one(m(0x1000, "/a", 8, "")), "1 upgraded /a", "none"},
		{"upgraded inode in use again", one(m(0x1000, "/a", 7, "gen=1 has_gen")), one(m(0x1000, "/a", 7, "gen=2 has_gen")), "1 upgraded /a", "none"},
		{"generation known once", one(m(0x1000, "/a", 7, "gen=1 has_gen")), one(m(0x1000, "/a", 7, "")), "", ""},
		{"deleted", one(m(0x1000, "/a", 7, "")), one(m(0x1000, "/a", 7, "deleted")), "1 deleted /a", ""},
		{"linked again", one(m(0x1000, "/a", 7, "deleted")), one(m(0x1000, "/a", 7, "")), "1 relinked /a", ""},
		{"old deleted, new loaded", one(m(0x1000, "/a", 7, "build_id=aa")),
			one(m(0x1000, "/a", 7, "build_id=aa deleted"), m(0x8000, "/a", 8, "build_id=bb")), "1 loaded /a deleted /a", ""},
		{"renamed", one(m(0x1000, "/a", 7, "build_id=aa")), one(m(0x1000, "/b", 7, "build_id=aa")), "1 renamed /b", ""},
		{"renamed without build ID", one(m(0x1000, "/a", 7, "")), one(m(0x1000, "/b", 7, "")), "1 renamed /b", "1 unloaded /a loaded /b"},
		{"two names for one file", one(m(0x1000, "/a", 7, ""), m(0x8000, "/b", 7, "")), one(m(0x1000, "/b", 7, ""), m(0x8000, "/a", 7, "")), "", ""},
		{"name unknown", one(m(0x1000, "/a", 7, "")), one(m(0x1000, "", 7, "")), "", "1 loaded  unloaded /a"},
		{"protection", one(m(0x1000, "/a", 7, "")), one(m(0x1000, "/a", 7, "prot=rwxp")), "1 protection /a", ""},
		{"protection of a part", one(m(0x1000, "/a", 7, "")),
			one(m(0x1000, "/a", 7, "len=0x1000 prot=rwxp"), m(0x2000, "/a", 7, "len=0x1000 pgoff=0x1000")), "1 protection /a", ""},
		{"shared", one(m(0x1000, "/a", 7, "")), one(m(0x1000, "/a", 7, "prot=r-xs")), "1 protection /a", ""},
		{"more", one(m(0x1000, "/a", 7, "")), one(m(0x1000, "/a", 7, "len=0x3000")), "1 remapped /a", ""},
		{"twice", one(m(0x1000, "/a", 7, "")), one(m(0x1000, "/a", 7, ""), m(0x9000, "/a", 7, "")), "1 remapped /a", ""},
		{"other part", one(m(0x1000, "/a", 7, "")), one(m(0x1000, "/a", 7, "pgoff=0x8000")), "1 remapped /a", ""},
		{"several at once", one(m(0x1000, "/a", 7, "build_id=aa")), one(m(0x1000, "/b", 7, "build_id=aa deleted prot=rwxp len=0x3000")),
			"1 deleted|renamed|protection|remapped /b", ""},
		{"memory without a file", one(m(0x1000, "", 0, "kind=anon-exec")), one(m(0x8000, "", 0, "kind=anon-exec")), "", ""},
		{"more memory without a file", one(m(0x1000, "", 0, "kind=anon-exec")), one(m(0x8000, "", 0, "kind=anon-exec len=0x8000")), "1 remapped ", ""},
		{"file without inode", one(m(0x1000, "/a", 0, ""), m(0x4000, "/b", 0, "")), one(m(0x1000, "/b", 0, "")), "1 unloaded /a", ""},
		{"offset that wraps", one(m(0x1000, "/a", 7, "pgoff=0xfffffffffffff000")), one(m(0x1000, "/a", 7, "")), "1 remapped /a", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := session(t, diffHost+tc.a), session(t, diffHost+tc.b)
			d := DiffSessions(a, b, DiffOptions{})
			if got := diffText(d); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if d.Same() != (tc.want == "") || !d.Complete() || !d.SamePIDs {
				t.Errorf("%+v", d)
			}
			other := tc.want
			if tc.other != "" {
				other = strings.TrimPrefix(tc.other, "none")
			}
			if got := diffText(DiffSessions(a, session(t, otherHost+tc.b), DiffOptions{})); got != other {
				t.Errorf("on another boot: got %q, want %q", got, other)
			}
			mirrored(t, a, b, DiffOptions{})
		})
	}
}

func TestDiffAddresses(t *testing.T) {
	one := func(maps ...string) string {
		return diffHost + diffProc(1, 5, `comm="x" exe="/x"`) + strings.Join(maps, "")
	}
	m := func(start int, more string) string { return diffMap(1, start, "/a", 7, more) }
	for _, tc := range []struct{ name, a, b, want string }{
		{"same place", one(m(0x1000, "")), one(m(0x1000, "")), ""},
		{"elsewhere", one(m(0x1000, "")), one(m(0x5000, "")), "1 moved /a"},
		{"cut differently", one(m(0x1000, "")), one(m(0x1000, "len=0x1000"), m(0x2000, "pgoff=0x1000 len=0x1000")), ""},
		{"a part elsewhere", one(m(0x1000, "")), one(m(0x1000, "len=0x1000"), m(0x9000, "pgoff=0x1000 len=0x1000")), "1 moved /a"},
		{"protection in place", one(m(0x1000, "")), one(m(0x1000, "prot=rwxp")), "1 protection /a"},
		{"deleted and elsewhere", one(m(0x1000, "")), one(m(0x5000, "deleted")), "1 deleted|moved /a"},
		{"once more", one(m(0x1000, "")), one(m(0x1000, ""), m(0x5000, "")), "1 remapped /a"},
		{"memory without a file", one(m(0x1000, "kind=anon-exec")), one(m(0x5000, "kind=anon-exec")), "1 moved /a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b, o := session(t, tc.a), session(t, tc.b), DiffOptions{Addresses: true}
			if got := diffText(DiffSessions(a, b, o)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			mirrored(t, a, b, o)
		})
	}
}

func TestDiffProcesses(t *testing.T) {
	x := func(pid, start int) string { return diffProc(pid, start, `comm="x" exe="/x"`) }
	a1 := func(pid int) string { return diffMap(pid, 0x1000, "/a", 7, "") }
	exe := func(pid int, path string, ino int, more string) string { return diffMap(pid, 0x1000, path, ino, more) }
	for _, tc := range []struct{ name, a, b, same, other string }{
		{"gone and new", x(1, 5) + x(2, 6), x(2, 6) + x(3, 7), "gone 1, new 3", ""},
		{"number used again", x(1, 5) + a1(1), x(1, 9) + a1(1), "gone 1, new 1", ""},
		{"start time unknown", x(1, 5), x(1, 0), "", ""},
		{"by rank, not by number", x(1, 50) + x(2, 40) + a1(2), x(7, 1) + a1(7) + x(8, 2),
			"gone 1, gone 2, new 7, new 8", ""},
		{"one more of a name", x(1, 50) + a1(1), x(7, 3) + x(8, 2), "gone 1, new 7, new 8", "new 7, 1>8 unloaded /a"},
		{"other name", x(1, 5), diffProc(1, 5, `comm="y" exe="/x"`), "", "gone 1, new 1"},
		{"exec", diffProc(1, 5, `comm="x" exe="/x"`) + exe(1, "/x", 7, ""), diffProc(1, 5, `comm="y" exe="/y"`) + exe(1, "/y", 8, ""),
			"1 exec", "gone 1, new 1"},
		{"exec without its mapping", diffProc(1, 5, `comm="x" exe="/x"`), diffProc(1, 5, `comm="y" exe="/y"`) + a1(1), "1 exec", "gone 1, new 1"},
		{"exec of another file of the name", x(1, 5) + exe(1, "/x", 7, ""), x(1, 5) + exe(1, "/x", 8, ""), "1 exec", ""},
		{"exec of another build", x(1, 5) + exe(1, "/x", 7, "build_id=aa"), x(1, 5) + exe(1, "/x", 7, "build_id=bb"), "1 exec", "1 upgraded /x"},
		{"executable renamed", x(1, 5) + exe(1, "/x", 7, ""), diffProc(1, 5, `comm="x" exe="/z"`) + exe(1, "/z", 7, ""),
			"1 renamed /z", "gone 1, new 1"},
		{"exec of the unknown", "process pid=1 tid=1 start_time=5 status=denied comm=\"x\" exe=\"/x\"\n", diffProc(1, 5, `comm="x" exe="/y"`),
			"1 exec unknown", "gone 1, new 1"},
		{"unknown", "process pid=1 tid=1 start_time=5 status=denied comm=\"x\" exe=\"/x\"\n", x(1, 5) + a1(1), "1 unknown", "1 unknown"},
		{"unknown on both sides", "process pid=1 tid=1 start_time=5 status=timeout\n", "process pid=1 tid=1 start_time=5 status=denied\n", "1 unknown", "1 unknown"},
		{"uncertain", x(1, 5) + a1(1), x(1, 5) + a1(1) + "lost time=20 from=15 cpu=-1 reason=ring\n", "1 uncertain", "1 uncertain"},
		{"uncertain difference", x(1, 5) + a1(1), x(1, 5) + "lost time=20 from=15 cpu=-1 reason=ring\n", "1 uncertain unloaded /a", "1 uncertain unloaded /a"},
		{"kernel threads and zombies", "process pid=2 tid=2 status=kernel-thread comm=\"k\"\n" + x(1, 5), x(3, 5) + "process pid=1 tid=1 start_time=5 status=zombie comm=\"x\" exe=\"/x\"\n",
			"gone 1, new 3", ""},
		{"shared", x(1, 5) + a1(1) + "process pid=4 tid=4 start_time=6 status=shared shares_pid=1 comm=\"t\"\n",
			x(1, 5) + "process pid=4 tid=4 start_time=6 status=shared shares_pid=1 comm=\"t\"\n",
			"1 unloaded /a, 4 as 1 unloaded /a", "1 unloaded /a, 4 as 1 unloaded /a"},
		{"parted", x(1, 5) + a1(1) + "process pid=4 tid=4 start_time=6 status=shared shares_pid=1 comm=\"t\"\n",
			x(1, 5) + a1(1) + diffProc(4, 6, `comm="t"`), "4 unloaded /a", "4 unloaded /a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := session(t, diffHost+tc.a), session(t, diffHost+tc.b)
			if got := diffText(DiffSessions(a, b, DiffOptions{})); got != tc.same {
				t.Errorf("same boot: got %q, want %q", got, tc.same)
			}
			mirrored(t, a, b, DiffOptions{})
			b = session(t, otherHost+tc.b)
			d := DiffSessions(a, b, DiffOptions{})
			if d.SameBoot || d.SamePIDs {
				t.Error("taken for one boot")
			}
			if got := diffText(d); got != tc.other {
				t.Errorf("other boot: got %q, want %q", got, tc.other)
			}
			mirrored(t, a, b, DiffOptions{})
		})
	}
}

func TestSameBoot(t *testing.T) {
	line := func(more string) string {
		return "host time=1 monotonic=1 page_size=4096 content=exec-file " + more + "\n"
	}
	x := diffProc(1, 5, `comm="x"`)
	for _, tc := range []struct {
		name, a, b string
		boot, pids bool
	}{
		{"boot ID", `boot_id="a" hostname="x"`, `boot_id="a" hostname="y"`, true, true},
		{"other boot ID", `boot_id="a"`, `boot_id="b"`, false, false},
		{"one boot ID", `boot_id="a" hostname="h" realtime=9000000000 boottime=1000000000`, `hostname="h" realtime=19500000000 boottime=11000000000`, true, true},
		{"time of the boot", `hostname="h" realtime=9000000000 boottime=1000000000`, `hostname="h" realtime=9000000000 boottime=3000000000`, false, false},
		{"name", `hostname="h"`, `hostname="i"`, false, false},
		{"pid namespace", `boot_id="a" pid_ns=3`, `boot_id="a" pid_ns=4`, true, false},
		{"pid namespace unknown", `boot_id="a" pid_ns=3`, `boot_id="a"`, true, true},
	} {
		d := DiffSessions(session(t, line(tc.a)+x), session(t, line(tc.b)+x), DiffOptions{})
		if d.SameBoot != tc.boot || d.SamePIDs != tc.pids {
			t.Errorf("%s: boot %t, pids %t", tc.name, d.SameBoot, d.SamePIDs)
		}
	}
}

// TestDiffContent compares only what both recordings cover.
func TestDiffContent(t *testing.T) {
	x := diffProc(1, 5, `comm="x"`)
	a := session(t, hostLine+x)
	b := session(t, diffHost+x+diffMap(1, 0x1000, "/d", 9, "kind=data-file prot=r--p build_id=aa"))
	d := DiffSessions(a, b, DiffOptions{})
	if !d.Same() || len(d.BuildIDs()) > 0 {
		t.Errorf("got %q, %v", diffText(d), d.BuildIDs())
	}
}

// TestDiffOfTwo compares two processes, which are not one that has executed something else.
func TestDiffOfTwo(t *testing.T) {
	s := session(t, diffHost+diffProc(1, 5, `comm="x" exe="/x"`)+diffMap(1, 0x1000, "/x", 7, "")+diffMap(1, 0x5000, "/c", 9, "")+
		diffProc(2, 6, `comm="y" exe="/y"`)+diffMap(2, 0x1000, "/y", 8, "")+diffMap(2, 0x7000, "/c", 9, "deleted"))
	if got, want := diffText(DiffProcesses(s, s, s.Process(1), s.Process(2), DiffOptions{})), "1>2 deleted /c unloaded /x loaded /y"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if d := DiffProcesses(s, s, s.Process(1), s.Process(1), DiffOptions{}); !d.Same() || d.Summary.Same != 1 {
		t.Errorf("a process differs from itself: %q", diffText(d))
	}
}

// diffPair has all that tables count.
func diffPair(t testing.TB) (a, b *Session) {
	proc := func(pid, start int, more string) string {
		return diffProc(pid, start, fmt.Sprintf("comm=\"c%d\" exe=\"/e\" %s", pid, more))
	}
	twin := "process time=3 pid=4 tid=4 start_time=8 snapshot=1 status=shared shares_pid=2 comm=\"twin\" exe=\"/e\" cgroup=\"/two\"\n"
	a = session(t, diffHost+proc(1, 5, `cgroup="/one"`)+diffMap(1, 0x1000, "/a", 7, "build_id=aa")+
		proc(2, 6, `cgroup="/two"`)+diffMap(2, 0x1000, "/a", 7, "build_id=aa")+diffMap(2, 0x4000, "/old", 9, `go_build_id="g"`)+twin+
		proc(3, 7, `cgroup="/one"`)+proc(5, 9, `cgroup="/one"`)+diffMap(5, 0x1000, "/e", 11, "build_id=ee")+
		"process pid=6 tid=6 start_time=10 status=denied comm=\"secret\"\n")
	b = session(t, diffHost+proc(1, 5, `cgroup="/one"`)+diffMap(1, 0x1000, "/a", 8, "build_id=bb")+
		proc(2, 6, `cgroup="/two"`)+diffMap(2, 0x1000, "/a", 8, "build_id=bb")+twin+
		proc(5, 9, `cgroup="/one"`)+diffMap(5, 0x1000, "/e", 12, "build_id=ff")+
		proc(7, 11, "")+diffMap(7, 0x1000, "/a", 7, "build_id=aa")+
		"process pid=6 tid=6 start_time=10 status=denied comm=\"secret\"\n")
	return a, b
}

func TestDiffTables(t *testing.T) {
	a, b := diffPair(t)
	d := DiffSessions(a, b, DiffOptions{})
	if got, want := diffText(d), "gone 3, new 7, 1 upgraded /a, 2 upgraded /a unloaded /old, 4 as 2 upgraded /a unloaded /old, 5 exec, 6 unknown"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s := d.Summary
	if s.Gone != 1 || s.New != 1 || s.Executed != 1 || s.Changed != 3 || s.Same != 0 || s.Unknown != 1 || s.Uncertain != 0 ||
		!maps.Equal(s.Files, map[FileChange]int{FileUpgraded: 2, FileUnloaded: 1}) {
		t.Errorf("%+v", s)
	}
	var got []string
	for _, r := range d.Files() {
		got = append(got, fmt.Sprint(r.Path, r.Processes, r.Was, r.Now))
	}
	for _, r := range d.BuildIDs() {
		got = append(got, fmt.Sprint(r.BuildID, r.GoBuildID, r.Paths, r.Was, r.Now))
	}
	for _, r := range d.Cgroups() {
		got = append(got, fmt.Sprintf("%q %d %d %d %d %d %v", r.Cgroup, r.Gone, r.New, r.Executed, r.Changed, r.Unclear, r.Files))
	}
	want := []string{
		"/amap[upgraded:3] [aa] [bb]", "/oldmap[unloaded:2] [] []",
		"bb[/a] 0 3", "ee[/e] 1 0", "ff[/e] 0 1", "g[/old] 2 0",
		`"" 0 1 0 0 1 map[]`, `"/one" 1 0 1 1 0 map[upgraded:1]`, `"/two" 0 0 0 2 0 map[unloaded:1 upgraded:1]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDiffFilter(t *testing.T) {
	a, b := diffPair(t)
	for _, tc := range []struct {
		name   string
		filter Filter
		want   string
	}{
		{"pid", Filter{PIDs: []uint32{2, 3}}, "gone 3, 2 upgraded /a unloaded /old"},
		{"comm", Filter{Comm: mustGlob(t, "s*")}, "6 unknown"},
		{"path", Filter{Path: mustGlob(t, "/old")}, "2 unloaded /old, 4 as 2 unloaded /old, 6 unknown"},
		{"executable", Filter{Path: mustGlob(t, "/e")}, "5 exec, 6 unknown"},
		{"build ID of either side", Filter{BuildID: "bb", PIDs: []uint32{1}}, "1 upgraded /a"},
		{"files of the new", Filter{BuildID: "aa", PIDs: []uint32{7, 3}}, "new 7"},
	} {
		if got := diffText(DiffSessions(a, b, DiffOptions{Filter: tc.filter})); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
		mirrored(t, a, b, DiffOptions{Filter: tc.filter})
	}
}

func TestFileChangeNames(t *testing.T) {
	for c, want := range map[FileChange]string{
		0: "", FileMoved: "moved", FileDeleted | FileRenamed: "deleted|renamed", 1 << 15: "15",
	} {
		if c.String() != want {
			t.Errorf("%d is %q, want %q", uint16(c), c, want)
		}
	}
}
