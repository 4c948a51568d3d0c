package replay

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/vmasnap/vmasnap/format"
)

// naive is the state at time t by the book: all records up to the first later one, and the losses
// of which the window holds t.
func naive(records []format.Record, t uint64) *Session {
	s := NewSession()
	over := false
	for _, r := range records {
		lost, ok := r.(*format.Lost)
		if over = over || !ok && r.Head().Time > t; !over {
			s.Apply(r)
		} else if ok && lost.From <= t {
			s.Apply(lost)
		}
	}
	return s
}

// whole writes down all that can be asked of a Session.
func whole(s *Session) string {
	var b strings.Builder
	fmt.Fprintf(&b, "uncertain %d\n", s.UncertainSince)
	groups := make(map[*AddressSpace]uint32)
	for p := range s.Processes() {
		if groups[p.AddressSpace] == 0 {
			groups[p.AddressSpace] = p.PID
		}
		fmt.Fprintf(&b, "of %d: %s", groups[p.AddressSpace], wholeProcess(p))
	}
	return b.String()
}

// wholeProcess writes down all that can be asked of a process.
func wholeProcess(p *Process) string {
	if p == nil {
		return "none\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d start %d ppid %d %q %q %s known %t uncertain %d executed %t, of %d:\n",
		p.PID, p.StartTime, p.PPID, p.Comm, p.Exe, p.Status(), p.Known, p.UncertainSince, p.Executed, p.Space.Len())
	for m := range p.Space.Runs() {
		fmt.Fprintf(&b, "  %s %s\n", m, m.File.BuildID)
	}
	return b.String()
}

