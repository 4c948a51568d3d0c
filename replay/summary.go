package replay

import (
	"fmt"

	"github.com/vmasnap/vmasnap/format"
)

// Summary is the head of a report: what the recording covers and how far it can be trusted.
type Summary struct {
	Host      *format.Host
	Processes map[format.WalkStatus]int // by the outcome of their last walk
	Mappings  int                       // in distinct address spaces
	Spaces    int                       // distinct address spaces with mappings
	Files     int                       // distinct files mapped; [vdso] and anonymous memory are none
	NoBuildID int                       // files among them without any build ID
	Deleted   int                       // files among them that were no longer linked
	// Left out because nobody asked for them, as far as the walks saw.
	ExcludedAnonExec int
	ExcludedVDSO     int
	Uncertain        int // processes about which statements were lost and not repaired
	Stats            Stats
	Truncated        bool // no End record
	// Reason is why the recorder stopped; meaningful unless Truncated.
	Reason format.EndReason
}

// Summary returns the head of a report.
func (s *Session) Summary() Summary {
	sum := Summary{Host: s.Host, Processes: make(map[format.WalkStatus]int), Stats: s.Stats, Truncated: s.End == nil}
	if s.End != nil {
		sum.Reason = s.End.Reason
	}
	spaces := make(map[*Space]struct{})
	files := make(map[*File]struct{})
	for p := range s.Processes() {
		sum.Processes[p.Status()]++
		if p.UncertainSince != 0 {
			sum.Uncertain++
		}
		if p.Walk != nil {
			sum.ExcludedAnonExec += int(p.Walk.ExcludedAnonExec)
			sum.ExcludedVDSO += int(p.Walk.ExcludedVDSO)
		}
		if _, again := spaces[p.Space]; again || p.Space.Len() == 0 {
			continue
		}
		spaces[p.Space] = struct{}{}
		sum.Mappings += p.Space.Len()
		for m := range p.Space.All() {
			if m.Kind&format.ContentFiles != 0 {
				files[m.File] = struct{}{}
			}
		}
	}
	sum.Spaces, sum.Files = len(spaces), len(files)
	for f := range files {
		if f.BuildID.IsZero() && f.GoBuildID == "" {
			sum.NoBuildID++
		}
		if f.Deleted {
			sum.Deleted++
		}
	}
	// Vanished processes are named in the file but are no part of the state, so that none
	// was counted above.
	sum.Processes[format.WalkVanished] = int(s.Stats.LastSnapshot.Processes[format.WalkVanished])
	return sum
}

// Incomplete says in words what the recording misses, one item a line; none when it is
// whole.
func (s *Summary) Incomplete() []string {
	var out []string
	switch {
	case s.Truncated:
		out = append(out, "the end: there is no End record, so the recording was cut off or is damaged")
	case s.Reason == format.EndError:
		out = append(out, "the rest: the recorder could not go on")
	case s.Reason == format.EndSignal && s.Stats.Snapshots == 0:
		out = append(out, "the rest of the snapshot: the recorder was interrupted")
	}
	out = append(out, format.Gaps(s.Processes, s.Host != nil && s.Host.Hidden)...)
	if s.Stats.Losses > 0 {
		out = append(out, fmt.Sprintf("%d statements lost", s.Stats.Lost))
	}
	switch {
	case s.Uncertain == 1:
		out = append(out, "1 process uncertain since then")
	case s.Uncertain > 1:
		out = append(out, fmt.Sprintf("%d processes uncertain since then", s.Uncertain))
	}
	return out
}
