package symbols

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// function is what a test adds to a list.
type function struct {
	name       string
	addr, size uint64
	rank       uint32
}

func listOf(m *image, better []*list, functions ...function) *list {
	l := newList(Symtab, m)
	var at []uint32
	for _, f := range functions {
		at = append(at, uint32(len(l.names)))
		l.names += f.name + "\x00"
	}
	for i, f := range functions {
		l.add(m, f.addr, f.size, at[i], f.rank)
	}
	l.settle(m, better)
	return l
}

func (l *list) at(addr uint64) string {
	e, ok := l.find(addr)
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%s+%d", l.raw(e.name), addr-l.base-uint64(e.start))
}

func TestList(t *testing.T) {
	m := &image{text: []span{{0x1000, 0x1100}, {0x2000, 0x2040}}}
	for name, c := range map[string]struct {
		functions []function
		want      map[uint64]string
	}{
		"empty": {nil, map[uint64]string{0: "-", 0x1000: "-", 0x1fff: "-"}},
		"side by side": {[]function{{"b", 0x1010, 8, 0}, {"a", 0x1000, 16, 0}}, map[uint64]string{
			0xfff: "-", 0x1000: "a+0", 0x100f: "a+15", 0x1010: "b+0", 0x1017: "b+7", 0x1018: "-", 1 << 40: "-"}},
		"a label inside": {[]function{{"f", 0x1000, 64, 0}, {"label", 0x1010, 4, 0}}, map[uint64]string{
			0x100f: "f+15", 0x1010: "label+0", 0x1013: "label+3", 0x1014: "f+20", 0x103f: "f+63", 0x1040: "-"}},
		"two deep": {[]function{{"f", 0x1000, 64, 0}, {"g", 0x1010, 32, 0}, {"h", 0x1018, 4, 0}}, map[uint64]string{
			0x101a: "h+2", 0x101c: "g+12", 0x1030: "f+48"}},
		"one after the other inside": {[]function{{"f", 0x1000, 64, 0}, {"g", 0x1010, 4, 0}, {"h", 0x1018, 4, 0}}, map[uint64]string{
			0x1014: "f+20", 0x101c: "f+28"}},
		"overlap": {[]function{{"f", 0x1000, 32, 0}, {"g", 0x1010, 32, 0}}, map[uint64]string{
			0x100f: "f+15", 0x101f: "g+15", 0x102f: "g+31", 0x1030: "-"}},
		"no size reaches to the next": {[]function{{"f", 0x1000, 0, 0}, {"g", 0x1020, 4, 0}}, map[uint64]string{
			0x101f: "f+31", 0x1020: "g+0", 0x1024: "-"}},
		"no size reaches to the end of the section": {[]function{{"f", 0x1080, 0, 0}, {"g", 0x2000, 0, 0}}, map[uint64]string{
			0x10ff: "f+127", 0x1100: "-", 0x203f: "g+63", 0x2040: "-"}},
		"no size stays inside": {[]function{{"f", 0x1000, 32, 0}, {"label", 0x1010, 0, 0}}, map[uint64]string{
			0x101f: "label+15", 0x1020: "-"}},
		"the size is cut at the end of the section": {[]function{{"f", 0x10f0, 1 << 50, 0}}, map[uint64]string{
			0x10ff: "f+15", 0x1100: "-"}},
		"not in the text": {[]function{{"f", 0x3000, 8, 0}, {"g", 0xff0, 32, 0}, {"h", 0x1100, 8, 0}}, map[uint64]string{
			0x3000: "-", 0x1000: "-", 0x1100: "-"}},
		"rank": {[]function{{"a", 0x1000, 8, 4}, {"global", 0x1000, 8, 0}, {"b", 0x1000, 8, 2}}, map[uint64]string{
			0x1000: "global+0"}},
		"shortest, then by the alphabet": {[]function{{"zz", 0x1000, 8, 0}, {"abc", 0x1000, 8, 0}, {"aa", 0x1000, 8, 0}}, map[uint64]string{
			0x1000: "aa+0"}},
		"no name": {[]function{{"", 0x1000, 8, 0}}, map[uint64]string{0x1000: "-"}},
		"endless name": {[]function{{strings.Repeat("x", maxName+1), 0x1000, 8, 0}, {strings.Repeat("y", maxName), 0x1010, 8, 0}}, map[uint64]string{
			0x1000: "-", 0x1010: strings.Repeat("y", maxName) + "+0"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := listOf(m, nil, c.functions...)
			for addr, want := range c.want {
				if got := l.at(addr); got != want {
					t.Errorf("%#x: %.99q, want %.99q", addr, got, want)
				}
			}
		})
	}
}

