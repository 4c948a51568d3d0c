package recorder

import (
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/procmap"
)

// eachSource runs a test with the ioctl and with the text.
func eachSource(t *testing.T, run func(t *testing.T, o Options)) {
	for _, source := range bothSources {
		t.Run(source.String(), func(t *testing.T) {
			if source == SourceIoctl {
				need.Query(t, procmap.Supported())
			}
			run(t, Options{Source: source})
		})
	}
}

var bothSources = []Source{SourceIoctl, SourceMaps}
