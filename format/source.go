package format

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// source delivers the raw record stream in pieces of whole records.
type source interface {
	// next returns the next piece, valid until the next call, and where it was. At the
	// end the error is io.EOF. With errCut there may be a piece too, which may end within
	// a record: what could be saved of a frame that was cut off.
	next() (raw []byte, f Frame, err error)
	// done is told what the last piece held once that has been read whole. Ended says
	// that End was there.
	done(f *Frame, ended bool)
	// at returns a source of the same recording that begins with the frame f, which is where
	// r stands; those before it are not read.
	at(r *bufio.Reader, before []Frame, f *Frame) source
	// readAhead makes it work while the caller reads what next has returned.
	readAhead()
}

// zstdSource reads a file of zstd frames.
type zstdSource struct {
	split   splitter
	dec     *zstd.Decoder
	buf     []byte // in which the caller has the records of the last frame
	rawOff  int64
	sum     indexSum
	ended   bool
	indexed bool
	ahead   *ahead // nil: frames are fetched one by one
}

// fetched is a frame as the input has it. Whether it may stand there is not asked yet.
type fetched struct {
	at, end int64  // offsets; end is behind what was read of it
	magic   uint32 // 0 with err
	err     error  // of its beginning
	data    error  // of the rest, if it is one with records: those are in raw
	raw     []byte
	buf     []byte // that raw is in, or may be
}

// more reports whether another frame can be fetched before this one was looked at.
func (f *fetched) more() bool { return f.err == nil && f.magic == zstdMagic && f.data == nil }

func newZstdSource(r io.Reader, limit int) (*zstdSource, error) {
	// A frame that is salvaged states its window in steps of one eighth.
	memory := uint64(limit) + uint64(limit)/8 + maxBlockSize
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(memory),
		zstd.WithDecoderMaxWindow(memory))
	if err != nil {
		return nil, fmt.Errorf("create zstd decoder: %w", err)
	}
	return &zstdSource{split: splitter{r: r, max: limit}, dec: dec, sum: newIndexSum()}, nil
}

func (s *zstdSource) readAhead() { s.ahead = newAhead(s) }

func (s *zstdSource) next() ([]byte, Frame, error) {
	for {
		var got fetched
		if s.ahead != nil {
			got = s.ahead.next(s.buf)
		} else {
			got = s.fetch(s.buf)
		}
		s.buf = got.buf
		raw, err := s.piece(&got)
		if raw == nil && err == nil {
			continue
		}
		f := Frame{Offset: got.at, Size: got.end - got.at, RawOffset: s.rawOff, RawSize: int64(len(raw))}
		s.rawOff += f.RawSize
		return raw, f, err
	}
}

// fetch reads the next frame, its records into buf or a larger one. Of a frame without records it
// leaves the rest, which depends on what has been read before, to piece.
func (s *zstdSource) fetch(buf []byte) fetched {
	f := fetched{at: s.split.off, buf: buf}
	f.magic, f.err = s.split.magic()
	if f.err == nil && f.magic == zstdMagic {
		f.data = s.data(&f)
	}
	f.end = s.split.off
	return f
}

// piece returns the records of the frame that was fetched, nil and no error if it has none.
func (s *zstdSource) piece(f *fetched) ([]byte, error) {
	switch {
	case f.err != nil:
		return nil, f.err
	case f.magic&^0xF == skippableMagic:
		return nil, s.skippable(f.magic)
	case f.magic != zstdMagic:
		return nil, corrupt("no zstd frame starts here, but %#08x", f.magic)
	case s.ended:
		return nil, corrupt("a frame follows the one with End")
	case f.data == nil && len(f.raw) == 0:
		return nil, corrupt("a frame without records")
	}
	return f.raw, f.data
}

// data reads and decompresses a frame behind its magic number. With errCut there may be records too.
func (s *zstdSource) data(f *fetched) error {
	if err := s.split.frame(); err != nil {
		if errors.Is(err, errCut) {
			s.save(f)
		}
		return err
	}
	return s.decompress(f, s.split.buf)
}

