package replay_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// Three seconds of a machine: at second 1 a server has a plugin, at 2 it has reloaded it, at 3 a
// child was forked; what was told of process 42 between 3.4 and 3.5 s was lost.
const followed = `
host time=1000000000 monotonic=1000000000 realtime=1795197600000000000 page_size=4096 hooks=tracepoint content=exec-file hostname="web1"
snapshot-begin time=1000000000 id=1
process time=1000000000 pid=42 tid=42 snapshot=1 status=complete vmas=1 comm="server"
mmap time=1000000000 pid=42 tid=42 start=0x7f2000000000 len=0x3000 pgoff=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file walked build_id=aa01 path="/opt/plugin.so"
snapshot-end time=1000000000 id=1 processes=complete:1 mmaps=1 files=1
clear time=2000000000 pid=42 tid=42 start=0x7f2000000000 len=0x3000
mmap time=2000000000 pid=42 tid=42 start=0x7f2000000000 len=0x3000 pgoff=0x1000 dev=08:01 ino=9 prot=r-xp kind=exec-file build_id=aa02 path="/opt/plugin.so"
fork time=3000000000 pid=43 tid=43 ppid=42 ptid=42 stated
mmap time=3000000000 pid=43 tid=43 start=0x7f2000000000 len=0x3000 pgoff=0x1000 dev=08:01 ino=9 prot=r-xp kind=exec-file build_id=aa02 path="/opt/plugin.so"
lost time=3500000000 pid=42 from=3400000000 count=1 cpu=-1 reason=lock
exit time=4000000000 pid=43 tid=43 group
`

// open opens the bytes of a recording. A file is opened with its size: it is an io.ReaderAt.
func open(text string) *replay.Recording {
	file := record(text)
	r, err := replay.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		log.Fatal(err)
	}
	return r
}

// at returns the state at a time as people write it.
func at(r *replay.Recording, text string) *replay.Cursor {
	timeline := r.Timeline()
	t, err := timeline.Parse(text)
	if err != nil {
		log.Fatal(err)
	}
	c, err := r.At(t)
	if err != nil {
		log.Fatal(err)
	}
	return c
}

// What was mapped there at some time? A recording that was cut off is of use up to there.
func ExampleRecording_At() {
	file := record(followed) // or os.Open, and Stat for the size
	r, err := replay.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		log.Fatal(err)
	}
	if damage := r.Damage(); damage != nil {
		log.Print(damage)
	}
	c, err := r.At(r.Start() + uint64(500*time.Millisecond))
	if err != nil && (c == nil || !errors.Is(err, format.ErrTruncated)) {
		log.Fatal(err)
	}
	a := c.Lookup(42, 0x7f2000001234)
	fmt.Printf("%s+%#x, build ID %s\n", a.Mapping.File.Path, a.Offset, a.Mapping.File.BuildID)
	// Output: /opt/plugin.so+0x2234, build ID aa01
}

// Several times can be held at once: here a process is compared with itself, one second later.
func ExampleRecording_At_twice() {
	r := open(followed)
	was, is := at(r, "+0.5s"), at(r, "+1.5s")
	for _, d := range replay.Compare(was.Process(42).Space, is.Process(42).Space) {
		fmt.Printf("%x-%x %s: %s -> %s\n", d.Start, d.End, d.Verdict, d.A.File.BuildID, d.B.File.BuildID)
	}
	// Output: 7f2000000000-7f2000003000 differs: aa01 -> aa02
}

// To go through a recording forward, one Cursor is stepped, which costs one pass. Where
// statements were lost an answer is uncertain, also before the loss was noticed.
func ExampleCursor_Step() {
	r := open(followed)
	c, err := r.At(r.Start())
	for err == nil && c.Now() < r.End() {
		a := c.Lookup(42, 0x7f2000000000)
		fmt.Printf("%s: %d processes, build ID %s, uncertain %t\n", time.Duration(c.Now()-r.Start()), c.Len(), a.Mapping.File.BuildID, a.Uncertain)
		err = c.Step(c.Now() + uint64(800*time.Millisecond))
	}
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 0s: 1 processes, build ID aa01, uncertain false
	// 800ms: 1 processes, build ID aa01, uncertain false
	// 1.6s: 1 processes, build ID aa02, uncertain false
	// 2.4s: 2 processes, build ID aa02, uncertain true
}

