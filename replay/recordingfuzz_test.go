package replay

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

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

// FuzzAt lets the fuzzer choose a machine's fate and asks its recording, in one of its forms, for all
// there is at two times and between them. The truth is that of the records, applied one by one.
func FuzzAt(f *testing.F) {
	for form := range byte(3) {
		f.Add(bytes.Repeat([]byte{0, 1, 2, 3, 5, 0, 0, 0, 7, 0, 0, 0, 14, 1, 5, 2, 12, 1, 3, 1, 10, 1, 3, 1, 11, 0, 1, 0}, 10), 9+64*form, uint16(20_000), uint16(40_000))
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
		span := r.End() - r.Start()
		from, to := r.Start()+span*uint64(min(a, b))>>16, r.Start()+span*uint64(max(a, b))>>16
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
	program := bytes.Repeat([]byte{0, 1, 2, 3, 5, 0, 0, 0, 7, 0, 0, 0, 14, 1, 5, 2, 12, 1, 3, 1, 10, 1, 3, 1, 11, 0, 1, 0}, 10)
	for bit := range byte(9) {
		f.Add(program, byte(5*bit), 7000*uint16(bit), bit, 6000*uint16(bit))
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
		from := records[0].Head().Time
		moment := from + (records[len(records)-1].Head().Time-from)*uint64(at)>>16
		for _, at := range []uint64{moment, r.End()} {
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
		got, err := recorded(r, from, moment)
		if err != nil {
			explained(t, err)
		} else if want := between(records, from, moment); !slices.Equal(got, want) {
			t.Fatalf("%d records up to %d, want %d", len(got), moment, len(want))
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
