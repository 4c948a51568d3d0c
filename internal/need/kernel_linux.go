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
	if supported == nil {
		return // an older kernel may have it too
	}
	Kernel(t, Procmap, "PROCMAP_QUERY", 6, 11, supported)
}

// Kernel skips the test on kernels older than major.minor, the first with the feature, or fails
// it if key is required. On one that is new enough the test fails if missing is not nil: there
// the feature must work.
func Kernel(t testing.TB, key, feature string, major, minor int, missing error) {
	t.Helper()
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		t.Fatal(err)
	}
	release := unix.ByteSliceToString(uts.Release[:])
	old, err := older(release, major, minor)
	switch {
	case err != nil:
		t.Fatal(err)
	case old:
		Skip(t, key, fmt.Sprintf("Linux %d.%d for %s, this is %s", major, minor, feature, release))
	case missing != nil:
		t.Fatalf("%s is in Linux %d.%d, but fails on %s: %v", feature, major, minor, release, missing)
	}
}

// older reports whether a release like "6.11.4-generic" is older than major.minor.
func older(release string, major, minor int) (bool, error) {
	var haveMajor, haveMinor int
	if _, err := fmt.Sscanf(release, "%d.%d", &haveMajor, &haveMinor); err != nil {
		return false, fmt.Errorf("parse kernel release %q: %w", release, err)
	}
	return haveMajor < major || haveMajor == major && haveMinor < minor, nil
}
