package replay

import (
	"iter"

	"github.com/vmasnap/vmasnap/format"
)

// Verdict says how two address spaces differ over an interval.
type Verdict uint8

// The verdicts of Compare.
const (
	Missing Verdict = iota // only the second has something there
	Extra                  // only the first has something there
	Differs                // both have something, but not the same
	Renamed                // both have the same file and bytes under another name: it was renamed or unlinked
)

// String returns the verdict in lower case, or its number if it is none of these.
func (v Verdict) String() string {
	return nameOf(v, "missing", "extra", "differs", "renamed")
}

// Difference is an interval over which two address spaces differ in one way.
type Difference struct {
	Verdict    Verdict
	Start, End uint64
	// A and B are the mappings of the first and the second space that cover the interval,
	// whole; the zero Mapping where there is none.
	A, B Mapping
}

// Compare returns how b differs from a, in ascending order. It compares what is mapped,
// byte by byte, not how the kernel happens to cut it into VMAs. The two spaces may belong
// to different Sessions. Files are compared by device, inode and path, and by generation
// and build ID where both are known.
func Compare(a, b *Space) []Difference {
	var diffs []Difference
	nextA, stopA := iter.Pull(a.Runs())
	defer stopA()
	nextB, stopB := iter.Pull(b.Runs())
	defer stopB()
	ma, okA := nextA()
	mb, okB := nextB()
	restA, restB := ma.Start, mb.Start // how far each run has been compared
	for okA || okB {
		switch {
		case !okB || okA && ma.End <= restB:
			diffs = append(diffs, Difference{Verdict: Extra, Start: restA, End: ma.End, A: ma})
			restA = ma.End
		case !okA || mb.End <= restA:
			diffs = append(diffs, Difference{Verdict: Missing, Start: restB, End: mb.End, B: mb})
			restB = mb.End
		case restA < restB:
			diffs = append(diffs, Difference{Verdict: Extra, Start: restA, End: restB, A: ma})
			restA = restB
		case restB < restA:
			diffs = append(diffs, Difference{Verdict: Missing, Start: restB, End: restA, B: mb})
			restB = restA
		default:
			end := min(ma.End, mb.End)
			if v, same := judge(&ma, &mb, restA); !same {
				diffs = append(diffs, Difference{Verdict: v, Start: restA, End: end, A: ma, B: mb})
			}
			restA, restB = end, end
		}
		if okA && restA >= ma.End {
			ma, okA = nextA()
			restA = max(restA, ma.Start)
		}
		if okB && restB >= mb.End {
			mb, okB = nextB()
			restB = max(restB, mb.Start)
		}
	}
	return diffs
}

// judge compares what two mappings have at addr.
func judge(a, b *Mapping, addr uint64) (v Verdict, same bool) {
	anonymous := a.Kind & b.Kind & (format.ContentAnonExec | format.ContentVDSO)
	if a.Prot != b.Prot || a.Flags != b.Flags || a.Kind != b.Kind ||
		anonymous == 0 && a.FileOffset(addr) != b.FileOffset(addr) {
		return Differs, false
	}
	fa, fb := a.File, b.File
	switch {
	case fa == fb:
		return 0, true
	case !fa.is(fb):
		return Differs, false
	case fa.Path != fb.Path || fa.Deleted != fb.Deleted:
		return Renamed, false
	}
	return 0, true
}

// Runs iterates over the space in ascending order with mappings that continue each other
// joined into one.
func (s *Space) Runs() iter.Seq[Mapping] {
	return func(yield func(Mapping) bool) {
		var run Mapping
		for m := range s.All() {
			if run.End != 0 && run.continues(&m) {
				run.End = m.End
				continue
			}
			if run.End != 0 && !yield(run) {
				return
			}
			run = m
		}
		if run.End != 0 {
			yield(run)
		}
	}
}
