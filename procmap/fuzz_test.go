package procmap

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
)

// FuzzParseMaps: each line gives an error or a VMA, never both; offsets point into the
// input; and what was parsed, printed and parsed again is the same.
func FuzzParseMaps(f *testing.F) {
	for _, seed := range []string{
		"7f5b1c028000-7f5b1c18c000 r-xp 00028000 08:01 1835                       /usr/lib/libc.so.6\n",
		"00400000-00401000 ---p 00000000 00:00 0 \n1-2 rwxs 3 4:5 6 [heap]\n",
		"1000-2000 r-xp 00000000 00:1f 5 /a\\012b (deleted) (deleted)\n",
		"1000-2000 r-xp 00000000 00:00 0 /a (deleted)\n",
		"0-ffffffffffffffff ---p ffffffffffffffff ffffffff:ffffffff 18446744073709551615 \xff\n",
		"1000-2000 r-xp 00000000 00:1f 5 /cut",
		"1000-2000 r-xp 0 0:0 18446744073709551616 \n",
		"\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		p := NewParser(bytes.NewReader(in))
		for {
			var v VMA
			err := p.Next(&v)
			if err != nil {
				checkFuzzError(t, err, &v, int64(len(in)))
				return
			}
			if v.Start >= v.End {
				t.Fatalf("range %#x-%#x", v.Start, v.End)
			}
			want := v.Clone()
			line := AppendMapsLine(nil, &want)
			got, err := parseAll(bytes.NewReader(line))
			if err != nil || len(got) != 1 {
				t.Fatalf("printed as %q: %d VMAs, %v", line, len(got), err)
			}
			want.NameUnknown = false // is not in the text
			if !reflect.DeepEqual(normal(got[0]), normal(want)) {
				t.Fatalf("printed as %q: %+v, was %+v", line, got[0], want)
			}
		}
	})
}

// normal makes an empty name nil.
func normal(v VMA) VMA {
	if len(v.Name) == 0 {
		v.Name = nil
	}
	return v
}

func checkFuzzError(t *testing.T, err error, v *VMA, size int64) {
	t.Helper()
	if !reflect.DeepEqual(*v, VMA{}) {
		t.Fatalf("error %v with VMA %+v", err, v)
	}
	if errors.Is(err, io.EOF) {
		return
	}
	var parseErr *ParseError
	if !errors.As(err, &parseErr) {
		t.Fatalf("error of a reader that does not fail: %v", err)
	}
	if parseErr.Offset < 0 || parseErr.Offset > size || parseErr.Line < 1 {
		t.Fatalf("error at line %d, offset %d of %d", parseErr.Line, parseErr.Offset, size)
	}
}
