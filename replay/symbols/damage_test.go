package symbols

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
	"time"

	"debug/elf"
)

// openBytes opens what a file would contain, as search does.
func openBytes(b []byte) (*Table, error) {
	m, err := readImage(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	s := &searcher{best: &Error{Reason: NotFound}}
	s.take(m)
	t, why := s.table()
	if why != nil {
		return nil, why
	}
	return t, nil
}

// use asks a table about offsets, and fails if an answer contradicts itself.
func use(t *testing.T, table *Table, size int) {
	for _, s := range table.segments {
		for _, off := range []uint64{s.off, s.off + s.fileSize/2, s.off + s.fileSize - 1, s.off + s.fileSize} {
			table.At(off)
		}
	}
	for off := range uint64(min(size, 4096)) {
		s, ok := table.At(off)
		if ok && (s.Name == "" || s.Size <= s.Offset || s.Source == 0) {
			t.Fatalf("offset %#x: %+v", off, s)
		}
	}
}

func tiny(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/tiny.so")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDamage cuts small files off at every length and turns each of their bits.
func TestDamage(t *testing.T) {
	for name, good := range map[string][]byte{"tiny.so": tiny(t), "pclntab": goELF(binary.LittleEndian)} {
		table, err := openBytes(good)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		use(t, table, len(good))
		for n := range good {
			if table, err := openBytes(good[:n]); err == nil {
				use(t, table, n)
			}
		}
		bad := bytes.Clone(good)
		for i := range bad {
			for bit := range 8 {
				bad[i] ^= 1 << bit
				if table, err := openBytes(bad); err == nil {
					use(t, table, len(bad))
				}
				bad[i] ^= 1 << bit
			}
		}
	}
}

// TestBounds makes files that say that they are huge.
func TestBounds(t *testing.T) {
	for name, spoil := range map[string]func(sections []elf.Section64){
		"sections":    func(s []elf.Section64) { s[0].Size = 1 << 40 },
		"symbols":     func(s []elf.Section64) { s[2].Size = 24 * (maxSymbols + 1) },
		"strings":     func(s []elf.Section64) { s[3].Size = maxStrings + 1 },
		"beyond":      func(s []elf.Section64) { s[2].Off = 1 << 63 },
		"around":      func(s []elf.Section64) { s[3].Off, s[3].Size = ^uint64(0)-8, 64 },
		"no strings":  func(s []elf.Section64) { s[2].Link = 1 << 31 },
		"odd entries": func(s []elf.Section64) { s[2].Entsize = 1 },
	} {
		b := symbolELF(binary.LittleEndian, spoil)
		if name == "sections" {
			binary.LittleEndian.PutUint16(b[60:], 0) // e_shnum: look at the first section
		}
		start := time.Now()
		if _, err := openBytes(b); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Logf("%s: %v, %v", name, err, time.Since(start))
		}
	}
	if _, err := openBytes(symbolELF(binary.LittleEndian, func([]elf.Section64) {})); err != nil {
		t.Error(err)
	}
}

// FuzzOpen wants an error or a table that can be asked, whatever the file says.
func FuzzOpen(f *testing.F) {
	none := func([]elf.Section64) {}
	f.Add(tiny(f))
	f.Add(goELF(binary.LittleEndian))
	f.Add(goELF(binary.BigEndian))
	f.Add(symbolELF(binary.LittleEndian, none))
	f.Add(symbolELF(binary.BigEndian, none))
	f.Fuzz(func(t *testing.T, b []byte) {
		if table, err := openBytes(b); err == nil {
			use(t, table, len(b))
		}
	})
}
