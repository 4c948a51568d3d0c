package format

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"
)

func TestWriterReader(t *testing.T) {
	records := snapshot(60, 30)
	for _, flush := range []int{0, 7, 1} {
		file := recording(t, WriterOptions{FrameSize: MinFrameSize, Level: 1}, flush, records...)
		r, err := NewReader(iotest.OneByteReader(bytes.NewReader(file)), ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for rec, err := range r.All() {
			if err != nil {
				t.Fatal(err)
			}
			want := Record(testHost())
			if i > 0 && i <= len(records) {
				want = records[i-1]
			}
			if end, ok := rec.(*End); ok {
				want = &End{Common: Common{Time: end.Time}, Records: uint64(i), Mmaps: end.Mmaps}
			}
			if got, want := string(AppendText(nil, rec)), string(AppendText(nil, want)); got != want {
				t.Fatalf("record %d: got %s, want %s", i, got, want)
			}
			if r.Offset().Record != int64(i) {
				t.Fatalf("record %d: %+v", i, r.Offset())
			}
			i++
		}
		if i != len(records)+2 {
			t.Errorf("%d records of %d", i, len(records)+2)
		}
		x, err := ReadIndex(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range x.Frames {
			if f.RawSize > MinFrameSize {
				t.Errorf("frame of %d bytes, at most %d wanted", f.RawSize, MinFrameSize)
			}
		}
	}
}

func TestWriterStatsAndIndex(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file, testHost(), WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if file.Len() != 0 {
		t.Error("wrote before the first flush")
	}
	for _, r := range []Record{&Clock{Common: Common{Time: 5}}, &SnapshotBegin{}, testMmap(), &Lost{Count: 4}, &Lost{Count: 5}} {
		if err := errors.Join(w.Write(r), w.Flush(), w.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	end := &End{Records: 99, Reason: EndSignal}
	if err := w.Write(end); err != nil || end.Records != 6 || end.Mmaps != 1 || end.Lost != 9 {
		t.Errorf("end %+v, %v", end, err)
	}
	if err := w.Write(testMmap()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after End: %v", err)
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	s := w.Stats()
	if s.Records != 7 || s.Mmaps != 1 || s.Frames != 6 || s.FileBytes != uint64(file.Len()) {
		t.Errorf("stats %+v, file of %d bytes", s, file.Len())
	}
	x, err := ReadIndex(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if x.Records != 7 || x.RawSize != int64(s.RawBytes) || len(x.Frames) != 6 {
		t.Errorf("index %+v, stats %+v", x, s)
	}
	if f := x.Frames[0]; f.Offset != 0 || f.Records != 2 || f.MinTime != 5 || f.MaxTime != 1000 || f.HasSnapshot {
		t.Errorf("first frame %+v", f)
	}
	if f := x.Frames[1]; !f.HasSnapshot || f.MinTime != 0 || f.FirstRecord != 2 || f.Offset != x.Frames[0].Size || f.RawOffset != x.Frames[0].RawSize {
		t.Errorf("second frame %+v", f)
	}
}

func TestWriterRefuses(t *testing.T) {
	for _, o := range []WriterOptions{{FrameSize: 1}, {FrameSize: MaxFrameSize + 1}, {Level: 23}, {Level: -1}} {
		if _, err := NewWriter(io.Discard, testHost(), o); err == nil {
			t.Errorf("%+v", o)
		}
	}
	if _, err := NewWriter(io.Discard, nil, WriterOptions{}); err == nil {
		t.Error("no host")
	}
	w, err := NewWriter(io.Discard, testHost(), WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if w.Write(testHost()) == nil {
		t.Error("second host")
	}
	if err := w.Write(&Comm{Comm: string(make([]byte, 1<<17))}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("record that is too long: %v", err)
	}
	if err := w.Write(&Comm{}); err != nil {
		t.Errorf("after a record that was too long: %v", err)
	}
}

// failAt fails when more than n bytes have been written.
type failAt struct{ n int }

var errDisk = errors.New("disk full")

func (f *failAt) Write(b []byte) (int, error) {
	if f.n -= len(b); f.n < 0 {
		return 0, errDisk
	}
	return len(b), nil
}

type shortWriter struct{}

func (shortWriter) Write(b []byte) (int, error) { return len(b) / 2, nil }

func TestWriterErrors(t *testing.T) {
	w, err := NewWriter(&failAt{300}, testHost(), WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		err = errors.Join(w.Write(testMmap()), w.Flush())
	}
	for _, err := range []error{err, w.Write(testMmap()), w.Flush(), w.Close(), w.Close()} {
		if !errors.Is(err, errDisk) {
			t.Errorf("got %v", err)
		}
	}
	if w, err = NewWriter(shortWriter{}, testHost(), WriterOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("short write: %v", err)
	}
}

func TestWriterAllocs(t *testing.T) {
	w, err := NewWriter(io.Discard, testHost(), WriterOptions{FrameSize: MinFrameSize})
	if err != nil {
		t.Fatal(err)
	}
	m := testMmap()
	write := func() {
		if err := w.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	for range 2000 {
		write()
	}
	if n := testing.AllocsPerRun(5000, write); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}
