package format

import "fmt"

// walkGaps says of each outcome of a walk that leaves a gap what went wrong, in the order
// of a report. A process that vanished is none: nothing was there to be recorded.
var walkGaps = []struct {
	status WalkStatus
	verb   string
}{
	{WalkDenied, "denied: it takes CAP_SYS_PTRACE, and every capability of the process"},
	{WalkTimeout, "gave no answer in time"},
	{WalkRaced, "changed its address space (exec) during every try"},
	{WalkFailed, "failed: see script --type process"},
}

// Gaps says in words what a snapshot misses, one item a line; none when it is whole. Walks
// counts processes by the outcome of their walk; hidden is Host.Hidden.
func Gaps(walks map[WalkStatus]int, hidden bool) []string {
	var out []string
	if hidden {
		out = append(out, "the recorder could not see all processes of the host (hidepid or a pid namespace)")
	}
	for _, g := range walkGaps {
		switch n := walks[g.status]; {
		case n == 1:
			out = append(out, "1 process "+g.verb)
		case n > 1:
			out = append(out, fmt.Sprintf("%d processes %s", n, g.verb))
		}
	}
	return out
}
