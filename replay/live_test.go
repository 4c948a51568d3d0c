package replay

import (
	"fmt"
	"strings"
	"testing"
)

// liveHost is the start of a recording that follows changes.
var liveHost = strings.Replace(hostLine, "source=ioctl", "source=ioctl hooks=tracepoint", 1)

// sharing is walkOfTwo with a third process, 20, that has the address space of 11.
const sharing = walkOfTwo + `process time=5 pid=20 tid=20 start_time=7 snapshot=1 status=shared shares_pid=11 comm="twin"
snapshot-end time=9 id=1 processes=complete:2,shared:1 mmaps=3 files=2
`

const keyframe = "snapshot-begin time=30 id=2 kind=keyframe\n"

// set is a SET of one page by a hook, or of a walk.
func set(pid, start int, path string, walked bool) string {
	by := ""
	if walked {
		by = " walked"
	}
	return fmt.Sprintf("mmap time=30 pid=%d tid=%d start=%#x len=0x1000 dev=08:01 ino=7 prot=r-xp kind=exec-file%s path=%q\n", pid, pid, start, by, path)
}

func TestLive(t *testing.T) {
	const ten = "10 ten complete\n  1000-3000 0 /a\n  8000-9000 1000 /b\n"
	for _, tc := range []struct{ name, records, want string }{
		{"a thread is no process", sharing + `
fork time=20 pid=10 tid=12 ppid=10 ptid=10 start_time=9 shares_vm
fork time=20 pid=10 tid=13 ppid=10 ptid=12
comm time=20 pid=10 tid=12 comm="worker"
exit time=21 pid=10 tid=12
`, ten + "11 eleven complete\n  5000-6000 0 /a\n20 twin shared\n  5000-6000 0 /a\n"},
		{"born before its parent's walk", `
snapshot-begin time=2 id=1
fork time=2 pid=12 tid=12 ppid=11 ptid=11 start_time=9 stated
` + set(12, 0x9000, "/b", false) + `comm time=2 pid=12 tid=12 comm="child"
process time=3 pid=11 tid=11 start_time=6 snapshot=1 status=complete comm="eleven"
snapshot-end time=4 id=1
`, "11 eleven complete\n12 child unknown\n  9000-a000 0 /b\n"},
		{"walked before the news of its birth", walkOfTwo + `
fork time=20 pid=11 tid=11 ppid=10 ptid=10 start_time=6 stated
` + set(11, 0x9000, "/b", false),
			ten + "11 eleven complete\n  9000-a000 0 /b\n"},
		{"walked before the news of the end of one with the same number", walkOfTwo + `
exit time=20 pid=11 tid=11 group
fork time=20 pid=11 tid=11 ppid=10 ptid=10 start_time=6 stated
` + set(11, 0x9000, "/b", false),
			ten + "11 ten unknown\n  9000-a000 0 /b\n"},
		{"a walk of one restates for all that share", sharing + keyframe + `
process time=31 pid=20 tid=20 start_time=7 snapshot=2 status=complete vmas=1 comm="twin"
` + set(20, 0x7000, "/c", true) + `
clear time=32 pid=11 tid=11 start=0x7000 len=0x1000
` + set(11, 0x9000, "/d", false),
			ten + "11 eleven complete\n  9000-a000 0 /d\n20 twin complete\n  9000-a000 0 /d\n"},
		{"two walks in one snapshot part what was shared", sharing + keyframe + `
process time=31 pid=20 tid=20 start_time=7 snapshot=2 status=complete vmas=1 comm="twin"
` + set(20, 0x7000, "/c", true) + `
process time=31 pid=11 tid=11 start_time=6 snapshot=2 status=complete vmas=1 comm="eleven"
` + set(11, 0x9000, "/d", true),
			ten + "11 eleven complete\n  9000-a000 0 /d\n20 twin complete\n  7000-8000 0 /c\n"},
		{"walks in two snapshots do not", sharing + `
snapshot-begin time=30 id=2 kind=repair pid=20
process time=31 pid=20 tid=20 start_time=7 snapshot=2 status=complete comm="twin"
snapshot-end time=31 id=2 pid=20
snapshot-begin time=30 id=2 kind=repair pid=11
process time=31 pid=11 tid=11 start_time=6 snapshot=2 status=complete vmas=1 comm="eleven"
` + set(11, 0x9000, "/d", true) + "snapshot-end time=31 id=2 pid=11\n",
			ten + "11 eleven complete\n  9000-a000 0 /d\n20 twin complete\n  9000-a000 0 /d\n"},
		{"another process with the number has an address space of its own", sharing + `
process time=31 pid=11 tid=11 start_time=600 snapshot=2 status=complete vmas=1 comm="new"
` + set(11, 0x9000, "/d", true),
			ten + "11 new complete\n  9000-a000 0 /d\n20 twin shared\n  5000-6000 0 /a\n"},
		{"a child that shares, born before its parent's walk", `
snapshot-begin time=2 id=1
fork time=3 pid=12 tid=12 ppid=11 ptid=11 start_time=9 shares_vm
` + set(12, 0x9000, "/b", false) + `
process time=4 pid=11 tid=11 start_time=6 snapshot=1 status=complete vmas=1 comm="eleven"
` + set(11, 0x8000, "/b", true),
			"11 eleven complete\n  8000-9000 0 /b\n12  unknown\n  8000-9000 0 /b\n"},
		{"a child that shares, born before the walk of one that its parent shares with", walkOfTwo + `
fork time=3 pid=13 tid=13 ppid=12 ptid=12 start_time=9 shares_vm
process time=4 pid=12 tid=12 start_time=6 snapshot=1 status=shared shares_pid=11 comm="twelve"
`, ten + "11 eleven complete\n  5000-6000 0 /a\n12 twelve shared\n  5000-6000 0 /a\n13  unknown\n  5000-6000 0 /a\n"},
		{"walked again where the one that was walked has ended", sharing + `
fork time=20 pid=21 tid=21 ppid=20 ptid=20 start_time=9 shares_vm
` + keyframe + `
process time=31 pid=11 tid=11 start_time=6 snapshot=2 status=complete comm="eleven"
exit time=31 pid=11 tid=11 group
process time=32 pid=20 tid=20 start_time=7 snapshot=2 status=complete vmas=1 comm="twin"
` + set(20, 0x7000, "/c", true),
			ten + "20 twin complete\n  7000-8000 0 /c\n21 twin unknown\n  7000-8000 0 /c\n"},
		{"a zombie takes nothing from those that shared with it", sharing + keyframe + `
process time=31 pid=11 tid=11 start_time=6 snapshot=2 status=zombie comm="eleven"
`, ten + "11 eleven zombie\n20 twin shared\n  5000-6000 0 /a\n"},
		{"a walk that says nothing leaves what is known", walkOfTwo + keyframe + `
process time=31 pid=11 tid=11 start_time=6 snapshot=2 status=denied errno=13 comm="eleven"
process time=31 pid=10 tid=10 start_time=5 snapshot=2 status=raced
clear time=32 pid=11 tid=11 start=0x5000 len=0x1000
`, "10 ten raced\n  1000-3000 0 /a\n  8000-9000 1000 /b\n11 eleven denied\n"},
		{"and what is uncertain", walkOfTwo + `
lost time=20 count=3 from=15 cpu=-1 reason=ring
` + keyframe + `
process time=31 pid=11 tid=11 start_time=6 snapshot=2 status=timeout comm="eleven"
process time=31 pid=10 tid=10 start_time=5 snapshot=2 status=complete comm="ten"
snapshot-end time=33 id=2
`, "10 ten complete\n11 eleven timeout uncertain since 15\n  5000-6000 0 /a\n"},
		{"and what some statements told", `
` + set(12, 0x9000, "/d", false) + keyframe + `
process time=31 pid=12 tid=12 snapshot=2 status=denied comm="secret"
`, "12 secret denied unknown\n  9000-a000 0 /d\n"},
		{"raced, but its exec was seen", `
snapshot-begin time=2 id=1
process time=3 pid=12 tid=12 snapshot=1 status=raced comm="old"
exec time=4 pid=12 tid=12 comm="new"
` + set(12, 0x9000, "/d", false), "12 new unknown\n  9000-a000 0 /d\n"},
		{"gone from /proc, but born since", walkOfTwo + keyframe + `
exit time=30 pid=11 tid=11 group
fork time=31 pid=11 tid=11 ppid=10 ptid=10 start_time=600 stated
process time=31 pid=11 tid=11 snapshot=2 status=vanished
process time=31 pid=10 tid=10 start_time=5 snapshot=2 status=vanished
`, "11 ten unknown\n"},
		{"gone from /proc, another one is there", walkOfTwo + `
process time=31 pid=11 tid=11 start_time=4 snapshot=1 status=vanished
`, ten + "11 eleven complete\n  5000-6000 0 /a\n"},
		{"a loss is repaired for all that share", sharing + `
lost time=20 pid=20 count=3 from=15 cpu=-1 reason=lock
snapshot-begin time=21 pid=11 id=2 kind=repair
process time=22 pid=11 tid=11 start_time=6 snapshot=2 status=complete comm="eleven"
snapshot-end time=23 id=2 pid=11
`, ten + "11 eleven complete\n20 twin shared\n"},
		{"a loss that is noticed after a walk is not repaired by it", walkOfTwo + keyframe + `
process time=31 pid=10 tid=10 start_time=5 snapshot=2 status=complete comm="ten"
lost time=35 count=3 from=29 cpu=-1 reason=ring
process time=32 pid=11 tid=11 start_time=6 snapshot=2 status=complete comm="eleven"
snapshot-end time=36 id=2
`, "10 ten complete uncertain since 29\n11 eleven complete uncertain since 29\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := session(t, liveHost+tc.records)
			if got := state(s); got != tc.want {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
			users := make(map[*AddressSpace]int)
			for p := range s.Processes() {
				users[p.AddressSpace]++
			}
			for a, n := range users {
				if a.users != n {
					t.Errorf("an address space counts %d processes, %d have it", a.users, n)
				}
			}
		})
	}
}