// Samples have times. An Asker goes forward as far as it can: sorted by time they cost one pass.
func ExampleRecording_Ask() {
	r := open(followed)
	asker := r.Ask()
	for _, sample := range []struct {
		pid     uint32
		t, addr uint64
	}{
		{42, 1_900_000_000, 0x7f2000000010},
		{43, 1_900_000_000, 0x7f2000000010},
		{42, 2_100_000_000, 0x7f2000000010},
		{43, 3_100_000_000, 0x7f2000000010},
	} {
		state, err := asker.At(sample.t)
		if err != nil {
			log.Fatal(err)
		}
		if a := state.Lookup(sample.pid, sample.addr); a.Miss != replay.Hit {
			fmt.Printf("%d at %d: %s\n", sample.pid, sample.t, a.Explain(state.Host))
		} else {
			fmt.Printf("%d at %d: %s\n", sample.pid, sample.t, a.Mapping.File.BuildID)
		}
	}
	// Output:
	// 42 at 1900000000: aa01
	// 43 at 1900000000: no such process in the recording at this time
	// 42 at 2100000000: aa02
	// 43 at 3100000000: aa02
}

// What happened in the last two seconds? Losses that touch the time are part of it.
func ExampleRecording_Between() {
	r := open(followed)
	for rec, err := range r.Between(r.End()-uint64(1500*time.Millisecond), r.End()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(rec.Head().Time, rec.Type(), rec.Head().PID)
	}
	// Output:
	// 3000000000 fork 43
	// 3000000000 mmap 43
	// 3500000000 lost 42
	// 4000000000 exit 43
	// 4000000000 end 0
}

// Everything that was mapped at some time, also what is gone by the end.
func ExampleRecording_During() {
	r := open(followed)
	span, err := r.During(r.Start(), r.End())
	if err != nil {
		log.Fatal(err)
	}
	for _, row := range span.ReportBuildIDs(replay.Filter{}) {
		fmt.Println(row.BuildID, row.Paths, "in", row.Processes)
	}
	for _, row := range span.ReportProcesses(replay.Filter{}) {
		fmt.Println(row.Process.PID, row.Process.Comm, row.Mappings)
	}
	// Output:
	// aa01 [/opt/plugin.so] in 1
	// aa02 [/opt/plugin.so] in 2
	// 42 server 2
	// 43 server 1
}

// What was mapped in each process from when to when, for who draws it.
func ExampleRecording_Chronicle() {
	r := open(followed)
	c, err := r.Chronicle(r.Start(), r.End(), replay.Filter{})
	if err != nil {
		log.Fatal(err)
	}
	second := func(t uint64) float64 { return float64(t) / 1e9 }
	for _, life := range c.Lives {
		fmt.Printf("%d from %.1f to %.1f\n", life.PID, second(life.From), second(life.Ended))
		for _, tenure := range life.Had {
			for _, p := range tenure.Track.Presences {
				fmt.Printf("  %x %s from %.1f to %.1f\n", p.Start, p.File.BuildID, second(p.From), second(p.To))
			}
			for _, doubt := range tenure.Track.Doubts {
				fmt.Printf("  uncertain from %.1f\n", second(doubt.From))
			}
		}
	}
	// Output:
	// 42 from 1.0 to 0.0
	//   7f2000000000 aa01 from 1.0 to 2.0
	//   7f2000000000 aa02 from 2.0 to 0.0
	//   uncertain from 3.4
	// 43 from 3.0 to 4.0
	//   7f2000000000 aa02 from 3.0 to 4.0
}

// Times as people write them, and back.
func ExampleTimeline_Parse() {
	timeline := open(followed).Timeline()
	for _, text := range []string{"start", "+1.5s", "-250ms", "50%", "2.75", "2500000000", "2026-11-20T18:00:01Z", "1h", "+9s"} {
		t, err := timeline.Parse(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(text, "is", t, timeline.Wall(t).Format(time.TimeOnly))
	}
	_, err := timeline.Parse("+9s")
	fmt.Println(errors.Is(err, replay.ErrOutside))
	from, to, err := timeline.ParseRange("+1s..")
	fmt.Println(from, to, err)
	// Output:
	// start is 1000000000 18:00:00
	// +1.5s is 2500000000 18:00:01
	// -250ms is 3750000000 18:00:02
	// 50% is 2500000000 18:00:01
	// 2.75 is 2750000000 18:00:01
	// 2500000000 is 2500000000 18:00:01
	// 2026-11-20T18:00:01Z is 2000000000 18:00:01
	// time "1h": want +1.5s, -2s, 50%, start, end, 2026-11-20T18:00:00Z, or CLOCK_MONOTONIC in ns or as 1234.567890 s
	// time "+9s": outside of the recording, which is of 2026-11-20T18:00:00.000Z to 2026-11-20T18:00:03.000Z (+3s)
	// true
	// 2000000000 4000000000 <nil>
}
