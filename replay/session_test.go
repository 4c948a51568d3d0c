package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// hostLine is the start of every test recording.
const hostLine = `host time=1 monotonic=1 boottime=1 realtime=1 page_size=4096 source=ioctl content=exec-file hostname="h"
`

// parse reads records in the text form.
func parse(t testing.TB, text string) []format.Record {
	t.Helper()
	var recs []format.Record
	for r, err := range format.ReadText(strings.NewReader(text)) {
		if err != nil {
			t.Fatalf("%v\nin\n%s", err, text)
		}
		recs = append(recs, r)
	}
	return recs
}

// session applies records in the text form.
func session(t testing.TB, text string) *Session {
	t.Helper()
	s := NewSession()
	for _, r := range parse(t, text) {
		s.Apply(r)
	}
	return s
}

// state writes down all that a Session knows, for comparison.
func state(s *Session) string {
	var b strings.Builder
	for p := range s.Processes() {
		fmt.Fprintf(&b, "%d %s %s", p.PID, p.Comm, p.Status())
		if !p.Known {
			b.WriteString(" unknown")
		}
		if p.UncertainSince != 0 {
			fmt.Fprintf(&b, " uncertain since %d", p.UncertainSince)
		}
		b.WriteString("\n")
		for m := range p.Space.All() {
			fmt.Fprintf(&b, "  %x-%x %x %s\n", m.Start, m.End, m.Offset, m.File.Path)
		}
	}
	return b.String()
}

const walkOfTwo = `snapshot-begin time=2 id=1 source=ioctl
process time=3 pid=10 tid=10 start_time=5 snapshot=1 status=complete source=ioctl vmas=2 comm="ten"
mmap time=3 pid=10 tid=10 start=0x1000 len=0x2000 dev=08:01 ino=7 prot=r-xp kind=exec-file walked path="/a"
mmap time=3 pid=10 tid=10 start=0x8000 len=0x1000 pgoff=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file walked path="/b"
process time=4 pid=11 tid=11 start_time=6 snapshot=1 status=complete source=ioctl vmas=1 comm="eleven"
mmap time=4 pid=11 tid=11 start=0x5000 len=0x1000 dev=08:01 ino=7 prot=r-xp kind=exec-file walked path="/a"
`