// TestExecuted checks what is still said of a process's walk once it runs another program.
func TestExecuted(t *testing.T) {
	s := session(t, liveHost+`
snapshot-begin time=2 id=1
process time=3 pid=12 tid=12 snapshot=1 status=complete excluded_anon_exec=4 excluded_vdso=1 exe_deleted comm="java" exe="/old" cgroup="/c"
process time=3 pid=13 tid=13 snapshot=1 status=kernel-thread comm="kworker"
snapshot-end time=4 id=1 processes=complete:1,kernel-thread:1
`)
	p := s.Process(12)
	if sum := s.Summary(); !p.ExeDeleted() || p.Followed() || sum.ExcludedAnonExec != 4 || sum.Followed != 0 {
		t.Errorf("before: %+v, %+v", p, sum)
	}
	for _, r := range parse(t, `
exec time=5 pid=12 tid=12 comm="sh" exe="/new"
exec time=5 pid=13 tid=13 comm="modprobe"
fork time=6 pid=14 tid=14 ppid=12 ptid=12 start_time=9 stated
`) {
		s.Apply(r)
	}
	if p.ExeDeleted() || !p.Followed() || p.Exe != "/new" || p.Walk.Cgroup != "/c" {
		t.Errorf("after: %+v", p)
	}
	if a := s.Lookup(12, 0x1000); a.Miss != NoMapping || strings.Contains(a.Explain(s.Host), "4 anonymous") {
		t.Errorf("%v, %q", a.Miss, a.Explain(s.Host))
	}
	if a := s.Lookup(13, 0x1000); a.Miss != NoMapping {
		t.Errorf("a kernel thread that executed a program: %v", a.Miss)
	}
	if s.Process(14).Exe != "/new" {
		t.Errorf("the child runs %q", s.Process(14).Exe)
	}
	sum := s.Summary()
	if sum.Followed != 3 || len(sum.Processes) != 1 || sum.ExcludedAnonExec != 0 || sum.ExcludedVDSO != 0 {
		t.Errorf("%+v", sum)
	}
	if gaps := sum.Incomplete(); len(gaps) != 1 || !strings.Contains(gaps[0], "no End record") {
		t.Errorf("said to miss %q", gaps)
	}
}