// frames writes records into a recording with a frame for each so many.
func frames(t testing.TB, each int, records []format.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := format.NewWriter(&b, records[0].(*format.Host), format.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range records[1:] {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
		if i%each == each-1 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func openBytes(t testing.TB, file []byte) *Recording {
	t.Helper()
	r, err := Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// withoutIndex returns a file that a recorder left which was killed.
func withoutIndex(file []byte) []byte { return file[:bytes.LastIndex(file, []byte("VMASNIDX"))-8] }

// askAt asks for the state at ascending times, steps from one to the next, and asks an Asker. It
// returns how many answers began at a snapshot.
func askAt(t *testing.T, r *Recording, records []format.Record, times []uint64) (fromSnapshot int) {
	t.Helper()
	var stepped *Cursor
	asker := r.Ask()
	for _, at := range times {
		want := whole(naive(records, at))
		c, err := r.At(at)
		if err != nil {
			t.Fatalf("at %d: %v", at, err)
		}
		if got := whole(c.Session); got != want {
			t.Fatalf("at %d:\n%s\nwant\n%s", at, got, want)
		}
		if a, err := asker.At(at); err != nil || whole(a.Session) != want {
			t.Fatalf("asked for %d: %v\n%s\nwant\n%s", at, err, whole(a.Session), want)
		}
		alone(t, r, naive(records, at), at)
		if stepped == nil {
			stepped = c
			continue
		}
		if err := stepped.Step(at); err != nil {
			t.Fatal(err)
		}
		if got := whole(stepped.Session); got != want {
			t.Fatalf("stepped to %d:\n%s\nwant\n%s", at, got, want)
		}
		if c.Stats.Records < stepped.Stats.Records {
			fromSnapshot++
		}
	}
	return fromSnapshot
}

// TestAt asks recordings of random machines for their state at random times: with their index,
// without one, and as a raw stream; and steps from time to time.
func TestAt(t *testing.T) {
	fromSnapshot := 0
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 2))
		program := make([]byte, 4*400)
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		m := play(t, program)
		file := frames(t, 1+rng.IntN(60), m.records)
		for name, file := range map[string][]byte{"index": file, "no index": withoutIndex(file), "raw": rawStream(t, file)} {
			r := openBytes(t, file)
			times := []uint64{0, r.Start(), r.End(), r.End() + 1}
			for range 12 {
				times = append(times, r.Start()+rng.Uint64N(r.End()-r.Start()))
			}
			slices.Sort(times)
			t.Run(fmt.Sprintf("%d, %s", seed, name), func(t *testing.T) { fromSnapshot += askAt(t, r, m.records, times) })
		}
	}
	if fromSnapshot < 250 {
		t.Errorf("%d answers began at a snapshot", fromSnapshot)
	}
}

// alone asks for some processes of a state alone, and for one that is not there.
func alone(t *testing.T, r *Recording, want *Session, at uint64) {
	t.Helper()
	for pid := range want.procs {
		if (uint64(pid)+at)%4 != 0 {
			continue
		}
		c, err := r.AtProcess(at, pid)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := wholeProcess(c.Process(pid)), wholeProcess(want.Process(pid)); got != want {
			t.Fatalf("process %d alone at %d:\n%s\nwant\n%s", pid, at, got, want)
		}
		if err := c.Step(at + 1); err == nil {
			t.Fatal("the state of one process was moved")
		}
	}
	if c, err := r.AtProcess(at, 1<<30); err != nil || c.Process(1<<30) != nil || c.UncertainSince != want.UncertainSince {
		t.Fatalf("nobody at %d: %v", at, err)
	}
}

// TestAtNotBySnapshotAlone has snapshots that leave something as it was before them.
func TestAtNotBySnapshotAlone(t *testing.T) {
	const eleven = "process time=22 pid=11 tid=11 start_time=6 snapshot=2 status=complete comm=\"eleven\"\n"
	for name, second := range map[string]string{
		"a walk of unknown outcome":        "process time=22 pid=10 tid=10 start_time=5 snapshot=2 status=unknown comm=\"ten\"\n" + eleven,
		"a walk of an outcome yet to come": "process time=22 pid=10 tid=10 start_time=5 snapshot=2 status=77 comm=\"ten\"\n" + eleven,
		"a fork of one not told yet":       "fork time=22 pid=12 tid=12 ppid=11 ptid=11 start_time=9\n" + eleven,
	} {
		records := parse(t, hostLine+walkOfTwo+soundEnd+"snapshot-begin time=21 id=2 kind=keyframe\n"+second+"snapshot-end time=23 id=2\ncomm time=40 pid=11 tid=11 comm=\"x\"\n")
		t.Run(name, func(t *testing.T) { askAt(t, openBytes(t, frames(t, 1, records)), records, []uint64{30, 40}) })
	}
}

func rawStream(t testing.TB, file []byte) []byte {
	t.Helper()
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	raw, err := dec.DecodeAll(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestDamagedRecording asks for times before and behind the place where a recording ends too
// early, or is damaged.
func TestDamagedRecording(t *testing.T) {
	m := play(t, bytes.Repeat([]byte{0, 1, 2, 3, 5, 0, 0, 0, 7, 0, 0, 0, 14, 1, 5, 2, 12, 1, 3, 1}, 60))
	file := frames(t, 10, m.records)
	x, err := format.ReadIndex(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	bad := x.Frames[len(x.Frames)/2]
	early, late := x.Frames[len(x.Frames)/2-2].MinTime, x.Frames[len(x.Frames)-1].MaxTime
	last := x.Frames[len(x.Frames)/2-1].MaxTime

	cut := openBytes(t, file[:bad.Offset])
	flipped := slices.Clone(file)
	flipped[bad.Offset+bad.Size/2] ^= 1
	damaged := openBytes(t, flipped)
	if !errors.Is(cut.Damage(), format.ErrTruncated) || damaged.Damage() != nil {
		t.Errorf("damage: %v and %v", cut.Damage(), damaged.Damage())
	}
	if got := cut.End(); got != last {
		t.Errorf("the end is at %d, want %d", got, last)
	}
	for name, r := range map[string]*Recording{"cut": cut, "damaged": damaged} {
		c, err := r.At(early)
		if err != nil {
			t.Errorf("%s: before the damage: %v", name, err)
		} else if whole(c.Session) != whole(naive(m.records, early)) {
			t.Errorf("%s: another state before the damage", name)
		}
		c, err = r.At(last + 1)
		if want := map[string]error{"cut": format.ErrTruncated, "damaged": format.ErrCorrupt}[name]; !errors.Is(err, want) {
			t.Errorf("%s: at the damage: %v", name, err)
		}
		if c == nil || whole(c.Session) != whole(naive(m.records, last)) {
			t.Errorf("%s: another state at the damage", name)
		}
	}
	// Behind the damage there is a snapshot again.
	c, err := damaged.At(late)
	if err != nil || whole(c.Session) != whole(naive(m.records, late)) {
		t.Errorf("behind the damage: %v", err)
	}
}