func TestSession(t *testing.T) {
	for _, tc := range []struct{ name, records, want string }{
		{"walk", walkOfTwo, "10 ten complete\n  1000-3000 0 /a\n  8000-9000 1000 /b\n11 eleven complete\n  5000-6000 0 /a\n"},
		{"set and clear", walkOfTwo + `
mmap time=5 pid=11 tid=12 start=0x7000 len=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file path="/b"
clear time=6 pid=10 tid=10 start=0x2000 len=0x7000
`, "10 ten complete\n  1000-2000 0 /a\n11 eleven complete\n  5000-6000 0 /a\n  7000-8000 0 /b\n"},
		{"fork copies", walkOfTwo + `
fork time=5 pid=12 tid=12 ppid=11 ptid=11 start_time=9
clear time=6 pid=11 tid=11 start=0x5000 len=0x1000
`, "10 ten complete\n  1000-3000 0 /a\n  8000-9000 1000 /b\n11 eleven complete\n12 eleven unknown\n  5000-6000 0 /a\n"},
		{"fork with CLONE_VM shares until exec", walkOfTwo + `
fork time=5 pid=12 tid=12 ppid=11 ptid=11 start_time=9 shares_vm
clear time=6 pid=12 tid=12 start=0x5000 len=0x1000
exec time=7 pid=12 tid=12 comm="new" exe="/n"
mmap time=8 pid=12 tid=12 start=0x9000 len=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file path="/b"
exit time=9 pid=10 tid=10 group
`, "11 eleven complete\n12 new unknown\n  9000-a000 0 /b\n"},
		{"stated fork starts empty", walkOfTwo + `
fork time=5 pid=12 tid=12 ppid=11 ptid=11 start_time=9 stated
mmap time=5 pid=12 tid=12 start=0x9000 len=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file path="/b"
exit time=9 pid=10 tid=77
exit time=9 pid=11 tid=11 group
`, "10 ten complete\n  1000-3000 0 /a\n  8000-9000 1000 /b\n12 eleven unknown\n  9000-a000 0 /b\n"},
		{"loss is uncertain until a walk repairs it", walkOfTwo + `
lost time=20 count=3 from=15 cpu=-1 reason=ring
snapshot-begin time=21 id=2 kind=repair pid=10
process time=22 pid=10 tid=10 start_time=5 snapshot=2 status=complete source=ioctl comm="ten"
snapshot-end time=23 id=2 pid=10
`, "10 ten complete\n11 eleven complete uncertain since 15\n  5000-6000 0 /a\n"},
		{"keyframe drops what it does not find, keeps what is born", walkOfTwo + `
fork time=20 pid=14 tid=14 ppid=11 ptid=11 start_time=8
snapshot-begin time=21 id=2 kind=keyframe
fork time=21 pid=12 tid=12 ppid=11 ptid=11 start_time=9
process time=22 pid=10 tid=10 start_time=5 snapshot=2 status=complete source=ioctl comm="ten"
snapshot-end time=23 id=2
`, "10 ten complete\n12 eleven unknown\n  5000-6000 0 /a\n"},
		{"keyframe drops what is only spoken of, keeps what executes", walkOfTwo + soundEnd + `
snapshot-begin time=21 id=2 kind=repair
mmap time=21 pid=30 tid=30 start=0x1000 len=0x1000 ino=7 kind=exec-file path="/a"
clear time=21 pid=31 tid=31 start=0x1000 len=0x1000
comm time=21 pid=32 tid=32 comm="ghost"
exec time=21 pid=33 tid=33 comm="new"
process time=22 pid=10 tid=10 start_time=5 snapshot=2 status=complete source=ioctl comm="ten"
snapshot-end time=23 id=2
`, "10 ten complete\n33 new unknown\n"},
		{"what is born between two snapshots of one number is not kept by the second", walkOfTwo + soundEnd + `
fork time=20 pid=12 tid=12 ppid=11 ptid=11 start_time=9
snapshot-begin time=21 id=1 kind=keyframe
process time=22 pid=10 tid=10 start_time=5 snapshot=1 status=complete source=ioctl comm="ten"
process time=22 pid=11 tid=11 start_time=6 snapshot=1 status=complete source=ioctl comm="eleven"
snapshot-end time=23 id=1
`, "10 ten complete\n11 eleven complete\n"},
		{"shared and not walked", walkOfTwo + `
process time=5 pid=20 tid=20 snapshot=1 status=shared shares_pid=11 comm="twin"
process time=5 pid=21 tid=21 snapshot=1 status=denied errno=13 comm="secret"
process time=5 pid=22 tid=22 snapshot=1 status=vanished
process time=5 pid=23 tid=23 snapshot=1 status=kernel-thread comm="kthreadd"
`, "10 ten complete\n  1000-3000 0 /a\n  8000-9000 1000 /b\n11 eleven complete\n  5000-6000 0 /a\n20 twin shared\n  5000-6000 0 /a\n" +
			"21 secret denied unknown\n23 kthreadd kernel-thread\n"},
		{"pid reused", walkOfTwo + `
process time=30 pid=10 tid=10 start_time=99 snapshot=1 status=complete source=ioctl comm="other"
`, "10 other complete\n11 eleven complete\n  5000-6000 0 /a\n"},
		{"shares with itself", walkOfTwo + `
process time=5 pid=12 tid=12 snapshot=1 status=shared shares_pid=12 comm="self"
mmap time=5 pid=12 tid=12 start=0x7000 len=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file path="/b"
process time=6 pid=10 tid=10 snapshot=1 status=shared shares_pid=10 comm="again"
clear time=7 pid=10 tid=10 start=0x1000 len=0x1000
`, "10 again shared unknown\n11 eleven complete\n  5000-6000 0 /a\n12 self shared unknown\n  7000-8000 0 /b\n"},
		{"what is uncertain is inherited by a fork, not by one that is stated, and ends with an exec", walkOfTwo + `
lost time=20 count=3 from=15 cpu=-1 reason=ring
fork time=21 pid=12 tid=12 ppid=11 ptid=11 start_time=9
fork time=21 pid=13 tid=13 ppid=11 ptid=11 start_time=9 stated
exec time=22 pid=10 tid=10 comm="new"
`, "10 new unknown\n11 eleven complete uncertain since 15\n  5000-6000 0 /a\n12 eleven unknown uncertain since 15\n  5000-6000 0 /a\n" +
			"13 eleven unknown\n"},
		{"the earliest loss counts", walkOfTwo + `
lost time=20 pid=10 count=3 from=15 cpu=-1 reason=ring
lost time=21 pid=10 count=3 from=12 cpu=-1 reason=ring
lost time=22 pid=10 count=3 from=18 cpu=-1 reason=ring
lost time=23 pid=11 count=3 cpu=-1 reason=unknown
`, "10 ten complete uncertain since 12\n  1000-3000 0 /a\n  8000-9000 1000 /b\n11 eleven complete uncertain since 1\n  5000-6000 0 /a\n"},
		{"loss in one process reaches those with its address space", walkOfTwo + `
process time=5 pid=20 tid=20 snapshot=1 status=shared shares_pid=11 comm="twin"
lost time=20 pid=20 count=3 from=15 cpu=-1 reason=lock
lost time=20 pid=99 count=3 from=15 cpu=-1 reason=lock
`, "10 ten complete\n  1000-3000 0 /a\n  8000-9000 1000 /b\n11 eleven complete uncertain since 15\n  5000-6000 0 /a\n" +
			"20 twin shared uncertain since 15\n  5000-6000 0 /a\n"},
		{"the name of a thread is not the process's", walkOfTwo + `
comm time=5 pid=10 tid=12 comm="worker"
comm time=5 pid=11 tid=11 comm="main"
`, "10 ten complete\n  1000-3000 0 /a\n  8000-9000 1000 /b\n11 main complete\n  5000-6000 0 /a\n"},
		{"shares with nobody", walkOfTwo + `
lost time=20 count=3 from=15 cpu=-1 reason=ring
process time=30 pid=10 tid=10 start_time=5 snapshot=1 status=shared shares_pid=99 comm="ten"
`, "10 ten shared unknown\n11 eleven complete uncertain since 15\n  5000-6000 0 /a\n"},
		{"sharing takes over what is uncertain", walkOfTwo + `
lost time=20 count=3 from=15 cpu=-1 reason=ring
process time=30 pid=10 tid=10 start_time=5 snapshot=1 status=shared shares_pid=11 comm="ten"
`, "10 ten shared uncertain since 15\n  5000-6000 0 /a\n11 eleven complete uncertain since 15\n  5000-6000 0 /a\n"},
		{"fork of itself", walkOfTwo + `
fork time=5 pid=11 tid=11 ppid=11 ptid=11 start_time=9
fork time=5 pid=10 tid=10 ppid=10 ptid=10 start_time=9 shares_vm
mmap time=5 pid=11 tid=11 start=0x7000 len=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file path="/b"
`, "10  unknown unknown\n11  unknown unknown\n  7000-8000 0 /b\n"},
		{"exec of an unknown process", `
exec time=7 pid=12 tid=12 comm="new" exe="/n"
`, "12 new unknown\n"},
		{"loss in one process", walkOfTwo + `
lost time=20 pid=11 count=3 from=15 cpu=-1 reason=ring
`, "10 ten complete\n  1000-3000 0 /a\n  8000-9000 1000 /b\n11 eleven complete uncertain since 15\n  5000-6000 0 /a\n"},
		{"snapshot that begins with one process", walkOfTwo + `
snapshot-begin time=21 pid=10 id=2 kind=repair
process time=22 pid=10 tid=10 start_time=5 snapshot=2 status=complete source=ioctl comm="ten"
snapshot-end time=23 id=2
`, "10 ten complete\n11 eleven complete\n  5000-6000 0 /a\n"},
		{"snapshot that ends with one process", walkOfTwo + `
snapshot-begin time=21 id=2 kind=keyframe
process time=22 pid=10 tid=10 start_time=5 snapshot=2 status=complete source=ioctl comm="ten"
snapshot-end time=23 pid=10 id=2
`, "10 ten complete\n11 eleven complete\n  5000-6000 0 /a\n"},
		{"walked twice", walkOfTwo + `
process time=30 pid=10 tid=10 start_time=5 snapshot=1 status=complete source=ioctl comm="same"
`, "10 same complete\n11 eleven complete\n  5000-6000 0 /a\n"},
		{"orphan", "mmap time=5 pid=9 tid=9 start=0x7000 len=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file path=\"/b\"\n",
			"9  unknown unknown\n  7000-8000 0 /b\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := session(t, hostLine+tc.records)
			if got := state(s); got != tc.want {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
		})
	}
}