func TestDrift(t *testing.T) {
	walk := func(time int, more string) string {
		return fmt.Sprintf("process time=%d pid=11 tid=11 start_time=6 snapshot=2 status=complete comm=\"eleven\" ", time) + more + "\n"
	}
	const same = `mmap time=31 pid=11 tid=11 start=0x5000 len=0x1000 dev=08:01 ino=7 prot=r-xp kind=exec-file walked`
	for _, tc := range []struct {
		name, records   string
		restated, drift uint64
		first           string
	}{
		{"none", sharing + keyframe + walk(31, "vmas=1") + same + ` path="/a"`, 1, 0, ""},
		{"initial", sharing, 0, 0, ""},
		{"missing", sharing + keyframe + walk(31, "vmas=2") + same + " path=\"/a\"\n" + set(11, 0x8000, "/x", true), 1, 1, "missing 8000-9000"},
		{"extra", sharing + keyframe + walk(31, ""), 1, 1, "extra 5000-6000"},
		{"differs", sharing + keyframe + walk(31, "vmas=1") + strings.Replace(same, "ino=7", "ino=8", 1) + ` path="/a"`, 1, 1, "differs 5000-6000"},
		{"renamed", sharing + keyframe + walk(31, "vmas=1") + same + ` deleted path="/c"`, 1, 0, ""},
		{"more is known", sharing + keyframe + walk(31, "vmas=1") + same + ` gen=5 has_gen build_id=aa path="/a"`, 1, 0, ""},
		{"cut differently", sharing + set(11, 0x6000, "/a", false) + keyframe + walk(31, "vmas=2") + same + " path=\"/a\"\n" + set(11, 0x6000, "/a", true), 1, 0, ""},
		{"not covered by hooks", sharing + keyframe + walk(31, "vmas=2") + same + " path=\"/a\"\n" +
			strings.Replace(set(11, 0x8000, "/x", true), "exec-file", "data-file", 1), 1, 0, ""},
		{"told a moment later", sharing + keyframe + walk(31, "") + "clear time=32 pid=11 tid=11 start=0x4000 len=0x3000\n", 1, 0, ""},
		{"told in parts", sharing + keyframe + walk(31, "") + "clear time=32 pid=11 tid=11 start=0x5800 len=0x800\nclear time=33 pid=11 tid=11 start=0x5000 len=0x800\n", 1, 0, ""},
		{"told in part", sharing + keyframe + walk(31, "") + "clear time=32 pid=11 tid=11 start=0x5000 len=0x800\n", 1, 1, "extra 5000-6000"},
		{"told by another", sharing + keyframe + walk(31, "") + "clear time=32 pid=10 tid=10 start=0x5000 len=0x1000\n", 1, 1, "extra 5000-6000"},
		{"told too late", sharing + keyframe + walk(31, "") + "clear time=1000000032 pid=11 tid=11 start=0x5000 len=0x1000\n", 1, 1, "extra 5000-6000"},
		{"loading a program", sharing + keyframe + walk(31, "vmas=1") + set(11, 0x8000, "/new", true) + "exec time=40 pid=11 tid=11 old_tid=11 comm=\"new\"\n", 1, 0, ""},
		{"after a loss", sharing + "lost time=20 count=1 from=15 cpu=-1\n" + keyframe + walk(31, ""), 0, 0, ""},
		{"a loss that is noticed later", sharing + keyframe + walk(31, "") + "lost time=40 count=1 from=30 cpu=-1\n", 1, 0, ""},
		{"a loss of its own", sharing + keyframe + walk(31, "") + "lost time=40 pid=11 tid=11 count=1 from=31 cpu=-1\n", 1, 0, ""},
		{"a loss since", sharing + keyframe + walk(31, "") + "lost time=40 count=1 from=32 cpu=-1\n", 1, 1, "extra 5000-6000"},
		{"a loss of another", sharing + keyframe + walk(31, "") + "lost time=40 pid=10 tid=10 count=1 from=30 cpu=-1\n", 1, 1, "extra 5000-6000"},
		{"a loss of nobody", sharing + keyframe + walk(31, "") + "lost time=40 pid=99 tid=99 count=1 from=30 cpu=-1\n", 1, 1, "extra 5000-6000"},
		{"another process", sharing + keyframe + strings.Replace(walk(31, ""), "start_time=6", "start_time=60", 1), 0, 0, ""},
		{"denied", sharing + keyframe + strings.Replace(walk(31, ""), "complete", "denied", 1), 0, 0, ""},
		{"parted", sharing + keyframe + walk(31, "vmas=1") + same + " path=\"/a\"\nprocess time=31 pid=20 tid=20 start_time=7 snapshot=2 status=complete comm=\"twin\"\n", 1, 0, ""},
		{"walk that is not whole", sharing + keyframe + walk(31, "vmas=2") + same + " path=\"/a\"\nclear time=31 pid=10 tid=10 start=0x1000 len=0x1000\n", 0, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := session(t, liveHost+tc.records)
			if s.Stats.Restated != tc.restated || s.Stats.Drift != tc.drift || s.Stats.DriftProcesses != tc.drift || len(s.Drifts) != int(tc.drift) {
				t.Fatalf("%+v, %v", s.Stats, s.Drifts)
			}
			if tc.drift == 0 {
				return
			}
			d := s.Drifts[0]
			if got := fmt.Sprintf("%s %x-%x", d.Verdict, d.Start, d.End); got != tc.first || d.PID != 11 || d.Comm != "eleven" || d.Time != 31 {
				t.Errorf("%s: %+v", got, d)
			}
			sum := s.Summary()
			if gaps := strings.Join(sum.Incomplete(), "\n"); !strings.Contains(gaps, "in 1 intervals a later walk found what no statement had told") {
				t.Errorf("said to miss %q", gaps)
			}
		})
	}
}

