package format

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// TestFrameHeader has each kind of zstd frame header, RFC 8878 section 3.1.1.1.
func TestFrameHeader(t *testing.T) {
	for _, tc := range []struct {
		name, header string
		content      int64
		window       uint64
		err          string // "" = none
	}{
		{"window", "\x04\x50", -1, 1 << 20, ""},
		{"window with eighths", "\x04\x53", -1, 1<<20 + 3<<17, ""},
		{"one byte of content size", "\x24\xff", 255, 255, ""},
		{"two bytes", "\x64\x01\x02", 0x201 + 256, 0x201 + 256, ""},
		{"two bytes and a window", "\x44\x00\x01\x02", 0x201 + 256, 1 << 10, ""},
		{"four bytes", "\xa4\x01\x02\x03\x00", 0x30201, 0x30201, ""},
		{"eight bytes", "\xe4\x01\x02\x00\x00\x00\x00\x00\x00", 0x201, 0x201, ""},
		{"eight bytes, too large", "\xe4\x01\x02\x00\x00\x00\x00\x00\x80", 0, 0, "too large"},
		{"dictionary", "\x25\x07\x01", 0, 0, "needs a dictionary"},
		{"no checksum", "\x20\x01", 0, 0, "no checksum"},
		{"reserved bit", "\x2c\x01", 0, 0, "reserved bit"},
		{"cut", "\xa4\x01\x02\x03", 0, 0, errCut.Error()},
	} {
		s := splitter{r: strings.NewReader(tc.header), max: MaxFrameSize}
		err := s.frameHeader()
		switch {
		case tc.err != "":
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: %v, want %q", tc.name, err, tc.err)
			}
		case err != nil || s.content != tc.content || s.window != tc.window || s.header != len(tc.header):
			t.Errorf("%s: content %d, window %d, %d bytes, %v", tc.name, s.content, s.window, s.header, err)
		}
	}
}

// TestWindowLimit holds docs/format.md to what it says about windows: a frame that asks for
// more than 18 MiB is refused.
func TestWindowLimit(t *testing.T) {
	raw := stream(t, testHost(), &End{Records: 1})
	for window, want := range map[byte]error{14<<3 | 1: ErrTruncated, 14<<3 | 2: ErrTooLarge} {
		frame := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, window}, block(raw)...)
		frame = append(frame, 1, 0, 0, 's', 'u', 'm', '!')
		if errors.Is(want, ErrTruncated) {
			frame = frame[:len(frame)-4] // without a checksum to be right
		}
		if _, err := readAll(bytes.NewReader(frame), ReaderOptions{}); !errors.Is(err, want) {
			t.Errorf("window %#x: %v, want %v", window, err, want)
		}
	}
}

func TestWindowDescriptor(t *testing.T) {
	window := func(d byte) uint64 {
		s := splitter{r: strings.NewReader(string([]byte{4, d})), max: 1 << 30}
		if err := s.frameHeader(); err != nil {
			t.Fatal(err)
		}
		return s.window
	}
	for _, n := range []uint64{0, 1, 1 << 10, 1<<10 + 1, 1 << 20, 1<<20 + 1, 20 << 20, 1 << 30} {
		d := windowDescriptor(n)
		if window(d) < n || d > 0 && window(d-1) >= n {
			t.Errorf("%d bytes: window of %d", n, window(d))
		}
	}
}