func TestFilesAreInterned(t *testing.T) {
	s := session(t, hostLine+walkOfTwo)
	a, _ := s.Process(10).Space.Lookup(0x1000)
	b, _ := s.Process(11).Space.Lookup(0x5000)
	if a.File != b.File {
		t.Error("two Files for one file")
	}
}

// TestFilesAreForgotten: memory follows what is mapped, not what ever was.
func TestFilesAreForgotten(t *testing.T) {
	s := session(t, hostLine+walkOfTwo)
	held, _ := s.Process(10).Space.Lookup(0x1000)
	set := func(i uint64, path string) {
		s.Apply(&format.Mmap{Common: format.Common{Time: i, PID: 11, TID: 11}, Start: 0x5000, Length: 0x1000, Inode: i, Kind: format.ContentExecFile, Path: path})
	}
	for i := range uint64(100_000) {
		set(i+100, fmt.Sprintf("/tmp/%d", i))
	}
	if len(s.files) > 2*fewFiles {
		t.Errorf("%d files are known", len(s.files))
	}
	s.Apply(&format.Mmap{Common: format.Common{Time: 1, PID: 11, TID: 11}, Start: 0x9000, Length: 0x1000, Major: 8, Minor: 1, Inode: 7, Kind: format.ContentExecFile, Path: "/a"})
	if again, _ := s.Process(11).Space.Lookup(0x9000); again.File != held.File {
		t.Error("a file that is still mapped was made anew")
	}
}

