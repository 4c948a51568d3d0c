package format

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

func TestNotRecording(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, input, text string }{
		{"empty", "", "the input is empty"},
		{"perf", "PERFILE2" + strings.Repeat("x", 100), "perf.data"},
		{"elf", "\x7fELF\x02\x01", "an ELF file"},
		{"text", "hello\n", "text"},
		{"text form", string(AppendText(nil, testHost())), "the text form"},
		{"json", string(AppendJSON(nil, testHost())), "JSON"},
		{"binary", "\x00\x01\x02\x03\x04", "binary"},
		{"one byte", "\n", "text"},
		{"perf header", "\x01\x00\x00\x00\x02\x00\x28\x00" + strings.Repeat("x", 100), "binary"},
		{"zstd", string(enc.EncodeAll([]byte(strings.Repeat("other data ", 20)), nil)), "something else, compressed"},
	}
	for _, test := range tests {
		_, err := NewReader(strings.NewReader(test.input), ReaderOptions{})
		if !errors.Is(err, ErrNotRecording) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", test.name, err)
		}
		if errors.Is(err, ErrTruncated) != (test.input == "") {
			t.Errorf("%s: truncated: %v", test.name, err)
		}
	}
}

func TestReaderRaw(t *testing.T) {
	raw := rawStream(t, recording(t, WriterOptions{}, 0, testMmap()))
	r, err := NewReader(iotest.HalfReader(bytes.NewReader(raw)), ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	host, err := r.Read()
	if err != nil || host != Record(r.Host()) || r.Offset() != (Position{}) {
		t.Errorf("%v, %v, %+v", host, err, r.Offset())
	}
	m, err := r.Read()
	if err != nil || string(AppendText(nil, m)) != string(AppendText(nil, testMmap())) {
		t.Errorf("%v, %v", m, err)
	}
	if p := r.Offset(); p.Record != 1 || p.Raw != int64(raw[6])|int64(raw[7])<<8 {
		t.Errorf("%+v", p)
	}
	if _, err := readAll(bytes.NewReader(append(raw, raw...)), ReaderOptions{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("two streams: %v", err)
	}
	for _, more := range []string{"\n", "something", string(raw[:len(raw)-8])} {
		if lines, err := readAll(strings.NewReader(string(raw)+more), ReaderOptions{}); !errors.Is(err, ErrCorrupt) || len(lines) != 3 {
			t.Errorf("%d bytes behind End: %d records, %v", len(more), len(lines), err)
		}
	}
}

func TestMaxFrame(t *testing.T) {
	file := recording(t, WriterOptions{}, 0, snapshot(20, 40)...)
	for _, limit := range []int{MinFrameSize, 0} {
		lines, err := readAll(bytes.NewReader(file), ReaderOptions{MaxFrame: limit})
		if limit == 0 && err != nil {
			t.Error(err)
		}
		if limit != 0 && (!errors.Is(err, ErrTooLarge) || len(lines) > 0 || !strings.Contains(err.Error(), "zstd -dc")) {
			t.Errorf("%d lines, %v", len(lines), err)
		}
	}
	if _, err := NewReader(bytes.NewReader(file), ReaderOptions{MaxFrame: 1}); err == nil {
		t.Error("limit of 1")
	}
}

// TestRecompressed reads what other zstd programs make of a recording: one frame without
// content size and no index.
func TestRecompressed(t *testing.T) {
	file := recording(t, WriterOptions{FrameSize: MinFrameSize}, 0, snapshot(60, 40)...)
	want, err := readAll(bytes.NewReader(file), ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dec, err := zstd.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	enc, err := zstd.NewWriter(&again)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(enc, dec); err != nil {
		t.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(&again, ReaderOptions{})
	if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d records of %d, %v", len(got), len(want), err)
	}
}

func TestReaderPassesErrorsOn(t *testing.T) {
	file, _ := damaged(t)
	for _, n := range []int{0, 2, 40, 300} {
		for _, ahead := range []bool{false, true} {
			_, err := readOnce(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(errDisk)), ReaderOptions{Ahead: ahead})
			if !errors.Is(err, errDisk) {
				t.Errorf("after %d bytes, ahead %t: %v", n, ahead, err)
			}
		}
	}
}

func TestErrorPosition(t *testing.T) {
	file, _ := damaged(t)
	x, err := ReadIndex(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	f := x.Frames[1]
	file[f.Offset+20] ^= 1
	_, err = readAll(bytes.NewReader(file), ReaderOptions{})
	var bad *FormatError
	if !errors.As(err, &bad) || bad.File != f.Offset || bad.Raw != f.RawOffset || bad.Record != f.FirstRecord {
		t.Errorf("%#v is not at %+v", err, f)
	}
}

func TestReaderOwns(t *testing.T) {
	file := recording(t, WriterOptions{}, 1, &Unknown{RawType: 99, Data: []byte("12345678")}, testMmap(), testMmap())
	r, err := NewReader(bytes.NewReader(file), ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all []Record
	for rec, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rec)
	}
	if string(all[1].(*Unknown).Data) != "12345678" || all[2].(*Mmap).Path != testMmap().Path {
		t.Error("a record changed after it was read")
	}
	if _, err := r.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}