func TestLosses(t *testing.T) {
	const one = "lost time=20 count=3 from=15 cpu=0 reason=ring\n"
	wide := func(id, time int) string {
		return fmt.Sprintf(`snapshot-begin time=%d id=%d kind=repair
process time=%d pid=10 tid=10 start_time=5 snapshot=%d status=complete comm="ten"
process time=%d pid=11 tid=11 start_time=6 snapshot=%d status=complete comm="eleven"
process time=%d pid=20 tid=20 start_time=7 snapshot=%d status=shared shares_pid=11 comm="twin"
snapshot-end time=%d id=%d
`, time, id, time+1, id, time+2, id, time+3, id, time+4, id)
	}
	for _, tc := range []struct{ name, records, want, says string }{
		{"none", "", "", ""},
		{"open", one, "0 15-20 ring 3 open", "3 statements lost (ring) in 1 window of time, not repaired"},
		{"of several CPUs", one + "lost time=21 count=4 from=14 cpu=1 reason=ring\n", "0 14-21 ring 7 open", "7 statements lost (ring) in 1 window of time, not repaired"},
		{"through several doors", one + "lost time=20 from=14 cpu=1 reason=recursion\n", "0 15-20 ring 3 open, 0 14-20 recursion 0 open", "3 statements lost (ring, recursion) in 2 windows of time, not repaired"},
		{"repaired", one + wide(2, 30), "0 15-20 ring 3 repaired 34", "3 statements lost (ring) in 1 window of time, all repaired by later walks"},
		{"again", one + wide(2, 30) + "lost time=50 from=45 cpu=-1 reason=ring\n", "0 15-20 ring 3 repaired 34, 0 45-50 ring 0 open", "3 statements lost (ring) in 2 windows of time, 1 of them not repaired"},
		{"during a snapshot", "snapshot-begin time=12 id=3\n" + one + "snapshot-end time=21 id=3\n", "0 15-20 ring 3 open", "not repaired"},
		{"before and during a snapshot", "lost time=2 count=1 from=1 cpu=0 reason=ring\nsnapshot-begin time=12 id=3\nprocess time=13 pid=10 tid=10 snapshot=3 status=complete comm=\"ten\"\n" + one + "snapshot-end time=21 id=3\n",
			"0 1-2 ring 1 repaired 21, 0 15-20 ring 3 open", "1 of them not repaired"},
		{"of an address space", "lost time=20 pid=20 count=1 from=15 cpu=-1 reason=lock\n" + `snapshot-begin time=21 id=2 kind=repair pid=11
process time=22 pid=11 tid=11 start_time=6 snapshot=2 status=complete comm="eleven"
snapshot-end time=23 id=2 pid=11
`, "20 15-20 lock 1 repaired 22", "all repaired"},
		{"of one that could not be walked", "lost time=20 pid=10 count=1 from=15 cpu=-1 reason=torn\n" +
			strings.Replace(wide(2, 30), "status=complete comm=\"ten\"", "status=denied comm=\"ten\"", 1), "10 15-20 torn 1 open", "not repaired"},
		{"of one that executes", "lost time=20 pid=10 count=1 from=15 cpu=-1 reason=torn\nexec time=25 pid=10 tid=10\n", "10 15-20 torn 1 repaired 25", "all repaired"},
		{"of one that ends, not its twin", "lost time=20 pid=20 count=1 from=15 cpu=-1 reason=torn\nexit time=25 pid=11 tid=11 group\n", "20 15-20 torn 1 open", "not repaired"},
		{"of two that end", "lost time=20 pid=20 count=1 from=15 cpu=-1 reason=torn\nexit time=25 pid=11 tid=11 group\nexit time=26 pid=20 tid=20 group\n", "20 15-20 torn 1 repaired 26", "all repaired"},
		{"of nobody knows how many", "lost time=20 from=15 cpu=-1\n", "0 15-20 unknown 0 open", "an unknown number of statements lost (unknown)"},
		{"of one that is not known", "lost time=20 pid=99 from=15 cpu=-1 reason=lock\n" + wide(2, 30), "99 15-20 lock 0 repaired 34", "all repaired"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := session(t, liveHost+sharing+tc.records)
			var got []string
			for _, l := range s.Losses {
				text := fmt.Sprintf("%d %d-%d %s %d ", l.PID, l.From, l.Detected, l.Reason, l.Count)
				if l.Repaired == 0 {
					text += "open"
				} else {
					text += fmt.Sprintf("repaired %d", l.Repaired)
				}
				got = append(got, text)
			}
			if all := strings.Join(got, ", "); all != tc.want {
				t.Errorf("got %s, want %s", all, tc.want)
			}
			sum := s.Summary()
			if gaps := strings.Join(sum.Incomplete(), "\n"); !strings.Contains(gaps, tc.says) || tc.says == "" && strings.Contains(gaps, "lost") {
				t.Errorf("said to miss %q, want %q", gaps, tc.says)
			}
			if s.Stats.LossWindows != uint64(len(s.Losses)) {
				t.Errorf("%d windows counted, %d kept", s.Stats.LossWindows, len(s.Losses))
			}
		})
	}
}

