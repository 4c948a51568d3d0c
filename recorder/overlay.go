package recorder

import (
	"slices"

	"github.com/vmasnap/vmasnap/format"
)

// overlay brings mmaps, an ascending list without overlaps, up to date with a statement that
// is newer: in [start, end) exactly vmas are mapped, ascending too. VMAs of either may reach
// over the edges of the range; what the statement says of them is true there as well.
func overlay(mmaps []format.Mmap, start, end uint64, vmas []format.Mmap) []format.Mmap {
	if n := len(vmas); n > 0 {
		start = min(start, vmas[0].Start)
		end = max(end, vmas[n-1].Start+vmas[n-1].Length)
	}
	// The list is cut at start and at end; what lies between is replaced.
	first := 0
	for first < len(mmaps) && mmaps[first].Start+mmaps[first].Length <= start {
		first++
	}
	last := first
	for last < len(mmaps) && mmaps[last].Start < end {
		last++
	}
	between := make([]format.Mmap, 0, len(vmas)+2)
	if first < last && mmaps[first].Start < start {
		head := mmaps[first]
		head.Length = start - head.Start
		between = append(between, head)
	}
	between = append(between, vmas...)
	if first < last {
		if tail := mmaps[last-1]; tail.Start+tail.Length > end {
			cut := end - tail.Start
			tail.Start, tail.Length = end, tail.Length-cut
			if tail.Kind&format.ContentFiles != 0 {
				tail.Offset += cut
			}
			between = append(between, tail)
		}
	}
	return slices.Replace(mmaps, first, last, between...)
}
