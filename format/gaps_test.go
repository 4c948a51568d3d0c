package format

import (
	"strings"
	"testing"
)

func TestGaps(t *testing.T) {
	for _, tc := range []struct {
		walks  map[WalkStatus]int
		hidden bool
		want   string
	}{
		{nil, false, ""},
		{map[WalkStatus]int{WalkComplete: 9, WalkShared: 1, WalkKernelThread: 2, WalkZombie: 3, WalkVanished: 4, WalkUnknown: 5, 200: 6}, false, ""},
		{nil, true, "the recorder could not see all processes of the host (hidepid or a pid namespace)"},
		{map[WalkStatus]int{WalkDenied: 1}, false, "1 process denied: it takes CAP_SYS_PTRACE, and every capability of the process"},
		{
			map[WalkStatus]int{WalkFailed: 2, WalkRaced: 1, WalkTimeout: 4, WalkDenied: 3}, true,
			"the recorder could not see all processes of the host (hidepid or a pid namespace)\n" +
				"3 processes denied: it takes CAP_SYS_PTRACE, and every capability of the process\n" +
				"4 processes gave no answer in time\n" +
				"1 process changed its address space (exec) during every try\n" +
				"2 processes failed: see script --type process",
		},
	} {
		if got := strings.Join(Gaps(tc.walks, tc.hidden), "\n"); got != tc.want {
			t.Errorf("%v, %v:\ngot  %s\nwant %s", tc.walks, tc.hidden, got, tc.want)
		}
	}
}