// TestManyLosses: what a Session keeps of losses and drift is bounded.
func TestManyLosses(t *testing.T) {
	var b strings.Builder
	const n = 400
	for i := range n {
		fmt.Fprintf(&b, "lost time=%d pid=%d count=1 from=%d cpu=-1 reason=lock\n", 20+i, 10+i%2, 20+i)
		if i%2 == 1 {
			fmt.Fprintf(&b, "snapshot-begin time=%d id=%d\nprocess time=%[1]d pid=10 tid=10 start_time=5 snapshot=%[2]d status=complete\nsnapshot-end time=%[1]d id=%[2]d\n", 30+i, i)
			fmt.Fprintf(&b, "fork time=%d pid=11 tid=11 ppid=10 ptid=10 start_time=6 stated\n", 30+i)
			fmt.Fprint(&b, set(10, 0x1000, "/x", false))
		}
	}
	s := session(t, liveHost+walkOfTwo+b.String())
	if s.Stats.LossWindows != n || len(s.Losses) != maxLosses || s.Losses[0].Repaired == 0 {
		t.Errorf("%d windows, %d kept: %+v", s.Stats.LossWindows, len(s.Losses), s.Losses[0])
	}
	for i := range n {
		for _, r := range parse(t, fmt.Sprintf("process time=%d pid=10 tid=10 start_time=5 status=complete vmas=%d\n", 999+i, i%2)+strings.Repeat(set(10, 0x1000, "/x", true), i%2)) {
			s.Apply(r)
		}
	}
	if len(s.Drifts) != maxDrifts || s.Stats.Drift != n {
		t.Errorf("%d drifts, %d kept", s.Stats.Drift, len(s.Drifts))
	}
}
