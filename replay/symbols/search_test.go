package symbols

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
)

// join opens several files as if they were at the places of one recorded file.
func join(t *testing.T, files ...[]byte) (*Table, *Error) {
	t.Helper()
	s := &searcher{best: &Error{Reason: NotFound}}
	for i, b := range files {
		m, err := readImage(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		m.path = string(rune('a' + i))
		s.take(m)
	}
	return s.table()
}

// asDebug takes the contents of the code away, as objcopy does, or as eu-strip if whole.
func asDebug(file []byte, whole bool) []byte {
	b := bytes.Clone(file)
	order := binary.LittleEndian
	text := order.Uint64(b[40:]) + 64 // section header 1
	order.PutUint32(b[text+4:], uint32(elf.SHT_NOBITS))
	if !whole {
		order.PutUint64(b[64+8:], 0)  // p_offset
		order.PutUint64(b[64+32:], 0) // p_filesz
	}
	return b
}

// moved links a file elsewhere.
func moved(file []byte) []byte {
	b := bytes.Clone(file)
	b[64+16+2]++ // p_vaddr
	return b
}

// TestJoin takes names from the best source, and offsets from the original.
func TestJoin(t *testing.T) {
	whole := symbolELF(binary.LittleEndian, func([]elf.Section64) {})
	bad := symbolELF(binary.LittleEndian, func(s []elf.Section64) { s[2].Entsize = 1 })
	stripped := makeELF(binary.LittleEndian, nil, func([]elf.Section64) {})
	program := goELF(binary.LittleEndian)
	for name, c := range map[string]struct {
		files  [][]byte
		want   string
		paths  []string
		reason Reason
	}{
		"whole":                          {[][]byte{whole}, "first", []string{"a"}, 0},
		"stripped, then debug":           {[][]byte{stripped, asDebug(whole, false)}, "first", []string{"b", "a"}, 0},
		"debug, then stripped":           {[][]byte{asDebug(whole, false), stripped}, "first", []string{"a", "b"}, 0},
		"stripped, then whole":           {[][]byte{stripped, whole}, "first", []string{"b", "a"}, 0},
		"debug with offsets":             {[][]byte{asDebug(whole, true)}, "first", []string{"a"}, 0},
		"Go, then debug":                 {[][]byte{program, asDebug(whole, false)}, "first", []string{"b", "a"}, 0},
		"Go, debug of another link":      {[][]byte{program, moved(asDebug(whole, false))}, "main.first", []string{"a"}, 0},
		"Go, damaged debug":              {[][]byte{program, asDebug(bad, false)}, "main.first", []string{"a"}, 0},
		"stripped":                       {[][]byte{stripped}, "", nil, NoSymbols},
		"damaged":                        {[][]byte{bad}, "", nil, Damaged},
		"stripped, debug is damaged":     {[][]byte{stripped, asDebug(bad, false)}, "", nil, Damaged},
		"stripped, debug from elsewhere": {[][]byte{stripped, moved(asDebug(whole, false))}, "", nil, Damaged},
		"debug alone":                    {[][]byte{asDebug(whole, false)}, "", nil, NoOffsets},
	} {
		t.Run(name, func(t *testing.T) {
			table, err := join(t, c.files...)
			if c.reason != 0 {
				if err == nil || !errors.Is(err, c.reason) {
					t.Errorf("%v, want %v", err, c.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := table.At(textOff + 5); !ok || got.Name != c.want || got.Offset != 5 {
				t.Errorf("%+v, want %s+5", got, c.want)
			}
			if !slices.Equal(table.Paths(), c.paths) {
				t.Errorf("from %q, want %q", table.Paths(), c.paths)
			}
		})
	}
}

// TestGoText finds where the text of Go begins, or says that it does not know.
func TestGoText(t *testing.T) {
	const word = 8 + 2*8 // of the head of pclntab
	none := goELF(binary.LittleEndian)
	table := textOff + textSize
	binary.LittleEndian.PutUint64(none[table+word:], 0) // as Go 1.26 has it
	if got, err := join(t, none); err != nil || got.Len() != 2 {
		t.Errorf("the text is the whole section: %+v, %v", got, err)
	}
	// C behind the last function of Go: there may be C in front of it, too.
	short := bytes.Clone(none)
	end := bytes.Index(short[table:], []byte{28, 0, 0, 0, 0, 1, 0, 0}) + 4
	binary.LittleEndian.PutUint32(short[table+end:], textSize-32)
	if got, err := join(t, short); !errors.Is(err, Damaged) {
		t.Errorf("the text is a part of the section: %+v, %v", got, err)
	}
}
