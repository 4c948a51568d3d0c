package replay

import (
	"fmt"
	"testing"
)

func BenchmarkSpaceLookup(b *testing.B) {
	var s Space
	const n = 60000
	for i := range uint64(n) {
		s.Set(Mapping{Start: i * 2 * page, End: (i*2 + 1) * page, File: testFiles['a']})
	}
	b.ReportAllocs()
	x := uint64(1)
	for b.Loop() {
		x = x*6364136223846793005 + 1442695040888963407
		s.Lookup((x >> 20) % (n * 2 * page))
	}
}

func BenchmarkSpaceSet(b *testing.B) {
	var s Space
	const n = 60000
	b.ReportAllocs()
	x := uint64(1)
	for b.Loop() {
		x = x*6364136223846793005 + 1442695040888963407
		start := (x >> 20) % n * 4 * page
		s.Set(Mapping{Start: start, End: start + 5*page, File: testFiles["abc"[x>>60%3]]})
	}
}

// BenchmarkSpaceClone clones a large space; "changed" changes each clone once, which pays
// for what the clone put off.
func BenchmarkSpaceClone(b *testing.B) {
	for _, n := range []uint64{1000, 65_530, 400_000} {
		var s Space
		for i := range n {
			s.Set(Mapping{Start: i * 2 * page, End: (i*2 + 1) * page, File: testFiles['a']})
		}
		b.Run(fmt.Sprintf("alone-%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Clone()
			}
		})
		b.Run(fmt.Sprintf("changed-%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Clone().Clear(0, page)
			}
		})
	}
}
