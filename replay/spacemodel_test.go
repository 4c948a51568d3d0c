package replay

import "testing"

// pageModel is the naive truth: what each page is.
type pageModel [modelPages]struct {
	file   *File
	offset uint64
}

const modelPages = 1 << 11

func (p *pageModel) set(m Mapping) {
	for a := m.Start; a < m.End; a += page {
		p[a/page].file, p[a/page].offset = m.File, m.Offset+a-m.Start
	}
}

func (p *pageModel) check(t *testing.T, s *Space) {
	t.Helper()
	var end uint64
	n := 0
	for m := range s.All() {
		if m.Start < end || m.Start >= m.End {
			t.Fatalf("mapping %v out of order or empty", m)
		}
		for a := end; a < m.Start; a += page {
			if p[a/page].file != nil {
				t.Fatalf("page %d is missing", a/page)
			}
		}
		for a := m.Start; a < m.End; a += page {
			if want := p[a/page]; want.file != m.File || want.offset != m.FileOffset(a) {
				t.Fatalf("page %d is %v+%#x, want %v+%#x", a/page, m.File, m.FileOffset(a), want.file, want.offset)
			}
		}
		end = m.End
		n++
	}
	for a := end; a < modelPages*page; a += page {
		if p[a/page].file != nil {
			t.Fatalf("page %d is missing at the end", a/page)
		}
	}
	if n != s.Len() {
		t.Fatalf("Len is %d, but there are %d mappings", s.Len(), n)
	}
	for a := uint64(0); a < modelPages; a += 7 {
		m, ok := s.Lookup(a*page + 5)
		if ok != (p[a].file != nil) || ok && (m.File != p[a].file || m.FileOffset(a*page) != p[a].offset) {
			t.Fatalf("Lookup of page %d gives %v, %v, want %v", a, m, ok, p[a])
		}
	}
	for _, l := range s.leaves {
		if len(l.maps) == 0 || len(l.maps) > leafMax {
			t.Fatalf("leaf with %d mappings", len(l.maps))
		}
	}
}

// FuzzSpace runs random statements, clones included, against the page model.
func FuzzSpace(f *testing.F) {
	f.Add([]byte{0, 1, 4, 2, 1, 1, 2, 9, 2, 0, 1, 9})
	f.Add(manyStatements())
	f.Fuzz(func(t *testing.T, program []byte) {
		var s Space
		var model pageModel
		type pair struct {
			space *Space
			model pageModel
		}
		var clones []pair
		for len(program) >= 4 {
			op, a, n, o := program[0], uint64(program[1]), uint64(program[2]), uint64(program[3])
			program = program[4:]
			start := (a*8 + o%8) % modelPages
			end := min(start+n%40, modelPages)
			switch {
			case op == 255 && len(clones) < 4:
				clones = append(clones, pair{s.Clone(), model})
			case op%4 == 0:
				s.Clear(start*page, end*page)
				model.set(Mapping{Start: start * page, End: end * page})
				for p := start; p < end; p++ {
					model[p].offset = 0
				}
			default:
				m := Mapping{Start: start * page, End: end * page, Offset: o * page, File: testFiles["abc"[op%3]]}
				s.Set(m)
				model.set(m)
			}
		}
		model.check(t, &s)
		for _, c := range clones {
			c.model.check(t, c.space)
		}
	})
}

// manyStatements makes a program that fills several leaves and carves them.
func manyStatements() []byte {
	var b []byte
	x := uint32(1)
	for i := range 250 {
		x = x*1664525 + 1013904223
		b = append(b, byte(x>>24), byte(x>>16), byte(x>>8)%20, byte(x))
		if i%100 == 50 {
			b = append(b, 255, 0, 0, 0)
		}
	}
	return b
}

// TestManyLeaves holds a space of many leaves, and a clone of it, against the model.
func TestManyLeaves(t *testing.T) {
	var s Space
	var model pageModel
	for i := uint64(0); i < modelPages-1; i += 2 {
		m := Mapping{Start: i * page, End: (i + 1) * page, Offset: i * page, File: testFiles['a']}
		s.Set(m)
		model.set(m)
	}
	if len(s.leaves) < 4 {
		t.Fatalf("%d leaves: the test is too small", len(s.leaves))
	}
	model.check(t, &s)
	clone, cloneModel := s.Clone(), model
	m := Mapping{Start: 301 * page, End: 1203 * page, Offset: 77 * page, File: testFiles['b']}
	s.Set(m)
	model.set(m)
	model.check(t, &s)
	cloneModel.check(t, clone)
	clone.Clear(0, modelPages*page)
	if clone.Len() != 0 || len(clone.leaves) != 0 {
		t.Errorf("%d mappings and %d leaves after clearing all", clone.Len(), len(clone.leaves))
	}
	model.check(t, &s)
}
