package recorder

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// TestMoments records trouble, with keyframes, and with losses and their repairs. At 1,000
// random times the recording has to tell, from its latest snapshot on, what a replay from its
// beginning does.
func TestMoments(t *testing.T) {
	for name, o := range map[string]order{
		"keyframes": {Keyframe: 100 * time.Millisecond},
		"losses":    {Keyframe: 100 * time.Millisecond, RingSize: 256 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			tr := startTrouble(t, "--seed", "7", "--procs", "8", "--threads", "2")
			r := startRecording(t, tr, o)
			r.await("walk")
			time.Sleep(400 * time.Millisecond)
			r.stop()
			r.check()
			tr.End()
			moments(t, r.file)
		})
	}
}

// moments compares what the recording tells of random times with naive replays of it.
func moments(t *testing.T, name string) {
	t.Helper()
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var records []format.Record
	in, err := format.NewReader(bytes.NewReader(file), format.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for rec, err := range in.All() {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, rec)
	}
	x, err := format.ReadIndex(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	end := x.Frames[len(x.Frames)-1]
	indexed := openRecording(t, file)
	crashed := openRecording(t, file[:end.Offset+end.Size])

	rng := rand.New(rand.NewPCG(1, 2))
	var times []uint64
	for range 1000 {
		times = append(times, indexed.Start()+rng.Uint64N(indexed.End()-indexed.Start()+1))
	}
	slices.Sort(times)
	stepped, err := indexed.At(times[0])
	if err != nil {
		t.Fatal(err)
	}
	s, next := replay.NewSession(), 0 // the naive replay
	whole, read, doubtful := 0, uint64(0), 0
	for i, at := range times {
		for ; next < len(records) && (records[next].Head().Time <= at || records[next].Type() == format.TypeLost); next++ {
			s.Apply(records[next])
		}
		want := momentText(s)
		if i%20 == 0 { // what is to come makes the naive replay uncertain: that takes a new one
			want = ""
		}
		var ahead bool
		for _, rec := range records[next:] {
			lost, ok := rec.(*format.Lost)
			ahead = ahead || ok && lost.From <= at
		}
		if ahead {
			doubtful++
			want = momentText(naiveReplay(records, at))
		} else if want == "" {
			want = momentText(naiveReplay(records, at))
		}
		for kind, r := range map[string]*replay.Recording{"index": indexed, "no index": crashed} {
			if kind == "no index" && i%10 != 0 {
				continue
			}
			c, err := r.At(at)
			if err != nil {
				t.Fatal(err)
			}
			if got := momentText(c.Session); got != want {
				t.Fatalf("%s, at %d (+%s):\n%s", kind, at, time.Duration(at-r.Start()), momentDiff(got, want))
			}
			if kind == "index" {
				read += c.Stats.Records
			}
		}
		if err := stepped.Step(at); err != nil {
			t.Fatal(err)
		}
		if got := momentText(stepped.Session); got != want {
			t.Fatalf("stepped to %d (+%s):\n%s", at, time.Duration(at-indexed.Start()), momentDiff(got, want))
		}
		whole++
	}
	average := read / uint64(whole)
	t.Logf("%d records, %d moments equal, %d of them before a loss was noticed; on average %d records were applied for one", len(records), whole, doubtful, average)
	if average > uint64(len(records))/2 {
		t.Error("nearly all was read from the beginning")
	}
}

func openRecording(t *testing.T, file []byte) *replay.Recording {
	t.Helper()
	r, err := replay.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// naiveReplay is the state at time t: all records up to the first later one, and the losses that
// were noticed later but may have been before.
func naiveReplay(records []format.Record, t uint64) *replay.Session {
	s := replay.NewSession()
	over := false
	for _, rec := range records {
		lost, ok := rec.(*format.Lost)
		over = over || !ok && rec.Head().Time > t
		if !over || ok && lost.From <= t {
			s.Apply(rec)
		}
	}
	return s
}

// momentText writes down all that can be asked of a Session.
func momentText(s *replay.Session) string {
	var b strings.Builder
	groups := make(map[*replay.AddressSpace]uint32)
	for p := range s.Processes() {
		if groups[p.AddressSpace] == 0 {
			groups[p.AddressSpace] = p.PID
		}
		fmt.Fprintf(&b, "%d of %d start %d ppid %d %q %q %s known %t uncertain %d executed %t, of %d:\n",
			p.PID, groups[p.AddressSpace], p.StartTime, p.PPID, p.Comm, p.Exe, p.Status(), p.Known, p.UncertainSince, p.Executed, p.Space.Len())
		if groups[p.AddressSpace] != p.PID {
			continue
		}
		for m := range p.Space.Runs() {
			b.WriteString(strconv.FormatUint(uint64(p.PID), 10) + " " + m.String() + "\n")
		}
	}
	return b.String()
}

// momentDiff is the lines that only one of them has, the first of them.
func momentDiff(got, want string) string {
	var out []string
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, line := range a {
		if !slices.Contains(b, line) {
			out = append(out, "got  "+line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			out = append(out, "want "+line)
		}
	}
	return strings.Join(out[:min(len(out), 20)], "\n")
}
