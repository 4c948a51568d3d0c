package procmap

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func parseAll(r io.Reader) ([]VMA, error) {
	p := NewParser(r)
	var vmas []VMA
	for {
		var v VMA
		err := p.Next(&v)
		if errors.Is(err, io.EOF) {
			return vmas, nil
		}
		if err != nil {
			return vmas, err
		}
		vmas = append(vmas, v.Clone())
	}
}

func TestParser(t *testing.T) {
	const rx = Readable | Executable
	for name, test := range map[string]struct {
		line string
		want VMA
	}{
		"64 bits": {
			"7f5b1c028000-7f5b1c18c000 r-xp 00028000 08:01 1835                       /usr/lib/libc.so.6",
			VMA{Start: 0x7f5b1c028000, End: 0x7f5b1c18c000, Offset: 0x28000, Flags: rx,
				Major: 8, Minor: 1, Inode: 1835, Name: []byte("/usr/lib/libc.so.6")},
		},
		"32 bits": {
			"b7e43000-b7ff8000 rw-s 001d8000 103:0a 4294967296         /lib/x",
			VMA{Start: 0xb7e43000, End: 0xb7ff8000, Offset: 0x1d8000,
				Flags: Readable | Writable | Shared, Major: 0x103, Minor: 10, Inode: 1 << 32,
				Name: []byte("/lib/x")},
		},
		"largest numbers": {
			"0-ffffffffffffffff ---p ffffffffffffffff ffffffff:ffffffff 18446744073709551615 /",
			VMA{End: 1<<64 - 1, Offset: 1<<64 - 1, Major: 1<<32 - 1, Minor: 1<<32 - 1,
				Inode: 1<<64 - 1, Name: []byte("/")},
		},
		"no name": {
			"7f5b1c028000-7f5b1c18c000 ---p 00000000 00:00 0 ",
			VMA{Start: 0x7f5b1c028000, End: 0x7f5b1c18c000},
		},
		"no name, trimmed": {
			"1000-2000 ---p 00000000 00:00 0",
			VMA{Start: 0x1000, End: 0x2000},
		},
		"runs of spaces": {
			"1000-2000 r-xp 00000000 00:1f 5  /a  b   c ",
			VMA{Start: 0x1000, End: 0x2000, Flags: rx, Minor: 0x1f, Inode: 5, Name: []byte("/a  b   c ")},
		},
		"deleted": {
			"1000-2000 r-xp 00000000 00:1f 5 /memfd:x (deleted)",
			VMA{Start: 0x1000, End: 0x2000, Flags: rx, Minor: 0x1f, Inode: 5,
				Name: []byte("/memfd:x"), Deleted: true},
		},
		"deleted twice": {
			"1000-2000 r-xp 00000000 00:1f 5 /x (deleted) (deleted)",
			VMA{Start: 0x1000, End: 0x2000, Flags: rx, Minor: 0x1f, Inode: 5,
				Name: []byte("/x (deleted)"), Deleted: true},
		},
		"first SysV segment": {
			"1000-2000 rw-s 00000000 00:01 0 /SYSV00000000 (deleted)",
			VMA{Start: 0x1000, End: 0x2000, Flags: Readable | Writable | Shared, Minor: 1,
				Name: []byte("/SYSV00000000"), Deleted: true},
		},
		"not a path": {
			"1000-2000 rw-s 00000000 00:01 9 [anon_shmem:a (deleted)",
			VMA{Start: 0x1000, End: 0x2000, Flags: Readable | Writable | Shared, Minor: 1, Inode: 9,
				Name: []byte("[anon_shmem:a (deleted)")},
		},
		"escapes": {
			`1000-2000 r-xp 00000000 00:1f 5 /a\012\011\01\\012\012`,
			VMA{Start: 0x1000, End: 0x2000, Flags: rx, Minor: 0x1f, Inode: 5,
				Name: []byte("/a\n\\011\\01\\\n\n")},
		},
		"not UTF-8": {
			"1000-2000 r-xp 00000000 00:1f 5 /\xff\x01\r",
			VMA{Start: 0x1000, End: 0x2000, Flags: rx, Minor: 0x1f, Inode: 5, Name: []byte("/\xff\x01\r")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{
				strings.NewReader(test.line + "\n"),
				iotest.OneByteReader(strings.NewReader(test.line + "\n")),
				iotest.DataErrReader(strings.NewReader(test.line + "\n")),
			} {
				got, err := parseAll(r)
				if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], test.want) {
					t.Errorf("got %+v, %v, want %+v", got, err, test.want)
				}
			}
		})
	}
}

