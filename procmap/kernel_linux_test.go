package procmap

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// requireKernel skips the test if the running kernel is older than the first one with the
// feature. If it is new enough but check fails, the test fails: the feature is not to be
// missed by accident. VMASNAP_TEST_REQUIRE=procmap turns the skip into a failure too.
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
		t.Fatalf("%s requires Linux %d.%d, fails on %s: %v", feature, major, minor, release, err)
	}
	skipUnlessRequired(t, "procmap", fmt.Sprintf("Linux %d.%d for %s, this is %s", major, minor, feature, release))
}

func requireQuery(t testing.TB) {
	t.Helper()
	requireKernel(t, "PROCMAP_QUERY", 6, 11, Supported)
}
