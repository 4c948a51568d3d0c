// Package need is how a test says what it needs of the machine: a kernel feature, root, a
// program. What is missing skips the test, unless the environment variable
// VMASNAP_TEST_REQUIRE lists the need's key: then the test fails. CI requires what its
// machine has, so that a feature that went missing cannot pass as a skip.
package need

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The keys of VMASNAP_TEST_REQUIRE, which is a list with commas between.
const (
	Procmap = "procmap" // the ioctl, and the privileges to read every process
	BPF     = "bpf"     // BTF, ring buffer, tp_btf and the task_vma iterator
	Tools   = "tools"   // programs that .ci/setup installs
	// Chromium is a headless browser, for the page of report --html.
	Chromium = "chromium"
	// The rungs of the ladder of hooks, by their names.
	Kprobe      = "kprobe"
	KprobeMulti = "kprobe.multi"
	Fentry      = "fentry"
	Tracepoint  = "tracepoint"
	// MoveMany is one mremap of several VMAs.
	MoveMany = "move-many"
	// What a kernel may be built without, however new it is: names of anonymous memory, overlayfs,
	// what the steps of bpfmmap/testdata/steps.c do.
	AnonNames = "anon-names"
	Overlay   = "overlay"
	Steps     = "steps"
)

// Skip skips the test because of what is missing, or fails it if key is required.
func Skip(t testing.TB, key, what string) {
	t.Helper()
	if Required(key) {
		t.Fatalf("needs %s, and VMASNAP_TEST_REQUIRE demands it", what)
	}
	t.Skipf("needs %s", what)
}

// Required reports whether VMASNAP_TEST_REQUIRE lists key.
func Required(key string) bool {
	return slices.Contains(strings.Split(os.Getenv("VMASNAP_TEST_REQUIRE"), ","), key)
}

// Root skips the test if the user is not root. What names the privilege that it is for.
func Root(t testing.TB, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, Procmap, "root: "+what)
	}
}

// Tool skips the test if a program is missing, and returns its path.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Skip(t, Tools, name)
	}
	return path
}
