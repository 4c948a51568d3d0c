package recorder

import (
	"time"

	"github.com/vmasnap/vmasnap/format"
)

// Stats counts what a snapshot found.
type Stats struct {
	Listed    int                       // processes that /proc listed, or that were asked for
	Processes map[format.WalkStatus]int // Process records by the outcome of the walk
	VMAs      int                       // Mmap records
	Hidden    bool                      // /proc does not list every process to this recorder
	// Left out because nobody asked for them.
	ExcludedAnonExec int
	ExcludedVDSO     int

	Files    int                          // distinct files
	BuildIDs map[format.BuildIDOrigin]int // files by where their build ID came from, or why they have none
	Elapsed  time.Duration
}

// Incomplete says in words what the snapshot misses; none when it is whole. Processes that
// ended meanwhile are not a gap.
func (s *Stats) Incomplete() []string { return format.Gaps(s.Processes, s.Hidden) }
