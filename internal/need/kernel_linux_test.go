package need

import "testing"

func TestOlder(t *testing.T) {
	for release, want := range map[string]bool{
		"6.11.4-generic": true, "5.15.0": true, "6.9": true, "6.12.0-rc1": false, "6.18.44": false, "7.0.0": false,
	} {
		if got, err := older(release, 6, 12); got != want || err != nil {
			t.Errorf("%s: %t, %v, want %t", release, got, err, want)
		}
	}
	if _, err := older("six", 6, 12); err == nil {
		t.Error("no error for a release that is none")
	}
}

// TestKernel skips on an old kernel although nothing was seen to be missing.
func TestKernel(t *testing.T) {
	t.Setenv("VMASNAP_TEST_REQUIRE", "")
	skipped := false
	t.Run("old", func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		Kernel(t, Procmap, "the future", 1000, 0, nil)
	})
	if !skipped {
		t.Error("an old kernel will do")
	}
	Kernel(t, Procmap, "the past", 2, 6, nil)
}
