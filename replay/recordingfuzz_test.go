package replay

import (
	"bytes"
	"errors"
	"math/bits"
	"slices"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// busy is a machine's fate: something of everything.
var busy = bytes.Repeat([]byte{0, 1, 2, 3, 5, 0, 0, 0, 7, 0, 0, 0, 14, 1, 5, 2, 12, 1, 3, 1, 10, 1, 3, 1, 11, 0, 1, 0}, 10)

// between is Recording.Between by the book.
func between(records []format.Record, from, to uint64) (lines []string) {
	for _, r := range records {
		since := r.Head().Time
		switch r := r.(type) {
		case *format.Host:
			continue
		case *format.Lost:
			since = r.From
		}
		if r.Head().Time >= from && since <= to {
			lines = append(lines, string(format.AppendText(nil, r)))
		}
	}
	return lines
}

// recorded returns what Recording.Between does.
func recorded(r *Recording, from, to uint64) (lines []string, err error) {
	for rec, err := range r.Between(from, to) {
		if err != nil {
			return lines, err
		}
		lines = append(lines, string(format.AppendText(nil, rec)))
	}
	return lines, nil
}

// moment returns the time at that part of a recording, of 2^16.
func moment(r *Recording, part uint16) uint64 {
	high, low := bits.Mul64(r.End()-r.Start(), uint64(part))
	return r.Start() + high<<48 + low>>16
}

// FuzzAt lets the fuzzer choose a machine's fate and asks its recording, in one of its forms, for all
// there is at two times and between them. The truth is that of the records, applied one by one.
func FuzzAt(f *testing.F) {
	for form := range byte(3) {
		f.Add(busy, 9+64*form, uint16(20_000), uint16(40_000))
	}
	f.Fuzz(func(t *testing.T, program []byte, form byte, a, b uint16) {
		records := play(t, program[:min(len(program), 600)]).records
		file := frames(t, 1+int(form%64), records)
		switch form / 64 {
		case 1:
			file = withoutIndex(file)
		case 2:
			file = rawStream(t, file)
		}
		r := openBytes(t, file)
		from, to := moment(r, min(a, b)), moment(r, max(a, b))
		askAt(t, r, records, []uint64{from, to})
		new(told).chronicle(t, r, records, from, to, []uint64{from, to})
		got, err := recorded(r, from, to)
		if want := between(records, from, to); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%d records from %d to %d, want %d: %v", len(got), from, to, len(want), err)
		}
	})
}

// FuzzDamage cuts the recording of a machine off, or flips a bit of it. What it still answers without
// an error has to be true: of all records where there is an index, and else of those that a Reader
// finds. It may be uncertain of more, where the damage could have told of losses.
func FuzzDamage(f *testing.F) {
	for bit := range byte(9) {
		f.Add(busy, byte(5*bit), 7000*uint16(bit), bit, 6000*uint16(bit))
	}
	f.Fuzz(func(t *testing.T, program []byte, each byte, place uint16, bit byte, at uint16) {
		records := play(t, program[:min(len(program), 600)]).records
		file := frames(t, 1+int(each), records)
		hit := len(file) * int(place) >> 16
		if bit %= 9; bit == 8 {
			file = file[:hit]
		} else {
			file[hit] ^= 1 << bit
		}
		r, err := Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			explained(t, err)
			return
		}
		if r.Damage() != nil {
			explained(t, r.Damage())
			records, _ = readAll(t, file)
		}
		to := moment(r, at)
		for _, at := range []uint64{to, r.End()} {
			c, err := r.At(at)
			if err != nil {
				explained(t, err)
				continue
			}
			want := naive(records, at)
			for p := range c.Processes() {
				if q := want.Process(p.PID); q != nil && p.UncertainSince != 0 && p.UncertainSince-1 < q.UncertainSince-1 {
					p.UncertainSince = q.UncertainSince
				}
			}
			if got, want := whole(c.Session), whole(want); got != want {
				t.Fatalf("at %d:\n%s\nwant\n%s", at, got, want)
			}
		}
		got, err := recorded(r, r.Start(), to)
		if err != nil {
			explained(t, err)
		} else if want := between(records, r.Start(), to); !slices.Equal(got, want) {
			t.Fatalf("%d records up to %d, want %d", len(got), to, len(want))
		}
	})
}

// readAll returns what a Reader of everything finds.
func readAll(t *testing.T, file []byte) (records []format.Record, err error) {
	t.Helper()
	r, err := format.NewReader(bytes.NewReader(file), format.ReaderOptions{})
	if err != nil {
		return nil, err
	}
	for rec, err := range r.All() {
		if err != nil {
			return records, err
		}
		records = append(records, rec)
	}
	return records, nil
}

// explained checks that an error says what is wrong with a file, and where.
func explained(t *testing.T, err error) {
	t.Helper()
	var bad *format.FormatError
	if errors.As(err, &bad) && bad.File >= 0 && bad.Raw >= 0 && bad.Record >= 0 {
		return
	}
	for _, is := range []error{format.ErrTruncated, format.ErrNotRecording, format.ErrVersion, format.ErrTooLarge} {
		if errors.Is(err, is) && !errors.Is(err, format.ErrCorrupt) {
			return
		}
	}
	t.Fatalf("error without a place: %v", err)
}

