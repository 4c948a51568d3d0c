package recorder

import (
	"testing"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// TestNumbersAgree: procmap and format know nothing of each other, and their enumerations
// are converted by number. The names must agree, for all there are.
func TestNumbersAgree(t *testing.T) {
	for n := range uint8(procmap.OriginFailed) + 1 {
		if a, b := procmap.Origin(n).String(), format.BuildIDOrigin(n).String(); a != b {
			t.Errorf("origin %d is %q in procmap and %q in format", n, a, b)
		}
	}
	for n := range uint8(procmap.BuildIDNone) + 1 {
		if a, b := procmap.BuildIDMode(n).String(), format.BuildIDMode(n).String(); a != b {
			t.Errorf("build ID mode %d is %q in procmap and %q in format", n, a, b)
		}
	}
	for _, s := range []procmap.Source{procmap.SourceIoctl, procmap.SourceMaps} {
		if got := formatSource(s).String(); got != s.String() {
			t.Errorf("source %q becomes %q", s, got)
		}
	}
	for _, k := range []procmap.Kind{procmap.KindExecFile, procmap.KindDataFile, procmap.KindAnonExec, procmap.KindVDSO} {
		if got := formatKind(k).String(); got != k.String() {
			t.Errorf("kind %q becomes %q", k, got)
		}
	}
}
