package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// stream returns records as the raw record stream.
func stream(t *testing.T, records ...Record) []byte {
	t.Helper()
	var raw []byte
	for _, r := range records {
		var err error
		if raw, err = AppendRecord(raw, r); err != nil {
			t.Fatal(err)
		}
	}
	return raw
}

// compress returns raw as one zstd frame.
func compress(t *testing.T, raw []byte, o ...zstd.EOption) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil, o...)
	if err != nil {
		t.Fatal(err)
	}
	return enc.EncodeAll(raw, nil)
}

// block returns an uncompressed zstd block that is not the last one.
func block(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))<<3)[:3], b...)
}

func TestFrameWithoutChecksum(t *testing.T) {
	raw := stream(t, testHost(), &End{Records: 1})
	if got, err := readAll(bytes.NewReader(compress(t, raw)), ReaderOptions{}); err != nil || len(got) != 2 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	got, err := readAll(bytes.NewReader(compress(t, raw, zstd.WithEncoderCRC(false))), ReaderOptions{})
	if !errors.Is(err, ErrCorrupt) || len(got) > 0 || !strings.Contains(err.Error(), "no checksum") {
		t.Errorf("%d records, %v", len(got), err)
	}
}

// TestEnd checks what End says against the records, and that nothing follows it, in both
// forms that a Reader takes.
func TestEnd(t *testing.T) {
	for _, tc := range []struct {
		name    string
		records []Record
		want    int    // records delivered
		text    string // of the error, "" = none
	}{
		{"right", []Record{testMmap(), &End{Records: 2, Mmaps: 1}}, 3, ""},
		{"records", []Record{testMmap(), &End{Records: 3, Mmaps: 1}}, 2, "End says 3 and 1"},
		{"mmaps", []Record{testMmap(), &End{Records: 2, Mmaps: 2}}, 2, "End says 2 and 2"},
		{"record behind", []Record{&End{Records: 1}, &Clear{}}, 2, "a record follows End"},
		{"second Host", []Record{testHost(), &End{Records: 2}}, 1, "a second host record"},
		{"second End", []Record{&End{Records: 1}, &End{Records: 2}}, 2, "a record follows End"},
	} {
		raw := stream(t, append([]Record{testHost()}, tc.records...)...)
		for form, b := range map[string][]byte{"raw": raw, "zstd": compress(t, raw)} {
			got, err := readAll(bytes.NewReader(b), ReaderOptions{})
			if len(got) != tc.want || (err == nil) != (tc.text == "") {
				t.Errorf("%s, %s: %d records, %v", tc.name, form, len(got), err)
			}
			if err != nil && (!errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), tc.text)) {
				t.Errorf("%s, %s: %v", tc.name, form, err)
			}
		}
	}
}

// TestSalvageBelievesTheContentSize cuts a frame off whose block has more than the frame
// says it has: that is no recording that a crash has cut, and nothing of it is used.
func TestSalvageBelievesTheContentSize(t *testing.T) {
	head := compress(t, stream(t, testHost()))
	raw := stream(t, testMmap(), testMmap())
	for size, want := range map[int]int{len(raw): 3, len(raw) + 1: 3, len(raw) - 1: 1} {
		frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa4} // 4 bytes of content size, checksum
		frame = binary.LittleEndian.AppendUint32(frame, uint32(size))
		frame = append(frame, block(raw)...)
		got, err := readAll(bytes.NewReader(append(bytes.Clone(head), frame...)), ReaderOptions{})
		if !errors.Is(err, ErrTruncated) || len(got) != want {
			t.Errorf("content size %d of %d: %d records, want %d: %v", size, len(raw), len(got), want, err)
		}
	}
}

// TestBlockSize checks that a block longer than zstd allows is damage, not something that
// was merely cut off.
func TestBlockSize(t *testing.T) {
	head := compress(t, stream(t, testHost()))
	for size, want := range map[int]error{maxBlockSize: ErrTruncated, maxBlockSize + 1: ErrCorrupt} {
		frame := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x50}, block(make([]byte, size))...)
		_, err := readAll(bytes.NewReader(append(bytes.Clone(head), frame[:1000]...)), ReaderOptions{})
		if !errors.Is(err, want) {
			t.Errorf("block of %d bytes: %v", size, err)
		}
	}
}

