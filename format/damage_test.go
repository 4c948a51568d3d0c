package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// damaged returns a small recording of several frames with all sorts of records.
func damaged(t *testing.T) (file []byte, lines []string) {
	t.Helper()
	file = recording(t, WriterOptions{}, 8, samples()[2:len(samples())-4]...)
	lines, err := readAll(bytes.NewReader(file), ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return file, lines
}

func isPrefix(got, want []string) bool {
	return len(got) <= len(want) && slices.Equal(got, want[:len(got)])
}

func TestCutAnywhere(t *testing.T) {
	file, want := damaged(t)
	x, err := ReadIndex(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	last := x.Frames[len(x.Frames)-1]
	end := int(last.Offset + last.Size)
	for n := range file {
		got, err := readAll(bytes.NewReader(file[:n]), ReaderOptions{})
		if n == end && err == nil && len(got) == len(want) {
			continue // without its index the recording is still whole
		}
		if !errors.Is(err, ErrTruncated) || errors.Is(err, ErrCorrupt) || !isPrefix(got, want) {
			t.Fatalf("cut at %d: %d records, %v", n, len(got), err)
		}
		for _, f := range x.Frames {
			if int(f.Offset+f.Size) <= n && int64(len(got)) < f.FirstRecord+f.Records {
				t.Fatalf("cut at %d: only %d records", n, len(got))
			}
		}
	}
}

// TestCutLargeFrame checks that the whole blocks of a frame that was cut off are used.
func TestCutLargeFrame(t *testing.T) {
	file := recording(t, WriterOptions{FrameSize: 4 << 20}, 0, snapshot(100, 40)...)
	want, err := readAll(bytes.NewReader(file), ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	for n := 100; n < len(file); n += 997 {
		got, err := readAll(bytes.NewReader(file[:n]), ReaderOptions{})
		if !errors.Is(err, ErrTruncated) || !isPrefix(got, want) {
			t.Fatalf("cut at %d: %d records, %v", n, len(got), err)
		}
		if n < len(file)*3/4 {
			most = max(most, len(got))
		}
	}
	if most < len(want)/3 {
		t.Errorf("%d of %d records were saved", most, len(want))
	}
}

func TestCutRaw(t *testing.T) {
	raw, want := rawStream(t, recording(t, WriterOptions{}, 0, testMmap())), []string(nil)
	for n := range len(raw) + 1 {
		got, err := readAll(bytes.NewReader(raw[:n]), ReaderOptions{})
		if n == len(raw) {
			if err != nil {
				t.Fatal(err)
			}
			want = got
		} else if !errors.Is(err, ErrTruncated) || errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	if len(want) != 3 {
		t.Errorf("%d records", len(want))
	}
}

func rawStream(t *testing.T, file []byte) []byte {
	t.Helper()
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	raw, err := dec.DecodeAll(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestFlipAnyBit checks that damage of one bit is found, or does no harm.
func TestFlipAnyBit(t *testing.T) {
	file, want := damaged(t)
	x, err := ReadIndex(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	last := x.Frames[len(x.Frames)-1]
	index := int(last.Offset + last.Size)
	for i := range file {
		for bit := range 8 {
			file[i] ^= 1 << bit
			got, err := readAll(bytes.NewReader(file), ReaderOptions{})
			switch {
			case !isPrefix(got, want):
				t.Errorf("bit %d of byte %d: other records, %v", bit, i, err)
			case err == nil && (len(got) != len(want) || i >= index):
				t.Errorf("bit %d of byte %d of %d was not noticed", bit, i, index)
			}
			if _, err := ReadIndex(bytes.NewReader(file), int64(len(file))); i >= index && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNoIndex) {
				t.Errorf("bit %d of byte %d was not noticed by ReadIndex: %v", bit, i, err)
			}
			file[i] ^= 1 << bit
		}
	}
}

func TestGarbageBehind(t *testing.T) {
	file, want := damaged(t)
	x, _ := ReadIndex(bytes.NewReader(file), int64(len(file)))
	last := x.Frames[len(x.Frames)-1]
	index := file[last.Offset+last.Size:]
	other := append([]byte{0x5e, 0x2a, 0x4d, 0x18, 9, 0, 0, 0}, "something"...)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	tests := []struct {
		name string
		file []byte
		err  error
	}{
		{"newline", join(file, []byte("\n")), ErrCorrupt},
		{"text", join(file, []byte("hello world")), ErrCorrupt},
		{"another recording", join(file, file), ErrCorrupt},
		{"second index", join(file, index), ErrCorrupt},
		{"index first", join(index, file), ErrCorrupt},
		{"foreign frames", join(other, file[:last.Offset], other, file[last.Offset:last.Offset+last.Size], other), nil},
		{"frame lost", file[x.Frames[0].Size:], ErrNotRecording},
		{"frame lost within", join(file[:x.Frames[1].Offset], file[x.Frames[2].Offset:]), ErrCorrupt},
		{"start of a frame", join(file, []byte{0x28, 0xb5}), ErrTruncated},
	}
	for _, test := range tests {
		got, err := readAll(bytes.NewReader(test.file), ReaderOptions{})
		if !errors.Is(err, test.err) {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.err == nil && !slices.Equal(got, want) {
			t.Errorf("%s: %d records", test.name, len(got))
		}
	}
}

// TestBombs checks that small hostile files cost little memory.
func TestBombs(t *testing.T) {
	head := recording(t, WriterOptions{}, 1, testMmap())
	x, err := ReadIndex(bytes.NewReader(head), int64(len(head)))
	if err != nil {
		t.Fatal(err)
	}
	head = head[:x.Frames[0].Size]
	frame := func(descriptor []byte, blocks ...string) string {
		return "\x28\xb5\x2f\xfd" + string(descriptor) + strings.Join(blocks, "") + "sum!"
	}
	rle := string(binary.LittleEndian.AppendUint32(nil, uint32(maxBlockSize<<3|2)|8<<24))
	last := string([]byte{1, 0, 0})
	empty := string([]byte{0, 0, 0})
	tests := []struct {
		name, tail string
		err        error
	}{
		{"content size", frame([]byte{0xe4, 0, 0, 0, 0, 1, 0, 0, 0}), ErrTooLarge},
		{"content size that lies", frame([]byte{0xa4, 0, 0, 0, 1}, strings.Repeat(rle, 2000), last), ErrCorrupt},
		{"no content size", frame([]byte{0x04, 0x20}, strings.Repeat(rle, 2000), last), ErrTooLarge},
		{"window", frame([]byte{0x04, 0xff}, rle, last), ErrTooLarge},
		{"many empty blocks", frame([]byte{0x04, 0x20}, strings.Repeat(empty, 3000), last), ErrCorrupt},
		{"skippable of 4 GiB", "\x50\x2a\x4d\x18\xff\xff\xff\xff", ErrTruncated},
		{"many frames", strings.Repeat(frame([]byte{0xa4, 0, 0, 0x80, 0}, strings.Repeat(rle, 64), last), 30), ErrCorrupt},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, ahead := range []bool{false, true} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := readOnce(strings.NewReader(string(head)+test.tail), ReaderOptions{Ahead: ahead})
				runtime.ReadMemStats(&after)
				if err == nil || test.err != nil && !errors.Is(err, test.err) {
					t.Errorf("got %v, want %v", err, test.err)
				}
				if spent := after.TotalAlloc - before.TotalAlloc; spent > 64<<20 {
					t.Errorf("%d MiB, ahead %t", spent>>20, ahead)
				}
			}
		})
	}
}

// tinyRecords returns a file of some 10 KB with millions of records and no End.
func tinyRecords(t *testing.T) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(true))
	if err != nil {
		t.Fatal(err)
	}
	head, err := AppendRecord(nil, testHost())
	if err != nil {
		t.Fatal(err)
	}
	one, err := AppendRecord(nil, &Unknown{RawType: 99})
	if err != nil {
		t.Fatal(err)
	}
	file := enc.EncodeAll(head, nil)
	frame := enc.EncodeAll(bytes.Repeat(one, DefaultMaxFrame/len(one)), nil)
	for len(file) < 10_000 {
		file = append(file, frame...)
	}
	return file
}

// TestBombOfRecords checks that a small file of many records costs little memory.
func TestBombOfRecords(t *testing.T) {
	file := tinyRecords(t)
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	before, peak := mem.HeapAlloc, uint64(0)
	r, err := NewReader(bytes.NewReader(file), ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for err == nil {
		if _, err = r.Read(); n%100_000 == 0 {
			runtime.ReadMemStats(&mem)
			peak = max(peak, mem.HeapAlloc)
		}
		n++
	}
	if !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
	if peak > before+64<<20 {
		t.Errorf("%d records: %d MiB", n, (peak-before)>>20)
	}
}
