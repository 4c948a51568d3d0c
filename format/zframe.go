package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Numbers of the zstd frame format, RFC 8878 sections 3.1.1 and 3.1.2.
const (
	zstdMagic      = 0xFD2FB528
	skippableMagic = 0x184D2A50 // and the 15 numbers that follow
	maxBlockSize   = 128 << 10  // bytes, compressed or not

	blockRLE        = 1 // block types
	blockCompressed = 2
	blockReserved   = 3

	checksumSize = 4
)

// errCut says that the input ends within a frame. It does not leave the package.
var errCut = errors.New("input ends within a frame")

// splitter cuts an input into zstd frames without decompressing anything. It holds one
// frame at a time, and no more of it than the input really has.
type splitter struct {
	r   io.Reader
	off int64 // bytes taken from r
	max int   // raw bytes that a frame may have

	buf     []byte // the frame so far
	header  int    // bytes of its header
	whole   int    // bytes of its header and its whole blocks
	content int64  // Frame_Content_Size; -1 = not given
	window  uint64 // bytes
	final   bool   // its last block is among the whole ones
	bound   int    // raw bytes that its whole blocks have at most
}

// magic reads the number that a frame starts with. At the end of the input it returns
// io.EOF.
func (s *splitter) magic() (uint32, error) {
	s.buf, s.header, s.whole = s.buf[:0], 0, 0
	b, err := s.take(4)
	if err == nil {
		return binary.LittleEndian.Uint32(b), nil
	}
	if !errors.Is(err, errCut) {
		return 0, err
	}
	if len(s.buf) == 0 {
		return 0, io.EOF
	}
	if !startsMagic(s.buf) {
		return 0, corrupt("no zstd frame starts here, but % x", s.buf)
	}
	return 0, errCut
}

// startsMagic reports whether b, of less than 4 bytes, may be the start of a frame.
func startsMagic(b []byte) bool {
	data := binary.LittleEndian.AppendUint32(nil, zstdMagic)
	skip := binary.LittleEndian.AppendUint32(nil, skippableMagic)
	return string(b) == string(data[:len(b)]) ||
		b[0]&0xF0 == skip[0] && string(b[1:]) == string(skip[1:len(b)])
}

// take appends the next n bytes of the input to buf and returns them. If the input has
// less, those are in buf and the error is errCut.
func (s *splitter) take(n int) ([]byte, error) {
	at := len(s.buf)
	s.buf = slices.Grow(s.buf, n)[:at+n]
	got, err := io.ReadFull(s.r, s.buf[at:])
	s.off += int64(got)
	s.buf = s.buf[:at+got]
	switch {
	case err == nil:
		return s.buf[at:], nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errCut
	}
	return nil, fmt.Errorf("read frame: %w", err)
}

// frame reads the rest of a data frame, behind its magic number, into buf.
func (s *splitter) frame() error {
	if err := s.frameHeader(); err != nil {
		return err
	}
	// No encoder spends more than this on a frame of max bytes.
	limit := s.max + s.max/64 + 1024
	for last := false; !last; {
		b, err := s.take(3)
		if err != nil {
			return err
		}
		h := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		last = h&1 != 0
		size := int(h >> 3)
		raw := size
		switch {
		case h>>1&3 == blockReserved:
			return corrupt("zstd block of reserved type")
		case size > maxBlockSize:
			return corrupt("zstd block of %d bytes, at most %d", size, maxBlockSize)
		case h>>1&3 == blockRLE:
			size = 1
		case h>>1&3 == blockCompressed:
			raw = maxBlockSize
		}
		if len(s.buf)+size > limit {
			return s.tooLarge()
		}
		if _, err := s.take(size); err != nil {
			return err
		}
		s.whole, s.final = len(s.buf), last
		s.bound = min(s.bound+raw, s.max)
	}
	_, err := s.take(checksumSize)
	return err
}

// frameHeader reads what stands between the magic number and the first block.
func (s *splitter) frameHeader() error {
	b, err := s.take(1)
	if err != nil {
		return err
	}
	descriptor := b[0]
	single := descriptor&(1<<5) != 0
	switch {
	case descriptor&(1<<3) != 0:
		return corrupt("reserved bit is set in the zstd frame header")
	case descriptor&3 != 0:
		return corrupt("zstd frame needs a dictionary")
	case descriptor&(1<<2) == 0:
		return corrupt("zstd frame has no checksum")
	}
	s.content, s.window, s.final, s.bound = -1, 0, false, 0
	if !single {
		if b, err = s.take(1); err != nil {
			return err
		}
		base := uint64(1) << (10 + b[0]>>3)
		s.window = base + base/8*uint64(b[0]&7)
	}
	size := [4]int{0, 2, 4, 8}[descriptor>>6]
	if size == 0 && single {
		size = 1
	}
	if size > 0 {
		if b, err = s.take(size); err != nil {
			return err
		}
		var v [8]byte
		copy(v[:], b)
		n := binary.LittleEndian.Uint64(v[:])
		if size == 2 {
			n += 256
		}
		if n > uint64(s.max) {
			return s.tooLarge()
		}
		s.content = int64(n)
	}
	if single {
		s.window = uint64(s.content)
	}
	s.header, s.whole = len(s.buf), len(s.buf)
	return nil
}

func (s *splitter) tooLarge() error {
	return fmt.Errorf("%w: a frame, or the window that it asks for, exceeds %d bytes; read the output of zstd -dc instead",
		ErrTooLarge, s.max)
}

// salvage appends to dst the whole blocks of the frame that was cut off as a frame of its
// own, which has neither content size nor checksum. Without a whole block it appends
// nothing.
func (s *splitter) salvage(dst []byte) []byte {
	if s.header == 0 || s.whole <= s.header {
		return dst
	}
	dst = binary.LittleEndian.AppendUint32(dst, zstdMagic)
	dst = append(dst, 0, windowDescriptor(s.window))
	dst = append(dst, s.buf[s.header:s.whole]...)
	if !s.final {
		dst = append(dst, 1, 0, 0) // a last, empty, raw block
	}
	return dst
}

// windowDescriptor returns the byte for the smallest window of at least n bytes.
func windowDescriptor(n uint64) byte {
	for d := 0; d < 256; d++ {
		base := uint64(1) << (10 + d>>3)
		if base+base/8*uint64(d&7) >= n {
			return byte(d)
		}
	}
	return 255
}
