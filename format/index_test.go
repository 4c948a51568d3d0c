package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

func TestReadIndexHostile(t *testing.T) {
	file, _ := damaged(t)
	size := int64(len(file))
	footer := size - indexFooterSize
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(file)
		f(b)
		return b
	}
	// The frames, with a checksum that is right.
	frames := func(change func(first, second *Frame)) []byte {
		x, err := ReadIndex(bytes.NewReader(file), size)
		if err != nil {
			t.Fatal(err)
		}
		change(&x.Frames[0], &x.Frames[1])
		sum := newIndexSum()
		b := bytes.Clone(file[:bytes.Index(file, []byte(indexMagic))+indexHeaderSize])
		for i := range x.Frames {
			at := len(b)
			b = x.Frames[i].appendEntry(b)
			sum.add(&x.Frames[i], b[at:])
		}
		return sum.appendFooter(b)
	}
	if b := frames(func(_, _ *Frame) {}); !bytes.Equal(b, file) {
		t.Error("the same frames have another index")
	}
	tests := []struct {
		name string
		file []byte
		err  error
	}{
		{"frames that overlap", frames(func(_, second *Frame) { second.Offset-- }), ErrCorrupt},
		{"frames that overlap in the raw stream", frames(func(_, second *Frame) { second.RawOffset-- }), ErrCorrupt},
		{"gap in the raw stream", frames(func(first, _ *Frame) { first.RawSize-- }), ErrCorrupt},
		{"frame over the index", frames(func(first, second *Frame) { first.Offset, second.Offset = 0, size-indexFooterSize }), ErrCorrupt},
		{"negative offset", frames(func(first, _ *Frame) { first.Offset = -1 << 62 }), ErrCorrupt},
		{"empty", nil, ErrNoIndex},
		{"cut", file[:size-1], ErrNoIndex},
		{"payload of 4 GiB", change(func(b []byte) { binary.LittleEndian.PutUint32(b[footer+24:], 1<<32-1) }), ErrCorrupt},
		{"many frames", change(func(b []byte) { binary.LittleEndian.PutUint64(b[footer:], 1<<63) }), ErrCorrupt},
		{"no payload", change(func(b []byte) { binary.LittleEndian.PutUint32(b[footer+24:], 0) }), ErrCorrupt},
		{"other version", change(func(b []byte) { b[bytes.Index(b, []byte(indexMagic))+8]++ }), ErrCorrupt},
		{"frame behind the index", change(func(b []byte) { b[bytes.Index(b, []byte(indexMagic))+indexHeaderSize+4] = 1 }), ErrCorrupt},
		{"file without its start", file[10:], ErrCorrupt},
	}
	for _, test := range tests {
		x, err := ReadIndex(bytes.NewReader(test.file), int64(len(test.file)))
		if !errors.Is(err, test.err) || x != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if _, err := ReadIndex(bytes.NewReader(file), size); err != nil {
		t.Error(err)
	}
	if _, err := ReadIndex(bytes.NewReader(nil), size); err == nil {
		t.Error("size that is wrong")
	}
}
