//go:build !386 && !arm && !mips && !mipsle

package procmap

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestAppendMapsLineOfKernel regenerates the text of every process, the gate area included.
// Kernels of 32 bits pad otherwise.
func TestAppendMapsLineOfKernel(t *testing.T) {
	c := startChild(t, "zoo")
	pids, err := PIDs("", nil)
	if err != nil {
		t.Fatal(err)
	}
	processes, ofChild := 0, false
	for _, pid := range pids {
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
		ofChild = ofChild || pid == c.PID
	}
	if !ofChild {
		t.Error("the child was not among the processes")
	}
	t.Logf("%d processes", processes)
}
