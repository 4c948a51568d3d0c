package format

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// rest returns the text of what a reader from that frame on reads behind the Host, and the error
// other than io.EOF.
func rest(t *testing.T, file []byte, x *Index, frame int) (lines []string, err error) {
	t.Helper()
	r, err := NewReaderAt(bytes.NewReader(file), int64(len(file)), x, frame, ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for rec, err := range r.All() {
		if err != nil {
			return lines, err
		}
		if rec.Type() == TypeHost {
			continue
		}
		if at := r.Offset(); at.Record != x.Frames[frame].FirstRecord+int64(len(lines)) && frame > 0 {
			t.Fatalf("record %d of frame %d is at %+v", len(lines), frame, at)
		}
		lines = append(lines, string(AppendText(nil, rec)))
	}
	return lines, nil
}

// TestReaderAt reads from each frame on what a Reader of everything reads there: with the
// file's index, and with one that was made by reading; of a whole file, of one that was cut off,
// and of a raw stream.
func TestReaderAt(t *testing.T) {
	whole := recording(t, WriterOptions{}, 500, snapshot(400, 30)...)
	raw := rawStream(t, whole)
	for _, test := range []struct {
		name    string
		file    []byte
		frames  int // at least
		indexed bool
		want    error
	}{
		{"whole", whole, 4, true, nil},
		{"cut", whole[:len(whole)*2/3], 3, false, ErrTruncated},
		{"raw", raw, 4, false, nil},
		{"raw, cut", raw[:len(raw)*2/3], 3, false, ErrTruncated},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines, err := readAll(bytes.NewReader(test.file), ReaderOptions{})
			if !errors.Is(err, test.want) {
				t.Fatal(err)
			}
			var indices []*Index
			x, err := ScanIndex(bytes.NewReader(test.file), ReaderOptions{})
			if !errors.Is(err, test.want) || x == nil || x.Records != int64(len(lines)) {
				t.Fatalf("index %+v of %d records: %v", x, len(lines), err)
			}
			indices = append(indices, x)
			x, err = ReadIndex(bytes.NewReader(test.file), int64(len(test.file)))
			if test.indexed != (err == nil) {
				t.Fatal(err)
			}
			if test.indexed {
				indices = append(indices, x)
			}
			for _, x := range indices {
				if len(x.Frames) < test.frames {
					t.Fatalf("%d frames", len(x.Frames))
				}
				for i := range x.Frames {
					got, err := rest(t, test.file, x, i)
					if !errors.Is(err, test.want) {
						t.Fatalf("frame %d: %v", i, err)
					}
					if want := lines[max(x.Frames[i].FirstRecord, 1):]; !slices.Equal(got, want) {
						t.Fatalf("frame %d: %d records, want %d", i, len(got), len(want))
					}
				}
			}
		})
	}
}

// TestScanIndexFlags: what a scan finds of each frame is what the writer says.
func TestScanIndexFlags(t *testing.T) {
	filler := func(n int) []Record { return slices.Repeat([]Record{testMmap()}, n) }
	records := slices.Concat(
		[]Record{&SnapshotBegin{Common: Common{Time: 2000}}}, filler(3000),
		[]Record{&SnapshotBegin{Common: Common{Time: 2500, PID: 7}}}, filler(2999),
		[]Record{&Lost{Common: Common{Time: 5000}, From: 100}}, filler(2999),
		[]Record{&Lost{Common: Common{Time: 6000}}}, filler(3000),
	)
	file := recording(t, WriterOptions{}, 3000, records...)
	want, err := ReadIndex(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ScanIndex(bytes.NewReader(file), ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var snapshots, losses []int
	for i, f := range want.Frames {
		if f.HasSnapshot {
			snapshots = append(snapshots, i)
		}
		if f.HasLost {
			losses = append(losses, i)
			if from := map[uint64]uint64{5000: 100, 6000: 1}[f.MaxTime]; f.MinTime != from {
				t.Errorf("a frame with a loss is of %d to %d", f.MinTime, f.MaxTime)
			}
		}
	}
	if !slices.Equal(snapshots, []int{0}) || !slices.Equal(losses, []int{2, 3}) {
		t.Errorf("snapshots in frames %d, losses in %d", snapshots, losses)
	}
	if i := slices.IndexFunc(got.Frames, func(f Frame) bool { return !slices.Contains(want.Frames, f) }); i >= 0 {
		t.Errorf("scanned frame %d is %+v, the index has %+v", i, got.Frames[i], want.Frames)
	}
}

// TestReaderAtRefuses: an index that is of another recording does no harm.
func TestReaderAtRefuses(t *testing.T) {
	file := recording(t, WriterOptions{}, 100, snapshot(20, 30)...)
	other := recording(t, WriterOptions{}, 100, snapshot(20, 29)...)
	x, err := ReadIndex(bytes.NewReader(other), int64(len(other)))
	if err != nil {
		t.Fatal(err)
	}
	var bad *FormatError
	if _, err := rest(t, file, x, 2); !errors.As(err, &bad) {
		t.Errorf("error %v", err)
	}
	for _, frame := range []int{-1, len(x.Frames)} {
		if _, err := NewReaderAt(bytes.NewReader(file), int64(len(file)), x, frame, ReaderOptions{}); err == nil {
			t.Errorf("frame %d", frame)
		}
	}
	if _, err := ScanIndex(bytes.NewReader([]byte("PERFILE2")), ReaderOptions{}); !errors.Is(err, ErrNotRecording) {
		t.Errorf("error %v", err)
	}
}
