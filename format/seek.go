package format

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// scanPiece is how many bytes of a raw stream ScanIndex takes for a frame.
const scanPiece = 256 << 10

// ScanIndex makes an index of a recording that has none, by reading all of it: one that was cut
// off, or a raw record stream, which it divides into pieces. The error is what Reader.Read says at
// the end, nil for a whole recording; the index is of what precedes it, and NewReaderAt takes it
// like any other. It is nil if there is not even a Host record.
func ScanIndex(r io.Reader, o ReaderOptions) (*Index, error) {
	in, err := NewReader(r, o)
	if err != nil {
		return nil, err
	}
	_, raw := in.src.(*rawSource)
	x := &Index{}
	var f Frame
	piece := int64(-1) // offset of the frame that the last record was in
	for {
		rec, err := in.Read()
		if err != nil {
			if f.Records > 0 {
				x.Frames = append(x.Frames, f)
			}
			x.RawSize, x.Records = in.next.Raw, in.next.Record
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return x, err
		}
		at := in.Offset()
		if f.Records > 0 && at.File != piece && (!raw || f.RawSize >= scanPiece) {
			x.Frames = append(x.Frames, f)
			f = Frame{}
		}
		if f.Records == 0 {
			f.Offset, f.RawOffset, f.FirstRecord = at.File, at.Raw, at.Record
		}
		piece = at.File
		f.add(rec)
		f.Size, f.RawSize = in.frame.Offset+in.frame.Size-f.Offset, in.next.Raw-f.RawOffset
	}
}

// NewReaderAt returns a Reader of the recording of size bytes in r that begins with the frame of
// that number in x, which ReadIndex or ScanIndex has made of the same recording. Its Read
// returns the Host first, as always, and then that frame's records. An index that does not fit
// is a *FormatError, here or from Read. r is used until the Reader is not any more.
func NewReaderAt(r io.ReaderAt, size int64, x *Index, frame int, o ReaderOptions) (*Reader, error) {
	if frame < 0 || frame >= len(x.Frames) {
		return nil, fmt.Errorf("read from frame %d: the recording has %d", frame, len(x.Frames))
	}
	f, err := NewReader(io.NewSectionReader(r, 0, size), o)
	if err != nil || frame == 0 {
		return f, err
	}
	at := &x.Frames[frame]
	b := bufio.NewReaderSize(io.NewSectionReader(r, at.Offset, size-at.Offset), 1<<16)
	f.src = f.src.at(b, x.Frames[:frame], at)
	if o.Ahead {
		f.src.readAhead()
	}
	f.raw, f.frame, f.open, f.after = nil, Frame{}, false, nil
	f.next = Position{File: at.Offset, Raw: at.RawOffset, Record: at.FirstRecord}
	f.partial = true
	return f, nil
}

// at returns a source of what begins with the frame f, with r behind those before it.
func (s *zstdSource) at(r *bufio.Reader, before []Frame, f *Frame) source {
	n := &zstdSource{
		split: splitter{r: r, off: f.Offset, max: s.split.max}, dec: s.dec,
		rawOff: f.RawOffset, sum: newIndexSum(),
	}
	for i := range before {
		n.sum.add(&before[i], before[i].appendEntry(nil))
	}
	return n
}

func (s *rawSource) at(r *bufio.Reader, _ []Frame, f *Frame) source {
	return &rawSource{r: r, off: f.Offset}
}
