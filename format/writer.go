package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/klauspost/compress/zstd"
)

// Bounds and default of WriterOptions.FrameSize, in bytes.
const (
	MinFrameSize     = 64 << 10
	MaxFrameSize     = 16 << 20
	DefaultFrameSize = 1 << 20
)

// WriterOptions says how a recording is written. The zero value is the default.
type WriterOptions struct {
	// FrameSize is the size in bytes at which a frame is closed, before compression.
	// Larger frames compress better and lose more in a crash. It must be in
	// [MinFrameSize, MaxFrameSize]; 0 is DefaultFrameSize.
	FrameSize int
	// Level is the zstd level, from 1 to 22, of which only the ranges 1-2, 3-5, 6-9 and
	// 10-22 differ. 0 is 3.
	Level int
}

// WriterStats says what a Writer has been given and has written.
type WriterStats struct {
	Records   uint64 // records accepted, Host and End included
	Mmaps     uint64 // Mmap records among them
	RawBytes  uint64 // their size before compression
	FileBytes uint64 // bytes written: less than all while a frame is open
	Frames    int    // frames written
}

// Writer writes a recording. It keeps one open frame in memory, and 48 bytes for the index
// of every frame written: 29 MB after a week of one frame a second. It must not be used
// by two goroutines at once.
type Writer struct {
	w       io.Writer
	enc     *zstd.Encoder
	max     int    // FrameSize
	raw     []byte // records of the open frame
	zipped  []byte
	frame   Frame  // what the open frame holds
	entries []byte // of the index
	sum     indexSum
	stats   WriterStats
	lost    uint64
	time    uint64 // highest seen
	ended   bool
	closed  bool
	err     error // of w, for good
}

// NewWriter returns a writer of a recording to w, which is taken to stand at the start of
// the file. The host becomes the first record; nothing is written before the first frame
// is closed.
func NewWriter(w io.Writer, host *Host, o WriterOptions) (*Writer, error) {
	if o.FrameSize == 0 {
		o.FrameSize = DefaultFrameSize
	}
	if o.Level == 0 {
		o.Level = 3
	}
	switch {
	case o.FrameSize < MinFrameSize || o.FrameSize > MaxFrameSize:
		return nil, fmt.Errorf("frame size %d: want %d to %d bytes", o.FrameSize, MinFrameSize, MaxFrameSize)
	case o.Level < 1 || o.Level > 22:
		return nil, fmt.Errorf("zstd level %d: want 1 to 22", o.Level)
	case host == nil:
		return nil, errors.New("create writer: no host record")
	}
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(o.Level)),
		zstd.WithWindowSize(windowFor(o.FrameSize)),
		zstd.WithSingleSegment(true), // so that every frame has its content size
		zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, fmt.Errorf("create zstd encoder: %w", err)
	}
	f := &Writer{w: w, enc: enc, max: o.FrameSize, sum: newIndexSum()}
	// A frame and the record that shows it to be full. Memory that is not touched costs
	// nothing; growing by copies does.
	f.raw = make([]byte, 0, o.FrameSize+MaxRecordSize)
	if err := f.append(host); err != nil {
		return nil, err
	}
	return f, nil
}

// windowFor returns the smallest window that covers a frame of n bytes.
func windowFor(n int) int {
	w := zstd.MinWindowSize
	for w < n {
		w *= 2
	}
	return w
}

// Write appends a record. It fills in the counters of an *End, after which it accepts no
// more. A record that cannot be encoded is an error and changes nothing; an error of the
// underlying writer is returned by every later call too. Write keeps no reference to r.
func (w *Writer) Write(r Record) error {
	switch {
	case w.err != nil:
		return w.err
	case w.closed || w.ended:
		return fmt.Errorf("write record after the end: %w", os.ErrClosed)
	}
	switch r := r.(type) {
	case *Host:
		return errors.New("write record: the host record is the first one and there already")
	case *End:
		r.Records, r.Mmaps, r.Lost = w.stats.Records, w.stats.Mmaps, w.lost
	}
	return w.append(r)
}

// append encodes r into the open frame, or into a new one if that would grow too large.
func (w *Writer) append(r Record) error {
	start := len(w.raw)
	raw, err := AppendRecord(w.raw, r)
	if err != nil {
		return err
	}
	w.raw = raw
	if start > 0 && len(raw) > w.max {
		if err := w.flush(start); err != nil {
			return err
		}
		start = 0
	}
	w.frame.add(r)
	w.time = max(w.time, r.Head().Time)
	w.stats.Records++
	w.stats.RawBytes += uint64(len(w.raw) - start)
	switch r := r.(type) {
	case *Mmap:
		w.stats.Mmaps++
	case *Lost:
		w.lost += r.Count
	case *End:
		w.ended = true
	}
	return nil
}

// Flush closes the open frame and writes it, so that a crash cannot lose it. It does
// nothing if there is no record in it. It does not sync the file.
func (w *Writer) Flush() error {
	if w.err != nil {
		return w.err
	}
	return w.flush(len(w.raw))
}

// flush writes the first n bytes of raw as a frame and moves the rest to the front.
func (w *Writer) flush(n int) error {
	if n == 0 {
		return nil
	}
	w.zipped = w.enc.EncodeAll(w.raw[:n], w.zipped[:0])
	w.frame.Offset = int64(w.stats.FileBytes)
	w.frame.Size = int64(len(w.zipped))
	w.frame.RawSize = int64(n)
	if err := w.write(w.zipped); err != nil {
		return err
	}
	w.stats.Frames++
	at := len(w.entries)
	w.entries = w.frame.appendEntry(w.entries)
	w.sum.add(&w.frame, w.entries[at:])
	w.frame = Frame{RawOffset: w.frame.RawOffset + int64(n)}
	w.raw = w.raw[:copy(w.raw, w.raw[n:])]
	return nil
}

func (w *Writer) write(b []byte) error {
	n, err := w.w.Write(b)
	w.stats.FileBytes += uint64(max(n, 0))
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("write frame: %w", err)
	}
	return w.err
}

// Close ends the recording: it writes an End record with the highest time seen if there is
// none yet, the open frame and the index. It does not close the underlying writer. A
// second call does nothing and returns the error of the first.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	if w.err == nil && !w.ended {
		_ = w.Write(&End{Common: Common{Time: w.time}}) // what can fail is kept in w.err
	}
	if w.Flush() == nil && w.sum.payload() <= math.MaxUint32 {
		_ = w.write(w.index())
	}
	w.closed = true
	return w.err
}

// index returns the skippable frame with the index.
func (w *Writer) index() []byte {
	b := binary.LittleEndian.AppendUint32(w.zipped[:0], indexFrameMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(w.sum.payload()))
	b = appendIndexHeader(b)
	b = append(b, w.entries...)
	return w.sum.appendFooter(b)
}

// Stats returns what has been written so far.
func (w *Writer) Stats() WriterStats { return w.stats }
