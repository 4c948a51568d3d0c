package procmap

import "fmt"

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

// ParseSource is the inverse of String.
func ParseSource(name string) (Source, error) {
	for s, n := range sourceNames {
		if n == name {
			return Source(s), nil
		}
	}
	return 0, fmt.Errorf("parse source %q: want auto, ioctl or maps", name)
}

// MarshalText implements encoding.TextMarshaler.
func (s Source) MarshalText() ([]byte, error) {
	if int(s) >= len(sourceNames) {
		return nil, fmt.Errorf("marshal source %d: no such source", uint8(s))
	}
	return []byte(sourceNames[s]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Source) UnmarshalText(text []byte) error {
	v, err := ParseSource(string(text))
	if err == nil {
		*s = v
	}
	return err
}