// FuzzFile asks whatever bytes a file holds; with each, the records in them are written into a file
// of so many in a frame first, so that what no recorder writes has an index and checksums. It has
// to say where it is damaged, and else what its records do.
func FuzzFile(f *testing.F) {
	m := play(f, busy)
	whole := frames(f, 20, m.records)
	index := len(withoutIndex(whole))
	for _, file := range [][]byte{
		whole, whole[:index], whole[:index-9], whole[:index/2], whole[:len(whole)-20],
		slices.Concat(whole[:index+30], []byte{1}, whole[index+31:]), slices.Concat(whole[:index], whole[:index]), {}, []byte("PERFILE2"),
	} {
		f.Add(file, byte(0), uint16(20_000), uint16(40_000))
	}
	for _, text := range hostileSeeds {
		f.Add(encode(f, hostLine+text), byte(2), uint16(0), uint16(60_000))
	}
	f.Add(rawStream(f, whole), byte(0), uint16(20_000), uint16(40_000))
	f.Add(rawStream(f, whole), byte(15), uint16(20_000), uint16(40_000))
	for _, text := range []string{
		"mmap time=10 pid=1 start=0x1000 len=0x1000 path=\"/a\"\ncomm time=30 pid=1 tid=1 comm=\"x\"\nlost time=90\n",
		"fork time=20 pid=2 tid=2 ppid=9 shares_vm\nmmap time=30 pid=2 tid=2 start=0x1000 len=0x1000 path=\"/a\"\ncomm time=90 pid=2 tid=2 comm=\"x\"\n",
	} {
		f.Add(encode(f, hostLine+text), byte(1), uint16(10_000), uint16(30_000))
	}
	f.Add(encode(f, hostLine+walkOfTwo+"fork pid=12 ppid=11\nlost from=3\nclear pid=12 start=0x5000 len=0x1000\nexec pid=11\nexit pid=10 group\n"+soundEnd), byte(1), uint16(1), uint16(2))
	f.Fuzz(func(t *testing.T, file []byte, each byte, a, b uint16) {
		if each > 0 {
			file = reframed(t, file, int(each))
		}
		askFile(t, file, a, b)
	})
}

// reframed writes the records of a raw stream, as far as they can be, so many in a frame.
func reframed(t *testing.T, raw []byte, each int) []byte {
	t.Helper()
	records := []format.Record{&format.Host{PageSize: page}}
	for len(raw) > 0 {
		r, n, err := format.DecodeRecord(raw)
		if err != nil {
			break
		}
		raw = raw[n:]
		switch r.(type) {
		case *format.Host:
			if len(records) == 1 {
				records[0] = r
			}
			continue
		case *format.End:
			continue
		}
		records = append(records, r)
	}
	return frames(t, each, records)
}

// askFile asks for all there is at two times of a file, and between them.
func askFile(t *testing.T, file []byte, a, b uint16) {
	t.Helper()
	records, bad := readAll(t, file)
	r, err := Open(bytes.NewReader(file), int64(len(file)))
	if (err == nil) != (len(records) > 0) {
		t.Fatalf("%d records, and %v", len(records), err)
	}
	for _, err := range []error{bad, err} {
		if err != nil {
			explained(t, err)
		}
	}
	if err != nil {
		return
	}
	from, to := moment(r, min(a, b)), moment(r, max(a, b))
	var states []*Session
	for _, at := range []uint64{from, to, r.End()} {
		c, err := r.At(at)
		if err != nil {
			explained(t, err)
		}
		if c != nil {
			states = append(states, c.Session)
			sum := c.Summary()
			sum.Incomplete()
		}
		c, err = r.Replay(at)
		if err != nil {
			explained(t, err)
		}
		if bad == nil {
			if got, want := whole(c.Session), whole(naive(records, at)); err != nil || got != want {
				t.Fatalf("at %d: %v\n%s\nwant\n%s", at, err, got, want)
			}
			askEverything(t, c.Session, nil)
			states = append(states, c.Session)
		}
	}
	got, err := recorded(r, from, to)
	if err != nil {
		explained(t, err)
	}
	if want := between(records, from, to); bad == nil && (err != nil || !slices.Equal(got, want)) {
		t.Fatalf("%d records from %d to %d, want %d: %v", len(got), from, to, len(want), err)
	}
	asker := r.Ask()
	for _, at := range []uint64{from, to, r.Start()} {
		if _, err := asker.At(at); err != nil {
			explained(t, err)
		}
	}
	askRange(t, r, from, to, bad == nil)
	for _, s := range states {
		mirrored(t, states[0], s, DiffOptions{Addresses: true})
	}
}

// askRange holds what During and Chronicle say of the end against the state then.
func askRange(t *testing.T, r *Recording, from, to uint64, sound bool) {
	t.Helper()
	span, err := r.During(from, to)
	if err != nil {
		explained(t, err)
	}
	c, err2 := r.Chronicle(from, to, Filter{})
	if err2 != nil {
		explained(t, err2)
	}
	if !sound {
		return
	}
	if whole(span.Session) != whole(c.Session) {
		t.Fatalf("from %d to %d: %s and %s", from, to, whole(span.Session), whole(c.Session))
	}
	lived := make(map[*Process]bool)
	for _, row := range span.ReportProcesses(Filter{}) {
		lived[row.Process] = true
	}
	for p := range span.Processes() {
		if !lived[p] {
			t.Fatalf("process %d is not in the report of the range", p.PID)
		}
	}
	lives := make(map[uint32]*Life)
	for _, l := range c.Lives {
		if l.Ended == 0 {
			lives[l.PID] = l
		}
	}
	for p := range c.Processes() {
		l := lives[p.PID]
		if l == nil {
			t.Fatalf("process %d is not in the chronicle", p.PID)
		}
		track := l.Had[len(l.Had)-1].Track
		n := 0
		for _, x := range track.Presences {
			if x.To == 0 {
				n++
			}
		}
		if n != p.Space.Len() && track.Left == 0 {
			t.Fatalf("process %d has %d mappings, the chronicle %d", p.PID, p.Space.Len(), n)
		}
	}
}
