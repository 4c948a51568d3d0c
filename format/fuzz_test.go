package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

// FuzzDecodeRecord: any bytes are a record or an error, never both, and a record that was
// decoded once stays the same through encoding and through its text form.
func FuzzDecodeRecord(f *testing.F) {
	for _, r := range samples() {
		b, err := AppendRecord(nil, r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, n, err := DecodeRecord(b)
		if (r == nil) == (err == nil) || n > len(b) || err != nil && n != 0 {
			t.Fatalf("%v, %d, %v", r, n, err)
		}
		if err != nil {
			if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrNotRecording) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		line := AppendText(nil, r)
		if h, ok := r.(*Host); ok && len(h.Command) > maxCommand {
			return // is cut
		}
		again, err := AppendRecord(nil, r)
		if err != nil {
			t.Fatalf("encode %s: %v", line, err)
		}
		if r2, n, err := DecodeRecord(again); err != nil || n != len(again) || !reflect.DeepEqual(r, r2) {
			t.Fatalf("%s changed in binary: %v", line, err)
		}
		if r2, err := ParseText(line); err != nil || !reflect.DeepEqual(r, r2) {
			t.Fatalf("%s changed in text: %v", line, err)
		}
		if j := AppendJSON(nil, r); !json.Valid(j) {
			t.Fatalf("JSON: %s", j)
		}
	})
}

// FuzzReader: any input ends in io.EOF or an error, and ReadIndex agrees with a reader
// that found nothing wrong.
func FuzzReader(f *testing.F) {
	whole := recording(f, WriterOptions{}, 2, samples()[2:8]...)
	f.Add(whole)
	f.Add(whole[:len(whole)-30])
	f.Add(whole[:len(whole)/2])
	f.Add(recording(f, WriterOptions{Level: 10}, 0, snapshot(3, 5)...))
	raw, err := AppendRecord(nil, testHost())
	if err != nil {
		f.Fatal(err)
	}
	raw, err = AppendRecord(raw, &End{Records: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[:len(raw)-8])
	f.Add([]byte("PERFILE2"))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, err := readAll(bytes.NewReader(b), ReaderOptions{MaxFrame: MinFrameSize})
		x, indexErr := ReadIndex(bytes.NewReader(b), int64(len(b)))
		if err == nil && indexErr == nil && x.Records != int64(len(lines)) {
			t.Fatalf("%d records, index says %d", len(lines), x.Records)
		}
	})
}

// FuzzParseText: a line that can be parsed has one canonical form.
func FuzzParseText(f *testing.F) {
	for _, r := range samples() {
		f.Add(AppendText(nil, r))
	}
	f.Add([]byte(`mmap pid=1 prot=rwxs prot_bits=0x17 path="\xff\u202e"`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseText(line)
		if (r == nil) == (err == nil) {
			t.Fatalf("%v, %v", r, err)
		}
		if err != nil {
			return
		}
		want := AppendText(nil, r)
		r2, err := ParseText(want)
		if err != nil || !reflect.DeepEqual(r, r2) || bytes.ContainsAny(want, "\n\x1b") {
			t.Fatalf("%q became %q: %v", line, want, err)
		}
	})
}
