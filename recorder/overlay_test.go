package recorder

import (
	"math/rand/v2"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// page is one page of an address space, for a model that cannot be wrong.
type page struct {
	inode, offset uint64
}

func pagesOf(mmaps []format.Mmap) map[uint64]page {
	pages := make(map[uint64]page)
	for _, m := range mmaps {
		for at := m.Start; at < m.Start+m.Length; at++ {
			pages[at] = page{m.Inode, m.Offset + at - m.Start}
		}
	}
	return pages
}

// randomList returns an ascending list of VMAs in [0, 40), of pages one byte long.
func randomList(r *rand.Rand, low, high uint64) []format.Mmap {
	var list []format.Mmap
	for at := low; at < high; at++ {
		if r.IntN(3) > 0 {
			continue
		}
		n := 1 + r.Uint64N(6)
		list = append(list, format.Mmap{
			Start: at, Length: n, Offset: r.Uint64N(1000), Inode: 1 + r.Uint64N(1000), Kind: format.ContentExecFile,
		})
		at += n
	}
	return list
}

// TestOverlay compares with pages: whatever was in the range, or under a VMA of the
// statement, is replaced, and all else stays.
func TestOverlay(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		list := randomList(r, 0, 40)
		start := r.Uint64N(40)
		end := start + 1 + r.Uint64N(20)
		said := randomList(r, start, end)
		want := pagesOf(list)
		for at := start; at < end; at++ {
			delete(want, at)
		}
		for at, p := range pagesOf(said) {
			want[at] = p
		}
		got := overlay(append([]format.Mmap(nil), list...), start, end, said)
		pages := pagesOf(got)
		if len(pages) != len(want) {
			t.Fatalf("%v with [%d,%d) %v: %v", list, start, end, said, got)
		}
		for at, p := range want {
			if pages[at] != p {
				t.Fatalf("%v with [%d,%d) %v: at %d %v, want %v", list, start, end, said, at, pages[at], p)
			}
		}
		for i := 1; i < len(got); i++ {
			if got[i-1].Start+got[i-1].Length > got[i].Start {
				t.Fatalf("not ascending: %v", got)
			}
		}
	}
}
