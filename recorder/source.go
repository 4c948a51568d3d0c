package recorder

import "fmt"

// Source says who tells what is mapped at the time of a snapshot.
type Source uint8

// The values of --source.
const (
	SourceAuto  Source = iota // SourceIoctl if the kernel has it, else SourceMaps
	SourceIoctl               // PROCMAP_QUERY, Linux 6.11
	SourceIter                // the task_vma BPF iterator, Linux 5.15; needs CAP_BPF and CAP_PERFMON
	SourceMaps                // the text of /proc/PID/maps
)

var sourceNames = [...]string{"auto", "ioctl", "iter", "maps"}

// String returns a name such as "ioctl".
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return fmt.Sprintf("Source(%d)", uint8(s))
}

// MarshalText implements encoding.TextMarshaler.
func (s Source) MarshalText() ([]byte, error) {
	if int(s) >= len(sourceNames) {
		return nil, fmt.Errorf("unknown source %d", uint8(s))
	}
	return []byte(sourceNames[s]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Source) UnmarshalText(text []byte) error {
	for i, name := range sourceNames {
		if name == string(text) {
			*s = Source(i)
			return nil
		}
	}
	return fmt.Errorf("unknown source %q: want auto, ioctl, iter or maps", text)
}
