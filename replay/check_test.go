package replay

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vmasnap/vmasnap/format"
)

const soundEnd = "snapshot-end time=9 id=1 processes=complete:2 mmaps=3 files=2\n"

func TestCheck(t *testing.T) {
	for _, tc := range []struct{ name, records, want string }{
		{"sound", walkOfTwo + soundEnd, ""},
		{"snapshot without end", walkOfTwo, "snapshot 1 does not end"},
		{"count of mappings", walkOfTwo + "snapshot-end time=9 id=1 processes=complete:2 mmaps=4 files=2\n", "counts 4 mappings, but holds 3"},
		{"count of processes", walkOfTwo + "snapshot-end time=9 id=1 processes=complete:1 mmaps=3 files=2\n", "counts processes"},
		{"count of files", walkOfTwo + "snapshot-end time=9 id=1 processes=complete:2 mmaps=3 files=9\n", "counts 9 files, but holds 2"},
		{"process without its mappings", strings.Replace(walkOfTwo, "vmas=1", "vmas=2", 1) + soundEnd, "1 mappings of the walk of process 11 are missing"},
		{"mapping without a walk", walkOfTwo + "mmap time=3 pid=11 tid=1 start=0x9000 len=0x1000 prot=r-xp kind=exec-file walked path=\"/a\"\n", "belongs to no walk"},
		{"mapping of another process", strings.Replace(walkOfTwo, "mmap time=3 pid=10 tid=10 start=0x8000", "mmap time=3 pid=11 tid=11 start=0x8000", 1) + soundEnd, "1 mappings of the walk of process 10 are missing"},
		{"shares with itself", walkOfTwo + "process time=4 pid=12 tid=12 snapshot=1 status=shared shares_pid=12\n", "was not walked before"},
		{"shares in a snapshot of its own", walkOfTwo + soundEnd + `snapshot-begin time=12 id=2 pid=12
process time=13 pid=12 tid=12 snapshot=2 status=shared shares_pid=11
snapshot-end time=14 id=2 pid=12 processes=shared:1
`, ""},
		{"shares in a snapshot of its own with one that is not known", walkOfTwo + "process time=4 pid=13 tid=13 snapshot=1 status=denied\nsnapshot-end time=9 id=1 processes=complete:2,denied:1 mmaps=3 files=2\n" + `snapshot-begin time=12 id=2 pid=12
process time=13 pid=12 tid=12 snapshot=2 status=shared shares_pid=13
snapshot-end time=14 id=2 pid=12 processes=shared:1
`, "was not walked before"},
		{"only files are files", strings.Replace(walkOfTwo, `ino=8 prot=r-xp kind=exec-file walked path="/b"`, `ino=0 prot=r-xp kind=vdso walked path="[vdso]"`, 1) +
			"snapshot-end time=9 id=1 processes=complete:2 mmaps=3 files=1\n", ""},
		{"data files are files", strings.Replace(walkOfTwo, `prot=r-xp kind=exec-file walked path="/b"`, `prot=r--p kind=data-file walked path="/b"`, 1) + soundEnd, ""},
		{"hook between the mappings of a walk", strings.Replace(walkOfTwo, "mmap time=3 pid=10 tid=10 start=0x8000", "mmap time=3 pid=10 tid=10 start=0x9000 len=0x1000 prot=r-xp kind=exec-file path=\"/h\"\nmmap time=3 pid=10 tid=10 start=0x8000", 1) + soundEnd, "1 mappings of the walk of process 10 are missing"},
		{"descending walk", strings.Replace(walkOfTwo, "start=0x8000", "start=0x2000", 1) + soundEnd, "begins before the end 0x3000"},
		{"not page aligned", walkOfTwo + soundEnd + "clear time=9 pid=10 tid=1 start=0x1001 len=0x1000\n", "page size 4096"},
		{"empty interval", walkOfTwo + soundEnd + "clear time=9 pid=10 tid=1 start=0x1000\n", "empty interval"},
		{"wraps", walkOfTwo + soundEnd + "clear time=9 pid=10 tid=1 start=0xfffffffffffff000 len=0x2000\n", "wraps around"},
		{"process twice", walkOfTwo + "process time=4 pid=11 tid=11 snapshot=1 status=denied\n", "process 11 twice"},
		{"shares with nobody", walkOfTwo + "process time=4 pid=12 tid=12 snapshot=1 status=shared shares_pid=99\n", "was not walked before"},
		{"shares with one that shares", walkOfTwo + "process time=4 pid=12 tid=12 snapshot=1 status=shared shares_pid=11\nprocess time=4 pid=13 tid=13 snapshot=1 status=shared shares_pid=12\n" +
			"snapshot-end time=9 id=1 processes=complete:2,shared:2 mmaps=3 files=2\n", ""},
		{"shares with one that was denied", walkOfTwo + "process time=4 pid=12 tid=12 snapshot=1 status=denied\nprocess time=4 pid=13 tid=13 snapshot=1 status=shared shares_pid=12\n", "process 13 shares the address space of 12, which was not walked before it"},
		{"shares with one born since", walkOfTwo + "fork time=4 pid=12 tid=12 ppid=11 ptid=11 start_time=9 shares_vm\nprocess time=4 pid=13 tid=13 snapshot=1 status=shared shares_pid=12\n" +
			"snapshot-end time=9 id=1 processes=complete:2,shared:1 mmaps=3 files=2\n", ""},
		{"process outside", soundEnd + "process time=4 pid=12 tid=12 snapshot=7 status=complete\n", "snapshot 7, which is not under way"},
		{"nested", walkOfTwo + "snapshot-begin time=9 id=2\n", "begins inside"},
		{"end alone", "snapshot-end time=9 id=4\n", "not under way"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := format.NewReader(bytes.NewReader(file(t, parse(t, hostLine+tc.records))), format.ReaderOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			s := Check(r, func(p *Problem) { got = append(got, p.Error()) })
			all := strings.Join(got, "\n")
			if tc.want == "" && all != "" || !strings.Contains(all, tc.want) {
				t.Errorf("problems:\n%s\nwant %q", all, tc.want)
			}
			if s.End == nil {
				t.Error("End was not reached")
			}
		})
	}
}