func TestParserErrors(t *testing.T) {
	const good = "1000-2000 r-xp 00000000 00:1f 5 /x\n"
	for _, test := range []struct {
		line string
		col  int
		msg  string
	}{
		{"", 0, "want start address"},
		{" 1000-2000", 0, "want start address"},
		{"1000", 4, `want '-'`},
		{"1000-", 5, "want end address"},
		{"1000-2000", 9, `want ' '`},
		{"1000-1000 r-xp", 9, "empty address range"},
		{"2000-1000 r-xp", 9, "empty address range"},
		{"10000000000000000-2000", 16, "start address is too large"},
		{"A000-B000 r-xp", 0, "want start address"},
		{"1000-2000 r-x", 13, "want permission letter s"},
		{"1000-2000 rxwp", 11, "want permission letter w"},
		{"1000-2000 r-xp 0 100000000:0 0 ", 25, "device major is too large"},
		{"1000-2000 r-xp 0 0;0 0 ", 18, `want ':'`},
		{"1000-2000 r-xp 0 0:0 18446744073709551616 ", 40, "inode is too large"},
		{"1000-2000 r-xp 0 0:0 -1", 21, "want inode"},
		{"1000-2000 r-xp 0 0:0 1x", 22, `want ' '`},
	} {
		p := NewParser(strings.NewReader(good + test.line + "\n" + good))
		v := VMA{}
		if err := p.Next(&v); err != nil {
			t.Fatal(err)
		}
		err := p.Next(&v)
		var parseErr *ParseError
		if !errors.As(err, &parseErr) || !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: error %v", test.line, err)
			continue
		}
		want := ParseError{Line: 2, Offset: int64(len(good) + test.col), Msg: test.msg, Err: ErrSyntax}
		if *parseErr != want {
			t.Errorf("%q: %+v, want %+v", test.line, *parseErr, want)
		}
		if v.End != 0 {
			t.Errorf("%q: error and VMA", test.line)
		}
		if again := p.Next(&v); !errors.Is(again, err) {
			t.Errorf("%q: next error %v", test.line, again)
		}
	}
}

func TestParserReaderErrors(t *testing.T) {
	const good = "1000-2000 r-xp 00000000 00:1f 5 /x\n"
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		r    io.Reader
		want error
		vmas int
	}{
		"cut line":      {strings.NewReader(good + good[:20]), io.ErrUnexpectedEOF, 1},
		"reader fails":  {io.MultiReader(strings.NewReader(good+good[:20]), iotest.ErrReader(broken)), broken, 1},
		"no progress":   {io.MultiReader(strings.NewReader(good), emptyReader{}), io.ErrNoProgress, 1},
		"endless line":  {io.LimitReader(zeroReader{}, 10<<20), io.ErrUnexpectedEOF, 0},
		"nothing":       {strings.NewReader(""), nil, 0},
		"several lines": {strings.NewReader(strings.Repeat(good, 1000)), nil, 1000},
	} {
		got, err := parseAll(test.r)
		if !errors.Is(err, test.want) || len(got) != test.vmas {
			t.Errorf("%s: %d VMAs, %v, want %d, %v", name, len(got), err, test.vmas, test.want)
		}
	}
}

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

// TestParserLongLines goes through the growth of the buffer and past its bound.
func TestParserLongLines(t *testing.T) {
	const head = "1000-2000 r-xp 00000000 00:1f 5 "
	var in bytes.Buffer
	lengths := []int{1, initialBuffer - len(head), 5 * initialBuffer, maxLine - len(head) - 1,
		maxLine - len(head), maxLine - len(head) + 1, 3*maxLine + 17, 1}
	for _, n := range lengths {
		in.WriteString(head + "/" + strings.Repeat("x", n-1) + "\n")
	}
	in.WriteString("oops\n")
	length := in.Len()
	p := NewParser(&in)
	var v VMA
	for _, n := range lengths {
		if err := p.Next(&v); err != nil {
			t.Fatal(err)
		}
		tooLong := len(head)+n >= maxLine
		if v.NameUnknown != tooLong || !tooLong && len(v.Name) != n || v.Inode != 5 {
			t.Errorf("line of %d: name of %d, unknown %t", len(head)+n, len(v.Name), v.NameUnknown)
		}
	}
	var parseErr *ParseError
	if err := p.Next(&v); !errors.As(err, &parseErr) {
		t.Fatal(err)
	}
	if parseErr.Line != len(lengths)+1 || parseErr.Offset != int64(length-len("oops\n")) {
		t.Errorf("error is at line %d, offset %d", parseErr.Line, parseErr.Offset)
	}
	if len(p.buf) != maxLine {
		t.Errorf("buffer has grown to %d", len(p.buf))
	}
}

func TestParserAllocations(t *testing.T) {
	text := strings.Repeat("1000-2000 r-xp 00000000 00:1f 5   /a\\012b (deleted)\n", 1000)
	r := strings.NewReader(text)
	p := NewParser(r)
	var v VMA
	n := testing.AllocsPerRun(10, func() {
		r.Reset(text)
		p.Reset(r)
		for p.Next(&v) == nil {
		}
	})
	if n != 0 {
		t.Errorf("1000 lines allocate %v times", n)
	}
}