// decompress decodes one frame.
func (s *zstdSource) decompress(f *fetched, frame []byte) error {
	// Without this the decoder grows its output step by step and leaves garbage behind.
	size := s.split.bound
	if s.split.content >= 0 {
		size = min(size, int(s.split.content))
	}
	f.buf = slices.Grow(f.buf[:0], size+64)
	raw, err := s.dec.DecodeAll(frame, f.buf)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return s.split.tooLarge()
	case err != nil:
		bad := corrupt("decompress frame")
		bad.Err = err
		return bad
	case len(raw) > s.split.max:
		return s.split.tooLarge()
	}
	f.raw, f.buf = raw, raw
	return nil
}

// save decodes the whole blocks of a cut frame, if they can be decompressed.
func (s *zstdSource) save(f *fetched) {
	frame := s.split.salvage(nil)
	if frame == nil {
		return
	}
	if s.decompress(f, frame) != nil || s.split.content >= 0 && int64(len(f.raw)) > s.split.content {
		f.raw = nil
	}
}

// skippable passes a skippable frame, behind its magic number, and checks it if it is the
// index.
func (s *zstdSource) skippable(magic uint32) error {
	b, err := s.split.take(4)
	if err != nil {
		return err
	}
	size := binary.LittleEndian.Uint32(b)
	if magic == indexFrameMagic {
		return s.index(size)
	}
	// A frame of somebody else, unless one bit has made it so.
	if size >= uint32(len(indexMagic)) {
		b, err := s.split.take(len(indexMagic))
		if err != nil {
			return err
		}
		if string(b) == indexMagic {
			return corrupt("the index is in a frame with the wrong magic number %#x", magic)
		}
		size -= uint32(len(indexMagic))
	}
	n, err := io.CopyN(io.Discard, s.split.r, int64(size))
	s.split.off += n
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return errCut
	}
	return fmt.Errorf("skip frame: %w", err)
}

// index compares an index of size bytes with the frames that have been read.
func (s *zstdSource) index(size uint32) error {
	switch {
	case !s.ended:
		return corrupt("the index comes before End")
	case s.indexed:
		return corrupt("a second index")
	case uint64(size) != s.sum.payload():
		return corrupt("index of %d bytes for %d frames", size, s.sum.frames)
	}
	s.indexed = true
	var crc uint32
	for left := int(size) - indexFooterSize; left > 0; {
		s.split.buf = s.split.buf[:0]
		b, err := s.split.take(min(left, 4096))
		if err != nil {
			return err
		}
		crc = crc32.Update(crc, castagnoli, b)
		left -= len(b)
	}
	footer, err := s.split.take(indexFooterSize)
	if err != nil {
		return err
	}
	if crc != s.sum.crc || string(footer) != string(s.sum.appendFooter(nil)) {
		return corrupt("the index does not match the frames")
	}
	return nil
}

func (s *zstdSource) done(f *Frame, ended bool) {
	s.sum.add(f, f.appendEntry(nil))
	s.ended = ended
}

// rawSource reads the raw record stream, one record at a time.
type rawSource struct {
	r     *bufio.Reader // holds more than a record
	used  int           // size of the last record, which is still in r
	off   int64
	ended bool
}

// readAhead does nothing: raw records need no work.
func (*rawSource) readAhead() {}

func (s *rawSource) next() ([]byte, Frame, error) {
	if _, err := s.r.Discard(s.used); err != nil {
		return nil, Frame{}, fmt.Errorf("read record: %w", err)
	}
	s.off += int64(s.used)
	s.used = 0
	f := Frame{Offset: s.off, RawOffset: s.off}
	b, err := s.peek(headerSize)
	if err != nil {
		return nil, f, err
	}
	n, err := recordSize(b)
	if err != nil {
		return nil, f, err
	}
	b, err = s.peek(n)
	if err != nil {
		return nil, f, err
	}
	s.used = n
	f.Size, f.RawSize = int64(n), int64(n)
	return b, f, nil
}

// peek returns the next n bytes. An input that ends before them is io.EOF if it has none
// of them, damage behind End, and errCut else.
func (s *rawSource) peek(n int) ([]byte, error) {
	b, err := s.r.Peek(n)
	switch {
	case err == nil:
		return b, nil
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read record: %w", err)
	case len(b) == 0:
		return nil, io.EOF
	case s.ended:
		return nil, corrupt("%d bytes follow End", len(b))
	}
	return nil, errCut
}

func (s *rawSource) done(_ *Frame, ended bool) { s.ended = ended }