func TestLookupSaysWhy(t *testing.T) {
	s := session(t, hostLine+walkOfTwo+`
process time=5 pid=21 tid=21 snapshot=1 status=denied errno=13 comm="secret"
process time=5 pid=23 tid=23 snapshot=1 status=kernel-thread comm="kthreadd"
process time=5 pid=25 tid=25 snapshot=1 status=zombie comm="dead"
process time=5 pid=24 tid=24 snapshot=1 status=complete excluded_anon_exec=4 comm="java"
`)
	for _, tc := range []struct {
		pid  uint32
		addr uint64
		miss Miss
		text string
	}{
		{10, 0x8010, Hit, ""},
		{10, 0x3000, NoMapping, "no recorded mapping"},
		{99, 0x3000, NoProcess, "no such process"},
		{21, 0x3000, NotWalked, "denied"},
		{23, 0x3000, NoAddresses, "kernel-thread"},
		{25, 0x3000, NoAddresses, "zombie"},
		{24, 0x3000, NoMapping, "4 anonymous executable"},
	} {
		a := s.Lookup(tc.pid, tc.addr)
		if a.Miss != tc.miss || !strings.Contains(a.Explain(s.Host), tc.text) {
			t.Errorf("%d:%#x is %v, %q; want %v, %q", tc.pid, tc.addr, a.Miss, a.Explain(s.Host), tc.miss, tc.text)
		}
	}
	a := s.Lookup(10, 0x3000)
	for content, leftOut := range map[format.Content]bool{format.ContentExecFile: true, format.ContentExecFile | format.ContentVDSO: false} {
		if why := a.Explain(&format.Host{Content: content}); strings.Contains(why, "[vdso] was left out") != leftOut {
			t.Errorf("with %v: %q", content, why)
		}
	}
	if a := s.Lookup(10, 0x8010); a.Offset != 0x1010 || a.Mapping.File.Path != "/b" {
		t.Errorf("got %+v", a)
	}
}

// file writes records into a recording. End is added if it is not among them.
func file(t testing.TB, recs []format.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := format.NewWriter(&b, recs[0].(*format.Host), format.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs[1:] {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLoad(t *testing.T) {
	b := file(t, parse(t, hostLine+walkOfTwo+soundEnd))
	r, err := format.NewReader(bytes.NewReader(b), format.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := state(session(t, hostLine+walkOfTwo)); state(s) != want {
		t.Errorf("got\n%swant\n%s", state(s), want)
	}
	if _, err := r.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}