// TestFrameOfEmptyBlocks checks that a frame which takes more room than any encoder spends
// on what a frame may hold is given up, rather than kept in memory to its end.
func TestFrameOfEmptyBlocks(t *testing.T) {
	frame := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x50}, make([]byte, 2*MinFrameSize)...)
	s, err := newZstdSource(bytes.NewReader(frame), MinFrameSize)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.next(); !errors.Is(err, ErrTooLarge) || len(s.split.buf) > MinFrameSize*5/4 {
		t.Errorf("%d bytes kept, %v", len(s.split.buf), err)
	}
}

// TestRawLimit has a frame that does not say how much it holds: a little more than a frame
// may, and less than the decoder's own bound, which has to leave room.
func TestRawLimit(t *testing.T) {
	for n, want := range map[int]error{MinFrameSize: nil, MinFrameSize + 1: ErrTooLarge} {
		var file bytes.Buffer
		enc, err := zstd.NewWriter(&file, zstd.WithWindowSize(zstd.MinWindowSize))
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			if _, err := enc.Write([]byte{0}); err != nil {
				t.Fatal(err)
			}
		}
		if err := enc.Close(); err != nil {
			t.Fatal(err)
		}
		s, err := newZstdSource(&file, MinFrameSize)
		if err != nil {
			t.Fatal(err)
		}
		raw, _, err := s.next()
		if !errors.Is(err, want) || want == nil && len(raw) != n {
			t.Errorf("%d bytes: got %d, %v", n, len(raw), err)
		}
		if s.split.content >= 0 {
			t.Errorf("the frame gives its content size %d: the test is void", s.split.content)
		}
	}
}

// TestDecoderMemory checks that the decoder stops by itself: the sizes of the blocks do not
// say what comes of them.
func TestDecoderMemory(t *testing.T) {
	rle := append(binary.LittleEndian.AppendUint32(nil, maxBlockSize<<3|2)[:3], 0)
	frame := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 7 << 3}, bytes.Repeat(rle, 100)...)
	s, err := newZstdSource(bytes.NewReader(append(frame, 1, 0, 0, 0, 0, 0, 0)), MinFrameSize)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.next(); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// TestLargestWindow has a window as large as the largest MaxFrame, which is more than the
// decoder takes unless it is told to. The frame is cut, so that it needs no checksum.
func TestLargestWindow(t *testing.T) {
	raw := stream(t, testMmap())
	frame := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 20 << 3}, block(raw)...)
	for limit, want := range map[int]int{1 << 30: len(raw), 1 << 29: 0} {
		s, err := newZstdSource(bytes.NewReader(frame), limit)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := s.next(); !errors.Is(err, errCut) || len(got) != want {
			t.Errorf("limit %d: %d bytes, want %d: %v", limit, len(got), want, err)
		}
	}
}

// TestIndexWithoutEnd has an index that matches the frames of a recording without End: no
// recorder that is killed leaves one.
func TestIndexWithoutEnd(t *testing.T) {
	raw := stream(t, testHost(), testMmap())
	file := compress(t, raw)
	f := Frame{Size: int64(len(file)), RawSize: int64(len(raw))}
	f.add(testHost())
	f.add(testMmap())
	entry := f.appendEntry(nil)
	sum := newIndexSum()
	sum.add(&f, entry)
	file = binary.LittleEndian.AppendUint32(file, indexFrameMagic)
	file = binary.LittleEndian.AppendUint32(file, uint32(sum.payload()))
	file = append(appendIndexHeader(file), entry...)
	file = sum.appendFooter(file)
	got, err := readAll(bytes.NewReader(file), ReaderOptions{})
	if !errors.Is(err, ErrCorrupt) || len(got) != 2 {
		t.Errorf("%d records, %v", len(got), err)
	}
	if _, err := ReadIndex(bytes.NewReader(file), int64(len(file))); err != nil {
		t.Errorf("the index itself: %v", err)
	}
}

// TestIndexWithoutFrames has an index that is sound but for saying that there is no frame: even a
// recording that is cut off has that of its Host.
func TestIndexWithoutFrames(t *testing.T) {
	sum := newIndexSum()
	file := compress(t, stream(t, testHost(), &End{Records: 1}))
	file = binary.LittleEndian.AppendUint32(file, indexFrameMagic)
	file = binary.LittleEndian.AppendUint32(file, uint32(sum.payload()))
	file = sum.appendFooter(appendIndexHeader(file))
	if x, err := ReadIndex(bytes.NewReader(file), int64(len(file))); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%+v, %v", x, err)
	}
}