// TestBetterList leaves out what a better source has.
func TestBetterList(t *testing.T) {
	m := &image{text: []span{{0x1000, 0x1100}}}
	better := listOf(m, nil, function{"f", 0x1000, 32, 0})
	l := listOf(m, []*list{better}, function{"alias", 0x1000, 32, 0}, function{"inside", 0x1010, 8, 0}, function{"new", 0x1020, 8, 0})
	if got := fmt.Sprintf("%d %s %s", len(l.entries), l.at(0x1000), l.at(0x1020)); got != "1 - new+0" {
		t.Error(got)
	}
}

// TestListModel compares find with a search through all functions.
func TestListModel(t *testing.T) {
	m := &image{text: []span{{0x1000, 0x1200}}}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var all []function
		used := map[uint64]bool{}
		for i := range 1 + rnd.IntN(20) {
			f := function{fmt.Sprint("f", i), 0x1000 + rnd.Uint64N(0x180), 1 + rnd.Uint64N(0x60), 0}
			if !used[f.addr] {
				all = append(all, f)
			}
			used[f.addr] = true
		}
		l := listOf(m, nil, all...)
		for addr := uint64(0xff0); addr < 0x1210; addr++ {
			want, start := "-", uint64(0)
			for _, f := range all {
				if f.addr <= addr && addr < f.addr+f.size && f.addr >= start {
					want, start = fmt.Sprintf("%s+%d", f.name, addr-f.addr), f.addr
				}
			}
			if got := l.at(addr); got != want {
				t.Fatalf("%#x in %v: %s, want %s", addr, all, got, want)
			}
		}
	}
}

// TestDepth bounds the search where a file nests functions without end.
func TestDepth(t *testing.T) {
	m := &image{text: []span{{0, 1 << 20}}}
	var all []function
	for i := range uint64(maxDepth + 10) {
		all = append(all, function{"f", i, 1000 - 2*i, 0})
	}
	l := listOf(m, nil, all...)
	if got := l.at(990); got != "-" {
		t.Error(got)
	}
	if got := l.at(20); got != "f+0" {
		t.Error(got)
	}
}

// TestSymbolKinds tells functions from all other symbols.
func TestSymbolKinds(t *testing.T) {
	const bind, fn = elf.STB_GLOBAL << 4, uint8(elf.STT_FUNC)
	for _, c := range []struct {
		name    string
		machine elf.Machine
		info    uint8
		index   elf.SectionIndex
		addr    uint64
		want    string
	}{
		{"f", elf.EM_X86_64, uint8(bind) | fn, 1, 0x1000, "f+0"},
		{"f", elf.EM_X86_64, fn, 1, 0x1000, "f+0"},
		{"f", elf.EM_X86_64, uint8(bind) | uint8(elf.STT_GNU_IFUNC), 1, 0x1000, "f+0"},
		{"data", elf.EM_X86_64, uint8(bind) | uint8(elf.STT_OBJECT), 1, 0x1000, "-"},
		{"label", elf.EM_X86_64, uint8(bind) | uint8(elf.STT_NOTYPE), 1, 0x1000, "-"},
		{"import", elf.EM_X86_64, uint8(bind) | fn, elf.SHN_UNDEF, 0x1000, "-"},
		{"absolute", elf.EM_X86_64, uint8(bind) | fn, elf.SHN_ABS, 0x1000, "-"},
		{"$x", elf.EM_AARCH64, fn, 1, 0x1000, "-"},
		{"$d.12", elf.EM_ARM, fn, 1, 0x1000, "-"},
		{"$xrv64i2p1", elf.EM_RISCV, fn, 1, 0x1000, "-"},
		{"$xylophone", elf.EM_AARCH64, fn, 1, 0x1000, "$xylophone+0"},
		{"$x", elf.EM_X86_64, fn, 1, 0x1000, "$x+0"},
		{"thumb", elf.EM_ARM, uint8(bind) | fn, 1, 0x1001, "thumb+0"},
		{"odd", elf.EM_X86_64, uint8(bind) | fn, 1, 0x1001, "-"},
	} {
		m := &image{order: binary.LittleEndian, is64: true, machine: c.machine, text: []span{{0x1000, 0x1100}}}
		l := newList(Symtab, m)
		l.names = c.name + "\x00"
		b, err := binary.Append(nil, m.order, elf.Sym64{Info: c.info, Shndx: uint16(c.index), Value: c.addr, Size: 4})
		if err != nil {
			t.Fatal(err)
		}
		m.addSymbol(l, b)
		l.settle(m, nil)
		if got := l.at(0x1000); got != c.want {
			t.Errorf("%s of %v: %s, want %s", c.name, c.machine, got, c.want)
		}
	}
}