func TestCheckTruncated(t *testing.T) {
	b := file(t, parse(t, hostLine+walkOfTwo+soundEnd))
	r, err := format.NewReader(bytes.NewReader(b[:len(b)*2/3]), format.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	problems := 0
	Check(r, func(p *Problem) {
		problems++
		if !errors.Is(p, format.ErrTruncated) {
			t.Errorf("%v is not ErrTruncated", p)
		}
	})
	if problems != 1 {
		t.Errorf("%d problems, want the truncation alone", problems)
	}
}

// TestCheckUnreadable: an error of the input is no problem of the recording.
func TestCheckUnreadable(t *testing.T) {
	b := file(t, parse(t, hostLine+walkOfTwo+soundEnd))
	broken := errors.New("broken disk")
	r, err := format.NewReader(io.MultiReader(bytes.NewReader(b[:len(b)-1]), iotest.ErrReader(broken)), format.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	Check(r, func(p *Problem) { t.Error(p) })
	if _, err := r.Read(); !errors.Is(err, broken) {
		t.Errorf("Read returns %v behind Check, want %v", err, broken)
	}
}

// TestCheckEnd has End records that no Writer makes.
func TestCheckEnd(t *testing.T) {
	for _, tc := range []struct{ end, want string }{
		{"end time=99 records=8 mmaps=3", ""},
		{"end time=99 records=8 mmaps=3 lost=5", "5 lost statements, but the Lost records 0"},
		{"end time=5 records=8 mmaps=3", "time 5 lies before the latest record's 9"},
		{"end time=99 records=9 mmaps=3", "but End says 9 and 3"},
	} {
		var raw []byte
		for _, r := range parse(t, hostLine+walkOfTwo+soundEnd+tc.end+"\n") {
			var err error
			if raw, err = format.AppendRecord(raw, r); err != nil {
				t.Fatal(err)
			}
		}
		r, err := format.NewReader(bytes.NewReader(raw), format.ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		Check(r, func(p *Problem) { got = append(got, p.Error()) })
		if all := strings.Join(got, "\n"); tc.want == "" && all != "" || !strings.Contains(all, tc.want) {
			t.Errorf("%s: %q, want %q", tc.end, all, tc.want)
		}
	}
}
