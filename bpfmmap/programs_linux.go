package bpfmmap

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// ProgramInfo is what the kernel says of a program.
type ProgramInfo struct {
	Name            string
	Instructions    int           // after the verifier
	Verified        int           // instructions that the verifier looked at
	LoadTime        time.Duration // since boot
	RecursionMisses uint64        // how often the kernel skipped it
}

// Programs returns all programs that are loaded, by name. Requires at least Linux 5.16 for
// Verified.
func (f *Follower) Programs() ([]ProgramInfo, error) {
	done, err := f.using()
	if err != nil {
		return nil, fmt.Errorf("ask about programs: %w", err)
	}
	defer done()
	var infos []ProgramInfo
	for name, p := range f.programs.Programs {
		info, err := p.Info()
		if err != nil {
			return nil, fmt.Errorf("ask about %s: %w", name, err)
		}
		stats, err := p.Stats()
		if err != nil {
			return nil, fmt.Errorf("ask about %s: %w", name, err)
		}
		verified, _ := info.VerifiedInstructions()
		since, _ := info.LoadTime()
		size, err := info.TranslatedSize()
		if err != nil {
			return nil, fmt.Errorf("ask about %s: %w", name, err)
		}
		infos = append(infos, ProgramInfo{
			Name: name, Instructions: size / 8, Verified: int(verified), LoadTime: since, RecursionMisses: stats.RecursionMisses,
		})
	}
	slices.SortFunc(infos, func(a, b ProgramInfo) int { return cmp.Compare(a.Name, b.Name) })
	return infos, nil
}
