//go:build !386 && !arm && !mips && !mipsle

package procmap

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestAppendMapsLineOfKernel regenerates the text of every process, the gate area included.
// Kernels of 32 bits pad otherwise.
func TestAppendMapsLineOfKernel(t *testing.T) {
	c := startChild(t, "zoo")
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	processes, ofChild := 0, false
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
		if err != nil || len(text) == 0 {
			continue // gone, not permitted, or without an address space
		}
		vmas, err := parseAll(strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		var again []byte
		for i := range vmas {
			again = AppendMapsLine(again, &vmas[i])
		}
		diffLines(t, strings.SplitAfter(string(again), "\n"), strings.SplitAfter(string(text), "\n"))
		processes++
		ofChild = ofChild || pid == c.pid
	}
	if !ofChild {
		t.Error("the child was not among the processes")
	}
	t.Logf("%d processes", processes)
}
