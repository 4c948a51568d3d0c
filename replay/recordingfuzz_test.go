package replay

import (
	"bytes"
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
