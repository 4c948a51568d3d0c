package recorder

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/procmap"
)

// requireKernel skips the test on kernels older than major.minor. On one that is new enough
// the feature must be there: if check fails, so does the test.
func requireKernel(t testing.TB, feature string, major, minor int, check func() error) {
	t.Helper()
	err := check()
	if err == nil {
		return
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		t.Fatal(err)
	}
	release := unix.ByteSliceToString(uts.Release[:])
	var haveMajor, haveMinor int
	if _, err := fmt.Sscanf(release, "%d.%d", &haveMajor, &haveMinor); err != nil {
		t.Fatalf("parse kernel release %q: %v", release, err)
	}
	if haveMajor > major || haveMajor == major && haveMinor >= minor {
		t.Fatalf("%s requires Linux %d.%d, but fails on %s: %v", feature, major, minor, release, err)
	}
	skip(t, "procmap", fmt.Sprintf("%s, Linux %d.%d", feature, major, minor))
}

func requireQuery(t testing.TB) {
	t.Helper()
	requireKernel(t, "PROCMAP_QUERY", 6, 11, procmap.Supported)
}

// requireRoot skips the test without the privilege to read everybody's files.
func requireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "procmap", "root")
	}
}

// requireTool skips the test if a program is not installed.
func requireTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skip(t, "tools", name)
	}
}

// skip skips the test, unless VMASNAP_TEST_REQUIRE lists the key: then it fails.
func skip(t testing.TB, key, what string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("VMASNAP_TEST_REQUIRE"), ","), key) {
		t.Fatalf("needs %s, and VMASNAP_TEST_REQUIRE demands it", what)
	}
	t.Skipf("needs %s", what)
}

// eachSource runs a test with the ioctl and with the text.
func eachSource(t *testing.T, run func(t *testing.T, o Options)) {
	for _, source := range bothSources {
		t.Run(source.String(), func(t *testing.T) {
			if source == procmap.SourceIoctl {
				requireQuery(t)
			}
			run(t, Options{Source: source})
		})
	}
}

var bothSources = []procmap.Source{procmap.SourceIoctl, procmap.SourceMaps}
