package replay

import (
	"bytes"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// problems checks a recording in the text form.
func problems(t *testing.T, text string) string {
	t.Helper()
	r, err := format.NewReader(bytes.NewReader(file(t, parse(t, text))), format.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	Check(r, func(p *Problem) { got = append(got, p.Error()) })
	return strings.Join(got, "\n")
}

func TestCheckLive(t *testing.T) {
	const (
		lost   = "lost time=50 count=1 from=10 cpu=-1 reason=ring\n"
		reborn = "fork time=20 pid=11 tid=11 ppid=10 ptid=10 start_time=600 stated\n"
		stray  = "exit time=20 pid=99 tid=99 group\n"
	)
	sound := walkOfTwo + soundEnd
	for _, tc := range []struct{ name, records, want string }{
		{"life", sound + `
fork time=20 pid=12 tid=12 ppid=11 ptid=11 start_time=9 stated
comm time=21 pid=12 tid=12 comm="child"
fork time=21 pid=12 tid=13 ppid=12 ptid=12
exec time=22 pid=12 tid=12 comm="new"
exit time=23 pid=12 tid=13
exit time=24 pid=12 tid=12 group
fork time=25 pid=12 tid=12 ppid=11 ptid=11 start_time=90 stated
exit time=26 pid=77 tid=78
comm time=26 pid=77 tid=78 comm="thread"
`, ""},
		{"born again", sound + reborn, "record 8 (byte "},
		{"born again, says", sound + reborn, "process 11 is born again, but has not ended"},
		{"born again, lost", sound + reborn + lost, ""},
		{"lost later", sound + reborn + strings.Replace(lost, "from=10", "from=30", 1), "born again"},
		{"lost elsewhere", sound + reborn + strings.Replace(lost, "time=50", "time=50 pid=10", 1), "born again"},
		{"walked before the news of its birth", sound + strings.Replace(reborn, "600", "6", 1), ""},
		{"a zombie's number", strings.Replace(sound, "snapshot-end", "process time=5 pid=30 tid=30 start_time=2 snapshot=1 status=zombie\nsnapshot-end", 1) +
			"fork time=20 pid=30 tid=30 ppid=11 ptid=11 start_time=90\n", "counts processes"},
		{"end of the unknown", sound + stray, "the end of process 99, which nothing has introduced"},
		{"end of the unknown, lost", sound + stray + lost, ""},
		{"before the first snapshot is complete", stray + walkOfTwo + stray + soundEnd, ""},
		{"mapping", sound + set(99, 0x1000, "/x", false), "a mapping of process 99"},
		{"clear", sound + "clear time=20 pid=99 tid=99 start=0x1000 len=0x1000\n", "a statement about process 99"},
		{"exec", sound + "exec time=20 pid=99 tid=99\n", "an exec of process 99"},
		{"name", sound + "comm time=20 pid=99 tid=99 comm=\"x\"\n", "a name of process 99"},
		{"vanished, then its end", sound + "snapshot-begin time=30 id=2 kind=repair pid=11\nprocess time=30 pid=11 tid=11 snapshot=2 status=vanished\nsnapshot-end time=31 id=2 pid=11 processes=vanished:1\nexit time=31 pid=11 tid=11 group\n", ""},
		{"not found, then its end", sound + keyframe + "process time=31 pid=10 tid=10 snapshot=2 status=complete\nsnapshot-end time=32 id=2 processes=complete:1\nexit time=31 pid=11 tid=11 group\n", ""},
		{"not found, born again, its end twice", sound + keyframe + "process time=31 pid=10 tid=10 snapshot=2 status=complete\nsnapshot-end time=32 id=2 processes=complete:1\n" +
			reborn + "exit time=33 pid=11 tid=11 group\nexit time=33 pid=11 tid=11 group\n", "the end of process 11"},
		{"followed from now on", sound + set(99, 0x1000, "/x", false) + `snapshot-begin time=20 pid=99 id=2 kind=initial
process time=30 pid=99 tid=99 snapshot=2 status=complete
snapshot-end time=31 pid=99 id=2 processes=complete:1
`, ""},
		{"statements between the processes of a snapshot", strings.Replace(walkOfTwo, "process time=4", "clear time=4 pid=10 tid=10 start=0x1000 len=0x1000\nprocess time=4", 1) + soundEnd, ""},
		{"statement behind a process without mappings", sound + keyframe + "process time=31 pid=11 tid=11 snapshot=2 status=complete\n" + set(11, 0x1000, "/x", false) + "snapshot-end time=32 id=2 processes=complete:1\n", ""},
		{"ends within a snapshot", sound + keyframe, ""},
		{"repair within a keyframe", sound + keyframe + "snapshot-begin time=30 id=3 kind=repair pid=11\n", "snapshot 3 begins inside snapshot 2"},
		{"far back", sound + "comm time=900000000000 pid=10 tid=10 comm=\"x\"\ncomm time=200000000000 pid=10 tid=10 comm=\"x\"\ncomm time=3 pid=10 tid=10 comm=\"x\"\n", "time 200000000000 lies 700 s before"},
		{"a little back", sound + "comm time=900000000000 pid=10 tid=10 comm=\"x\"\ncomm time=400000000000 pid=10 tid=10 comm=\"x\"\nclear pid=10 tid=10 start=0x1000 len=0x1000\n", ""},
		{"loss from the future", sound + "lost time=20 from=21 cpu=-1\n", "a loss from 21 on was noticed at 20 already"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := problems(t, liveHost+tc.records)
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) || strings.Count(got, "\n") > 0 {
				t.Errorf("problems:\n%s\nwant %q", got, tc.want)
			}
		})
	}
	// Who follows nothing, or imports what another tool wrote, promises nothing.
	for _, host := range []string{hostLine, strings.Replace(hostLine, "source=ioctl", "source=import hooks=import", 1)} {
		if got := problems(t, host+sound+reborn+stray); got != "" {
			t.Errorf("problems:\n%s", got)
		}
	}
}

// TestCheckCutOff: behind the cut there may have been the loss that explains.
func TestCheckCutOff(t *testing.T) {
	var b bytes.Buffer
	recs := parse(t, liveHost+walkOfTwo+soundEnd+"exit time=20 pid=99 tid=99 group\n")
	w, err := format.NewWriter(&b, recs[0].(*format.Host), format.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs[1:] {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	cut := bytes.Clone(b.Bytes())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		file []byte
		want int
	}{{cut, 1}, {b.Bytes()[:b.Len()-1], 2}, {b.Bytes(), 1}} {
		r, err := format.NewReader(bytes.NewReader(tc.file), format.ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		Check(r, func(p *Problem) { got = append(got, p.Error()) })
		if len(got) != tc.want {
			t.Errorf("%d of %d bytes: %q", len(tc.file), b.Len(), got)
		}
	}
}
