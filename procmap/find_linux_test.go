package procmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
)

func TestFind(t *testing.T) {
	c := startChild(t, "zoo")
	eachSource(t, func(t *testing.T, source Source) {
		m := c.open(Options{Source: source})
		still, err := whileStill(c.path("maps"), func(text string) error {
			return checkFind(m, text)
		})
		if err != nil || !still {
			t.Errorf("%v; process held still: %t", err, still)
		}
	})
}

// checkFind asks about the boundaries of each line, their neighbours, the holes and some
// addresses in between.
func checkFind(m *Maps, text string) error {
	lines := strings.SplitAfter(text, "\n")
	vmas, err := parseAll(strings.NewReader(text))
	if err != nil {
		return err
	}
	addrs := []uint64{0, 1, 0x1000, ^uint64(0), 1 << 63, 0xffffffffff600000, 0xffffffffff600001}
	for _, v := range vmas {
		addrs = append(addrs, v.Start-1, v.Start, v.Start+1, v.End-1, v.End,
			v.Start+rand.Uint64N(v.End-v.Start), v.End+rand.Uint64N(1<<20))
	}
	for _, addr := range addrs {
		want := ""
		for i, v := range vmas {
			if v.Start <= addr && addr < v.End && !strings.Contains(lines[i], "[vsyscall]") {
				want = lines[i]
			}
		}
		var v VMA
		err := m.Find(addr, &v)
		switch {
		case want == "" && !errors.Is(err, ErrNoVMA):
			return fmt.Errorf("find %#x in a hole: got %#x-%#x, %v", addr, v.Start, v.End, err)
		case want == "":
		case err != nil:
			return fmt.Errorf("find %#x: %w", addr, err)
		case string(AppendMapsLine(nil, &v)) != want:
			return fmt.Errorf("find %#x: got %q, want %q", addr, AppendMapsLine(nil, &v), want)
		}
	}
	return nil
}

func TestFindDoesNotDisturbNext(t *testing.T) {
	c := startChild(t, "zoo")
	eachSource(t, func(t *testing.T, source Source) {
		m := c.open(Options{Source: source, AllFile: true, AnonExec: true, VDSO: true})
		want, err := collect(m)
		if err != nil {
			t.Fatal(err)
		}
		m.Rewind()
		i := 0
		for v, err := range m.All() {
			if err != nil {
				t.Fatal(err)
			}
			if v.Start != want[i].Start || string(v.Name) != string(want[i].Name) {
				t.Fatalf("VMA %d starts at %#x, want %#x", i, v.Start, want[i].Start)
			}
			var other VMA
			if err := m.Find(want[len(want)-1-i].Start, &other); err != nil {
				t.Fatal(err)
			}
			i++
		}
		if i != len(want) {
			t.Errorf("%d VMAs, want %d", i, len(want))
		}
	})
}

func TestBuildID(t *testing.T) {
	need.Query(t, Supported())
	c := startChild(t, "zoo")
	m := c.open(Options{AllFile: true, BuildID: true})
	other := c.open(Options{AllFile: true})
	for v, err := range m.All() {
		if err != nil {
			t.Fatal(err)
		}
		id, err := other.BuildID(v)
		if err != nil {
			t.Fatal(err)
		}
		if string(id) != string(v.BuildID) {
			t.Errorf("%s: build ID %x, with the VMA %x", v.Name, id, v.BuildID)
		}
		moved := *v
		moved.Offset += uint64(page)
		if _, err := other.BuildID(&moved); !errors.Is(err, ErrChanged) {
			t.Errorf("another offset: %v", err)
		}
	}
	hole := VMA{Start: 0x1000, End: 0x2000, Inode: 1}
	if _, err := other.BuildID(&hole); !errors.Is(err, ErrChanged) {
		t.Errorf("hole: %v", err)
	}
	if id, err := other.BuildID(&VMA{Start: 0x1000, End: 0x2000}); id != nil || err != nil {
		t.Errorf("no file: %x, %v", id, err)
	}
	text := c.open(Options{Source: SourceMaps})
	if _, err := text.BuildID(&hole); !errors.Is(err, ErrNotSupported) {
		t.Errorf("text: %v", err)
	}
}

const noteID = "0123456789abcdefghij"

// TestBuildIDOfNote maps a file that is as small as an ELF file with a build ID can be.
func TestBuildIDOfNote(t *testing.T) {
	need.Kernel(t, need.Procmap, "PROCMAP_QUERY with build IDs", 6, 12, Supported())
	c := startChild(t, "elf")
	for _, o := range []Options{{BuildID: true}, {}} {
		found := false
		m := c.open(o)
		for v, err := range m.All() {
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(string(v.Name), "/id.so") {
				continue
			}
			id := v.BuildID
			if !o.BuildID {
				if id, err = m.BuildID(v); err != nil {
					t.Fatal(err)
				}
			}
			found = true
			if string(id) != noteID {
				t.Errorf("%s: build ID %q, want %q", v.Name, id, noteID)
			}
		}
		if !found {
			t.Errorf("%+v: file is not in the walk", o)
		}
	}
}

// mapELF maps an ELF file of a header, one PT_NOTE segment and in it a build ID.
func mapELF(string) error {
	b := make([]byte, page)
	copy(b, "\x7fELF\x02") // 64 bits
	ne := binary.NativeEndian
	ne.PutUint16(b[16:], 3)   // e_type: ET_DYN
	ne.PutUint64(b[32:], 64)  // e_phoff
	ne.PutUint16(b[54:], 56)  // e_phentsize
	ne.PutUint16(b[56:], 1)   // e_phnum
	ne.PutUint32(b[64:], 4)   // p_type: PT_NOTE
	ne.PutUint64(b[72:], 120) // p_offset
	ne.PutUint64(b[96:], 36)  // p_filesz
	ne.PutUint64(b[112:], 4)  // p_align
	ne.PutUint32(b[120:], 4)  // length of the name
	ne.PutUint32(b[124:], 20) // length of the ID
	ne.PutUint32(b[128:], 3)  // NT_GNU_BUILD_ID
	copy(b[132:], "GNU\x00"+noteID)
	fd, err := unix.Open("id.so", unix.O_CREAT|unix.O_RDWR, 0o700)
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, b); err != nil {
		return err
	}
	return mapFD(fd, 0, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
}
