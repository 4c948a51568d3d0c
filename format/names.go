package format

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Names of the enumerations' values, by number, as the text form and JSON have them.
var (
	typeNames = []string{"", "host", "process", "mmap", "clear", "comm", "fork", "exec", "exit", "lost",
		"snapshot-begin", "snapshot-end", "clock", "end"}
	sourceNames        = []string{"none", "ioctl", "maps", "iter", "import"}
	hooksNames         = []string{"none", "kprobe", "fentry", "tracepoint", "import"}
	buildIDModeNames   = []string{"auto", "kernel", "file", "none"}
	walkStatusNames    = []string{"unknown", "complete", "shared", "kernel-thread", "zombie", "denied", "vanished", "raced", "timeout", "failed"}
	buildIDOriginNames = []string{"not-asked", "kernel", "file", "absent", "not-elf", "denied", "gone", "failed"}
	lostReasonNames    = []string{"unknown", "ring", "recursion", "lock", "map", "memory", "torn"}
	snapshotKindNames  = []string{"initial", "keyframe", "repair"}
	endReasonNames     = []string{"finished", "signal", "error"}
	contentNames       = []string{"exec-file", "data-file", "anon-exec", "vdso"} // by bit
)

// known reports whether t has a layout in this version.
func (t Type) known() bool { return t >= TypeHost && t <= TypeEnd }

// String returns the type's name, or "unknown" and its number.
func (t Type) String() string {
	if t.known() {
		return typeNames[t]
	}
	return "unknown(" + strconv.FormatUint(uint64(t), 10) + ")"
}

// ParseType is the inverse of Type.String for the types that this version knows.
func ParseType(name string) (Type, error) {
	for t := TypeHost; t.known(); t++ {
		if typeNames[t] == name {
			return t, nil
		}
	}
	return 0, fmt.Errorf("parse record type %q: want one of %s", name, strings.Join(typeNames[TypeHost:], ", "))
}

// nameOf returns the name of an enumeration's value, or its number if it has none: it may
// come from a later minor version.
func nameOf[T ~uint8](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return strconv.Itoa(int(v))
}

// parseName is the inverse of nameOf.
func parseName[T ~uint8](v *T, names []string, text []byte) error {
	for i, name := range names {
		if name == string(text) {
			*v = T(i)
			return nil
		}
	}
	n, err := strconv.ParseUint(string(text), 10, 8)
	if err != nil || int(n) < len(names) {
		return fmt.Errorf("parse name %q: want one of %s", text, strings.Join(names, ", "))
	}
	*v = T(n)
	return nil
}

// String returns a name such as "ioctl".
func (s Source) String() string { return nameOf(sourceNames, s) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Source) UnmarshalText(text []byte) error { return parseName(s, sourceNames, text) }

// String returns a name such as "kprobe".
func (h Hooks) String() string { return nameOf(hooksNames, h) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hooks) UnmarshalText(text []byte) error { return parseName(h, hooksNames, text) }

// String returns a name such as "auto".
func (m BuildIDMode) String() string { return nameOf(buildIDModeNames, m) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *BuildIDMode) UnmarshalText(text []byte) error { return parseName(m, buildIDModeNames, text) }

// String returns a name such as "complete".
func (s WalkStatus) String() string { return nameOf(walkStatusNames, s) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *WalkStatus) UnmarshalText(text []byte) error { return parseName(s, walkStatusNames, text) }

// String returns a name such as "kernel".
func (o BuildIDOrigin) String() string { return nameOf(buildIDOriginNames, o) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *BuildIDOrigin) UnmarshalText(text []byte) error {
	return parseName(o, buildIDOriginNames, text)
}

// String returns a name such as "ring".
func (r LostReason) String() string { return nameOf(lostReasonNames, r) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *LostReason) UnmarshalText(text []byte) error { return parseName(r, lostReasonNames, text) }

// String returns a name such as "initial".
func (k SnapshotKind) String() string { return nameOf(snapshotKindNames, k) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *SnapshotKind) UnmarshalText(text []byte) error { return parseName(k, snapshotKindNames, text) }

// String returns a name such as "finished".
func (r EndReason) String() string { return nameOf(endReasonNames, r) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *EndReason) UnmarshalText(text []byte) error { return parseName(r, endReasonNames, text) }

// String returns the kinds joined by "|", such as "exec-file|anon-exec"; bits without a
// name come last, as one hexadecimal number; the empty set is "none".
func (c Content) String() string {
	if c == 0 {
		return "none"
	}
	var parts []string
	for i, name := range contentNames {
		if c&(1<<i) != 0 {
			parts = append(parts, name)
			c &^= 1 << i
		}
	}
	if c != 0 {
		parts = append(parts, "0x"+strconv.FormatUint(uint64(c), 16))
	}
	return strings.Join(parts, "|")
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Content) UnmarshalText(text []byte) error {
	if string(text) == "none" {
		*c = 0
		return nil
	}
	var set Content
	for part := range strings.SplitSeq(string(text), "|") {
		bit, err := parseContent(part)
		if err != nil {
			return fmt.Errorf("parse kinds %q: %w", text, err)
		}
		set |= bit
	}
	*c = set
	return nil
}

func parseContent(s string) (Content, error) {
	for i, name := range contentNames {
		if name == s {
			return 1 << i, nil
		}
	}
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		n, err := strconv.ParseUint(hex, 16, 32)
		return Content(n), err
	}
	return 0, errors.New("want none or some of " + strings.Join(contentNames, "|"))
}

// String returns the protection as /proc/PID/maps prints it, such as "r-x". Other bits
// follow as a number: "r-x|0x8".
func (p Prot) String() string {
	s := string(appendProt(nil, p))
	if rest := p &^ (ProtRead | ProtWrite | ProtExec); rest != 0 {
		s += "|0x" + strconv.FormatUint(uint64(rest), 16)
	}
	return s
}

func appendProt(dst []byte, p Prot) []byte {
	for i, c := range [...]byte{'r', 'w', 'x'} {
		if p&(1<<i) == 0 {
			c = '-'
		}
		dst = append(dst, c)
	}
	return dst
}

// letter returns what stands behind the protection: s for shared, p for private, - for
// neither.
func (f MapFlags) letter() byte {
	return [...]byte{'-', 's', 'p', 's'}[f&3]
}

// Perm returns the protection and the sharing as /proc/PID/maps prints them: "r-xp".
func (m *Mmap) Perm() string { return string(appendPerm(nil, m.Prot, m.Flags)) }

func appendPerm(dst []byte, prot Prot, flags MapFlags) []byte {
	return append(appendProt(dst, prot), flags.letter())
}
