package replay

import (
	"fmt"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	set := func(pid int, start, length, off uint64, more string) string {
		if !strings.Contains(more, "kind=") {
			more += " kind=exec-file"
		}
		return fmt.Sprintf("mmap time=3 pid=%d tid=1 start=%#x len=%#x pgoff=%#x dev=08:01 prot=r-xp %s\n", pid, start, length, off, more)
	}
	a := `ino=7 path="/a"`
	for _, tc := range []struct{ name, left, right, want string }{
		{"equal", set(1, 0x1000, 0x3000, 0, a), set(2, 0x1000, 0x3000, 0, a), ""},
		{"cut differently", set(1, 0x1000, 0x3000, 0, a), set(2, 0x1000, 0x1000, 0, a) + set(2, 0x2000, 0x2000, 0x1000, a), ""},
		{"missing", "", set(2, 0x1000, 0x3000, 0, a), "missing 1000-4000"},
		{"extra", set(1, 0x1000, 0x3000, 0, a), "", "extra 1000-4000"},
		{"longer", set(1, 0x1000, 0x3000, 0, a), set(2, 0x1000, 0x5000, 0, a), "missing 4000-6000"},
		{"begins later", set(1, 0x1000, 0x3000, 0, a), set(2, 0x2000, 0x2000, 0x1000, a), "extra 1000-2000"},
		{"begins earlier", set(1, 0x2000, 0x2000, 0x1000, a), set(2, 0x1000, 0x3000, 0, a), "missing 1000-2000"},
		{"begins earlier, ends earlier", set(1, 0x2000, 0x2000, 0x1000, a), set(2, 0x1000, 0x2000, 0, a), "missing 1000-2000, extra 3000-4000"},
		{"hole", set(1, 0x1000, 0x5000, 0, a), set(2, 0x1000, 0x1000, 0, a) + set(2, 0x4000, 0x2000, 0x3000, a), "extra 2000-4000"},
		{"offset", set(1, 0x1000, 0x3000, 0, a), set(2, 0x1000, 0x3000, 0x1000, a), "differs 1000-4000"},
		{"other file in part", set(1, 0x1000, 0x3000, 0, a), set(2, 0x1000, 0x1000, 0, a) + set(2, 0x2000, 0x2000, 0, `ino=8 path="/b"`), "differs 2000-4000"},
		{"build ID", set(1, 0x1000, 0x1000, 0, a+" build_id=aa"), set(2, 0x1000, 0x1000, 0, a+" build_id=bb"), "differs 1000-2000"},
		{"build ID unknown", set(1, 0x1000, 0x1000, 0, a), set(2, 0x1000, 0x1000, 0, a+" build_id=bb"), ""},
		{"generation", set(1, 0x1000, 0x1000, 0, a+" gen=1 has_gen"), set(2, 0x1000, 0x1000, 0, a+" gen=2 has_gen"), "differs 1000-2000"},
		{"generation equal, renamed", set(1, 0x1000, 0x1000, 0, a+" gen=1 has_gen"), set(2, 0x1000, 0x1000, 0, `ino=7 path="/c" gen=1 has_gen`), "renamed 1000-2000"},
		{"generation unknown", set(1, 0x1000, 0x1000, 0, a), set(2, 0x1000, 0x1000, 0, a+" gen=2 has_gen"), ""},
		{"renamed", set(1, 0x1000, 0x1000, 0, a), set(2, 0x1000, 0x1000, 0, `ino=7 path="/c"`), "renamed 1000-2000"},
		{"unlinked", set(1, 0x1000, 0x1000, 0, a), set(2, 0x1000, 0x1000, 0, a+" deleted"), "renamed 1000-2000"},
		{"anonymous memory has no offsets", set(1, 0x1000, 0x3000, 0, "kind=anon-exec"), set(2, 0x1000, 0x1000, 0x5000, "kind=anon-exec") + set(2, 0x2000, 0x2000, 0, "kind=anon-exec"), ""},
		{"disjoint", set(1, 0x1000, 0x1000, 0, a), set(2, 0x5000, 0x1000, 0, a), "extra 1000-2000, missing 5000-6000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// Two Sessions: their Files have different addresses.
			left, right := session(t, hostLine+tc.left), session(t, hostLine+tc.right)
			space := func(s *Session, pid uint32) *Space {
				if p := s.Process(pid); p != nil {
					return p.Space
				}
				return new(Space)
			}
			var got []string
			for _, d := range Compare(space(left, 1), space(right, 2)) {
				got = append(got, fmt.Sprintf("%s %x-%x", d.Verdict, d.Start, d.End))
			}
			if text := strings.Join(got, ", "); text != tc.want {
				t.Errorf("got %q, want %q", text, tc.want)
			}
		})
	}
}

func TestNamesOfUnknownValues(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{Renamed.String(), "renamed"},
		{Verdict(4).String(), "4"},
		{Verdict(255).String(), "255"},
		{NoMapping.String(), "no-mapping"},
		{Miss(6).String(), "6"},
		{Miss(255).String(), "255"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
	if a := (&Answer{Miss: 9}); a.Explain(nil) == "" {
		t.Error("a miss of a later version is explained as a hit")
	}
}
