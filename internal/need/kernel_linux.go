package need

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// Query skips the test on kernels without the PROCMAP_QUERY ioctl. Supported is what
// procmap.Supported returned.
func Query(t testing.TB, supported error) {
	t.Helper()
	Kernel(t, "PROCMAP_QUERY", 6, 11, supported)
}

// Kernel skips the test if missing is not nil, on kernels older than major.minor, the first
// with the feature. On one that is new enough the test fails: there the feature must work.
func Kernel(t testing.TB, feature string, major, minor int, missing error) {
	t.Helper()
	if missing == nil {
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
		t.Fatalf("%s is in Linux %d.%d, but fails on %s: %v", feature, major, minor, release, missing)
	}
	Skip(t, Procmap, fmt.Sprintf("Linux %d.%d for %s, this is %s", major, minor, feature, release))
}
