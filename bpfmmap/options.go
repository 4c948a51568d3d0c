package bpfmmap

import "fmt"

// Hooks chooses the rung of the ladder of hooks.
type Hooks uint8

// The values of --hooks.
const (
	HooksAuto       Hooks = iota // the best one that loads and is safe on this kernel
	HooksKprobe                  // kprobe.multi, or kprobes, on the kernel's own choke points
	HooksFentry                  // trampolines on the same functions
	HooksTracepoint              // sys_exit and the open-coded task_vma iterator
)

var hooksNames = [...]string{"auto", "kprobe", "fentry", "tracepoint"}

// String returns a name such as "kprobe".
func (h Hooks) String() string {
	if int(h) < len(hooksNames) {
		return hooksNames[h]
	}
	return fmt.Sprintf("Hooks(%d)", uint8(h))
}

// MarshalText implements encoding.TextMarshaler.
func (h Hooks) MarshalText() ([]byte, error) {
	if int(h) >= len(hooksNames) {
		return nil, fmt.Errorf("unknown hooks %d", uint8(h))
	}
	return []byte(hooksNames[h]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hooks) UnmarshalText(text []byte) error {
	for i, name := range hooksNames {
		if name == string(text) {
			*h = Hooks(i)
			return nil
		}
	}
	return fmt.Errorf("unknown hooks %q: want auto, kprobe, fentry or tracepoint", text)
}

// DefaultRingSize is the default of Options.RingSize in bytes.
const DefaultRingSize = 16 << 20

// Options says what is followed and how. The zero value follows the whole machine with the
// best hooks and a ring of DefaultRingSize.
type Options struct {
	Hooks Hooks
	// RingSize is the size of the ring buffer in bytes, rounded up to a power of two of at
	// least a page. 0 means DefaultRingSize.
	RingSize int
	// Some limits the hooks to the processes that Adopt names and those that they fork.
	Some bool
}
