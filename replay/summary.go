package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vmasnap/vmasnap/format"
)

// Summary is the head of a report: what the recording covers and how far it can be trusted.
type Summary struct {
	Host      *format.Host
	Processes map[format.WalkStatus]int // by the outcome of their last walk; without Followed
	Followed  int                       // processes that are known from live statements alone
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
	Losses           []Loss // Session.Losses
	// At is the time that the summary is of, CLOCK_MONOTONIC ns; 0 = the end.
	At        uint64
	Early     bool // at that time the first snapshot was not complete
	Truncated bool // no End record, although it should have come by then
	// Reason is why the recorder stopped; meaningful unless Truncated.
	Reason format.EndReason

	gaps map[format.WalkStatus]int // processes that are not known, by the reason
}

// Summary returns the head of a report.
func (s *Session) Summary() Summary {
	sum := Summary{
		Host: s.Host, Processes: make(map[format.WalkStatus]int), Stats: s.Stats, Losses: s.Losses, Truncated: s.End == nil,
		gaps: make(map[format.WalkStatus]int),
	}
	if s.End != nil {
		sum.Reason = s.End.Reason
	}
	spaces := make(map[*Space]struct{})
	var known distinct
	files := make(map[*distinctFile]struct{})
	for p := range s.Processes() {
		if p.Followed() {
			sum.Followed++
		} else {
			sum.Processes[p.Status()]++
		}
		if !p.Known {
			sum.gaps[p.Status()]++
		}
		if p.UncertainSince != 0 {
			sum.Uncertain++
		}
		if w := p.walk(); w != nil {
			sum.ExcludedAnonExec += int(w.ExcludedAnonExec)
			sum.ExcludedVDSO += int(w.ExcludedVDSO)
		}
		if _, again := spaces[p.Space]; again || p.Space.Len() == 0 {
			continue
		}
		spaces[p.Space] = struct{}{}
		sum.Mappings += p.Space.Len()
		for m := range p.Space.All() {
			if m.Kind&format.ContentFiles != 0 {
				files[known.get(m.File)] = struct{}{}
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
	case s.Early:
		out = append(out, "the rest of the first snapshot, which was not complete by then")
	case s.At != 0:
	case s.Truncated:
		out = append(out, "the end: there is no End record, so the recording was cut off or is damaged")
	case s.Reason == format.EndError:
		out = append(out, "the rest: the recorder could not go on")
	case s.Reason == format.EndSignal && s.Stats.Snapshots == 0:
		out = append(out, "the rest of the snapshot: the recorder was interrupted")
	case s.Stats.Snapshots == 0 && follows(s.Host):
		out = append(out, "the rest of the snapshot: the recording ended before it was complete")
	}
	out = append(out, format.Gaps(s.gaps, s.Host != nil && s.Host.Hidden)...)
	switch n := s.gaps[format.WalkUnknown]; {
	case n == 1:
		out = append(out, "1 process is known from some statements alone: nothing had introduced it")
	case n > 1:
		out = append(out, fmt.Sprintf("%d processes are known from some statements alone: nothing had introduced them", n))
	}
	out = append(out, s.lost()...)
	switch {
	case s.Uncertain == 1:
		out = append(out, "1 process uncertain since then")
	case s.Uncertain > 1:
		out = append(out, fmt.Sprintf("%d processes uncertain since then", s.Uncertain))
	}
	if s.Stats.Drift > 0 {
		out = append(out, fmt.Sprintf("the truth at some time: in %d intervals a later walk found what no statement had told", s.Stats.Drift))
	}
	return out
}

// plural counts a thing.
func plural(n uint64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// lost says what was lost, and whether it was repaired.
func (s *Summary) lost() []string {
	if s.Stats.Losses == 0 {
		return nil
	}
	open, reasons := 0, make(map[format.LostReason]bool)
	for _, l := range s.Losses {
		reasons[l.Reason] = true
		if l.Repaired == 0 {
			open++
		}
	}
	var why []string
	for _, r := range slices.Sorted(maps.Keys(reasons)) {
		why = append(why, r.String())
	}
	number := "an unknown number of statements"
	if s.Stats.Lost > 0 {
		number = plural(s.Stats.Lost, "statement")
	}
	text := fmt.Sprintf("%s lost (%s) in %s of time", number, strings.Join(why, ", "), plural(s.Stats.LossWindows, "window"))
	switch {
	case open == 0:
		text += ", all repaired by later walks"
	case open < len(s.Losses):
		text += fmt.Sprintf(", %d of them not repaired", open)
	default:
		text += ", not repaired"
	}
	return []string{text}
}
