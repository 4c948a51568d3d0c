package recorder

import (
	"time"

	"github.com/vmasnap/vmasnap/format"
)

// Stats counts what was recorded. In a live recording the numbers of processes and VMAs are
// those of its last whole snapshot.
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

	Live LiveStats
}

// LiveStats counts what following brought.
type LiveStats struct {
	Begun               bool   // the first snapshot is complete
	Events              uint64 // of the ring
	Sets, Clears        uint64 // statements, other than those of snapshots
	Forks, Execs, Exits uint64 // of processes; Forks and Exits of their threads are not counted
	Keyframes, Repairs  int    // snapshots after the first, by why they were taken
	Lost                map[format.LostReason]uint64
	Unrepaired          bool                         // statements were lost and no snapshot has come after that
	Files               int                          // files that were mapped for the first time after the start
	NoBuildID           map[format.BuildIDOrigin]int // files among them without a build ID, by the reason
	SetsNoBuildID       uint64                       // Sets of files without one
}

// Incomplete says in words what the snapshot misses; none when it is whole. Processes that
// ended meanwhile are not a gap.
func (s *Stats) Incomplete() []string { return format.Gaps(s.Processes, s.Hidden) }
