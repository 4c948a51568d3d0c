package procmap

import (
	"fmt"
	"slices"
)

// Source is where the VMAs come from.
type Source uint8

// The sources.
const (
	SourceAuto  Source = iota // the ioctl, or else the text
	SourceIoctl               // PROCMAP_QUERY. Requires at least Linux 6.11.
	SourceMaps                // the text of /proc/PID/maps: any kernel, no build IDs, no page size
)

var sourceNames = [...]string{SourceAuto: "auto", SourceIoctl: "ioctl", SourceMaps: "maps"}

// String returns "auto", "ioctl" or "maps".
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return fmt.Sprintf("Source(%d)", uint8(s))
}

// MarshalText implements encoding.TextMarshaler.
func (s Source) MarshalText() ([]byte, error) {
	if int(s) >= len(sourceNames) {
		return nil, fmt.Errorf("marshal source %d: no such source", uint8(s))
	}
	return []byte(sourceNames[s]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler: it takes what String returns.
func (s *Source) UnmarshalText(text []byte) error {
	i := slices.Index(sourceNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("parse source %q: want auto, ioctl or maps", text)
	}
	*s = Source(i)
	return nil
}
