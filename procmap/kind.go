package procmap

import "bytes"

// Kind says which of the classes that Options select a VMA belongs to.
type Kind uint8

// The kinds of VMA. Each VMA is of exactly one.
const (
	KindOther    Kind = iota // no file, not executable: heap, stack, [vvar], plain memory
	KindExecFile             // a file, executable: programs and libraries
	KindDataFile             // a file, not executable
	KindAnonExec             // no file, executable: code that a JIT wrote; also [heap] and [stack]
	KindVDSO                 // executable code of the kernel: [vdso], [uprobes], [vsyscall]
)

// String returns "other", "exec-file", "data-file", "anon-exec" or "vdso".
func (k Kind) String() string {
	switch k {
	case KindOther:
		return "other"
	case KindExecFile:
		return "exec-file"
	case KindDataFile:
		return "data-file"
	case KindAnonExec:
		return "anon-exec"
	case KindVDSO:
		return "vdso"
	}
	return "invalid"
}

// The names in brackets that a process, not the kernel, fills with code:
// [anon:NAME], [heap], [stack] and, before Linux 4.5, [stack:TID].
var processOwned = [][]byte{[]byte("[anon"), []byte("[heap]"), []byte("[stack")}

// Kind classifies the VMA by its file, its Executable flag and, without a file, its name.
func (v *VMA) Kind() Kind {
	exec := v.Flags&Executable != 0
	switch {
	case v.FileBacked() && exec:
		return KindExecFile
	case v.FileBacked():
		return KindDataFile
	case !exec:
		return KindOther
	case v.special():
		return KindVDSO
	}
	return KindAnonExec
}

// special reports whether the name is one that the kernel gives to a mapping of its own.
func (v *VMA) special() bool {
	if len(v.Name) < 2 || v.Name[0] != '[' || v.Name[len(v.Name)-1] != ']' {
		return false
	}
	for _, p := range processOwned {
		if bytes.HasPrefix(v.Name, p) {
			return false
		}
	}
	return true
}

// gate reports whether the VMA is the gate area: x86's [vsyscall], 32-bit Arm's [vectors].
// It belongs to no address space. /proc/PID/maps prints it, PROCMAP_QUERY never returns it.
func (v *VMA) gate() bool {
	return !v.FileBacked() && (string(v.Name) == "[vsyscall]" || string(v.Name) == "[vectors]")
}
