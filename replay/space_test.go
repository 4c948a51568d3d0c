package replay

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// Pages of the tests' address spaces. A mapping of file f from page a to page b at file
// page o is written "f[a,b)@o".
const page = 4096

var testFiles = map[byte]*File{'a': {Path: "/a", Inode: 1, Minor: 1}, 'b': {Path: "/b", Inode: 2, Minor: 1}, 'c': {Path: "/c", Inode: 3, Minor: 1}}

func mapping(t testing.TB, text string) Mapping {
	t.Helper()
	var f byte
	var start, end, off uint64
	if _, err := fmt.Sscanf(text, "%c[%d,%d)@%d", &f, &start, &end, &off); err != nil {
		t.Fatalf("bad mapping %q: %v", text, err)
	}
	return Mapping{Start: start * page, End: end * page, Offset: off * page, File: testFiles[f], Prot: 5, Flags: 2, Kind: format.ContentExecFile}
}

func spaceText(s *Space) string {
	var parts []string
	for m := range s.All() {
		parts = append(parts, fmt.Sprintf("%s[%d,%d)@%d", m.File.Path[1:], m.Start/page, m.End/page, m.Offset/page))
	}
	return strings.Join(parts, " ")
}

// TestCarve has every way in which a new statement can lie over an old one.
func TestCarve(t *testing.T) {
	for _, tc := range []struct {
		name, old, statement, want string
	}{
		{"empty space", "", "a[1,2)@0", "a[1,2)@0"},
		{"before", "a[4,8)@10", "b[1,3)@0", "b[1,3)@0 a[4,8)@10"},
		{"after", "a[4,8)@10", "b[9,11)@0", "a[4,8)@10 b[9,11)@0"},
		{"adjacent before", "a[4,8)@10", "b[2,4)@0", "b[2,4)@0 a[4,8)@10"},
		{"adjacent after", "a[4,8)@10", "b[8,9)@0", "a[4,8)@10 b[8,9)@0"},
		{"exact", "a[4,8)@10", "b[4,8)@0", "b[4,8)@0"},
		{"head", "a[4,8)@10", "b[4,6)@0", "b[4,6)@0 a[6,8)@12"},
		{"over the head", "a[4,8)@10", "b[2,6)@0", "b[2,6)@0 a[6,8)@12"},
		{"tail", "a[4,8)@10", "b[6,8)@0", "a[4,6)@10 b[6,8)@0"},
		{"over the tail", "a[4,8)@10", "b[6,9)@0", "a[4,6)@10 b[6,9)@0"},
		{"middle", "a[4,8)@10", "b[5,7)@0", "a[4,5)@10 b[5,7)@0 a[7,8)@13"},
		{"superset", "a[4,8)@10", "b[2,9)@0", "b[2,9)@0"},
		{"repeated", "a[4,8)@10", "a[4,8)@10", "a[4,8)@10"},
		{"two, ends of both", "a[4,8)@10 b[8,12)@20", "c[6,10)@0", "a[4,6)@10 c[6,10)@0 b[10,12)@22"},
		{"three, middle gone", "a[1,3)@0 b[4,6)@0 c[7,9)@5", "b[2,8)@40", "a[1,2)@0 b[2,8)@40 c[8,9)@6"},
		{"into a gap", "a[1,3)@0 c[7,9)@5", "b[4,6)@0", "a[1,3)@0 b[4,6)@0 c[7,9)@5"},
		{"fills a gap", "a[1,3)@0 c[7,9)@5", "b[3,7)@0", "a[1,3)@0 b[3,7)@0 c[7,9)@5"},
		{"zero length", "a[4,8)@10", "b[6,6)@0", "a[4,8)@10"},
		{"clear nothing", "a[4,8)@10", "clear[1,4)", "a[4,8)@10"},
		{"clear zero length", "a[4,8)@10", "clear[6,6)", "a[4,8)@10"},
		{"clear exact", "a[4,8)@10", "clear[4,8)", ""},
		{"clear head", "a[4,8)@10", "clear[3,5)", "a[5,8)@11"},
		{"clear tail", "a[4,8)@10", "clear[7,9)", "a[4,7)@10"},
		{"clear middle", "a[4,8)@10", "clear[5,6)", "a[4,5)@10 a[6,8)@12"},
		{"clear superset", "a[4,8)@10 b[9,10)@0", "clear[1,20)", ""},
		{"clear across", "a[4,8)@10 b[8,12)@20", "clear[7,9)", "a[4,7)@10 b[9,12)@21"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s Space
			for _, m := range strings.Fields(tc.old) {
				s.Set(mapping(t, m))
			}
			var start, end uint64
			if n, _ := fmt.Sscanf(tc.statement, "clear[%d,%d)", &start, &end); n == 2 {
				s.Clear(start*page, end*page)
			} else {
				s.Set(mapping(t, tc.statement))
			}
			if got := spaceText(&s); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if n := len(strings.Fields(tc.want)); s.Len() != n {
				t.Errorf("Len is %d, want %d", s.Len(), n)
			}
		})
	}
}

func TestLookupEdges(t *testing.T) {
	var s Space
	s.Set(mapping(t, "a[4,8)@10"))
	for addr, hit := range map[uint64]bool{0: false, 4*page - 1: false, 4 * page: true, 8*page - 1: true, 8 * page: false, ^uint64(0): false} {
		if m, ok := s.Lookup(addr); ok != hit {
			t.Errorf("Lookup(%#x) = %v, %v, want %v", addr, m, ok, hit)
		}
	}
	m, _ := s.Lookup(5*page + 7)
	if got := m.FileOffset(5*page + 7); got != 11*page+7 {
		t.Errorf("file offset %#x, want %#x", got, 11*page+7)
	}
}

// TestTopOfAddressSpace has a mapping that ends at the last address that can be an end.
func TestTopOfAddressSpace(t *testing.T) {
	var s Space
	top := ^uint64(0)
	s.Set(Mapping{Start: top - 10, End: top, File: testFiles['a']})
	s.Clear(top-5, top)
	if m, ok := s.Lookup(top - 6); !ok || m.End != top-5 {
		t.Errorf("got %v, %v", m, ok)
	}
	if _, ok := s.Lookup(top - 5); ok {
		t.Error("cleared address found")
	}
}

func TestRunsJoin(t *testing.T) {
	var s Space
	for _, m := range []string{"a[1,3)@0", "a[3,4)@2", "a[4,5)@9", "b[5,6)@10"} {
		s.Set(mapping(t, m))
	}
	var got []string
	for m := range s.Runs() {
		got = append(got, fmt.Sprintf("%d-%d", m.Start/page, m.End/page))
	}
	for _, kind := range []format.Content{format.ContentAnonExec, format.ContentVDSO} {
		a, b := mapping(t, "c[7,8)@0"), mapping(t, "c[8,9)@0")
		a.Kind, b.Kind = kind, kind
		var s Space
		s.Set(a)
		s.Set(b)
		for m := range s.Runs() {
			got = append(got, fmt.Sprintf("%d-%d", m.Start/page, m.End/page))
		}
	}
	if want := []string{"1-4", "4-5", "5-6", "7-9", "7-9"}; !slices.Equal(got, want) {
		t.Errorf("runs %v, want %v", got, want)
	}
}

func TestSetAllocatesNothingInSteadyState(t *testing.T) {
	var s Space
	for i := range uint64(1000) {
		s.Set(Mapping{Start: i * 2 * page, End: (i*2 + 1) * page, File: testFiles['a']})
	}
	i := uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		i = (i + 7) % 1000
		s.Set(Mapping{Start: i * 2 * page, End: (i*2 + 1) * page, File: testFiles['b']})
	}); n != 0 {
		t.Errorf("%v allocations for each repeated statement", n)
	}
}
