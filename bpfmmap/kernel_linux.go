package bpfmmap

import (
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// kernel is what the rungs ask about the running kernel. Types answer where they can: versions
// say too little, because distributions take over what came later.
type kernel struct {
	types *btf.Spec
	// major and minor of the version, for what leaves no trace in the types.
	major, minor int
	version      string // of uname -v
}

func thisKernel() (*kernel, error) {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("read kernel types: %w", err)
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, fmt.Errorf("ask kernel version: %w", err)
	}
	k := &kernel{types: types, version: unix.ByteSliceToString(uts.Version[:])}
	release := unix.ByteSliceToString(uts.Release[:])
	if _, err := fmt.Sscanf(release, "%d.%d", &k.major, &k.minor); err != nil {
		return nil, fmt.Errorf("parse kernel release %q: %w", release, err)
	}
	return k, nil
}

// atLeast reports whether the version is major.minor or later.
func (k *kernel) atLeast(major, minor int) bool {
	return k.major > major || k.major == major && k.minor >= minor
}

// hasFunction reports whether the kernel has a function of that name that is not inlined
// everywhere.
func (k *kernel) hasFunction(name string) bool {
	var f *btf.Func
	return k.types.TypeByName(name, &f) == nil
}

// member returns the type of a struct's member, also if it is in an anonymous struct or union,
// or nil.
func (k *kernel) member(structName, member string) btf.Type {
	var s *btf.Struct
	if k.types.TypeByName(structName, &s) != nil {
		return nil
	}
	return findMember(s.Members, member)
}

func findMember(members []btf.Member, name string) btf.Type {
	for _, m := range members {
		if m.Name == name {
			return m.Type
		}
		if m.Name != "" {
			continue
		}
		var found btf.Type
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			found = findMember(t.Members, name)
		case *btf.Union:
			found = findMember(t.Members, name)
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// traceArgs returns how many arguments a tracepoint has, or -1 if there is none of that name.
func (k *kernel) traceArgs(tracepoint string) int {
	var t *btf.Typedef
	if k.types.TypeByName("btf_trace_"+tracepoint, &t) != nil {
		return -1
	}
	pointer, ok := t.Type.(*btf.Pointer)
	if !ok {
		return -1
	}
	proto, ok := pointer.Target.(*btf.FuncProto)
	if !ok {
		return -1
	}
	return len(proto.Params) - 1 // the first is the tracepoint's own
}

// backingMode returns FMODE_BACKING of include/linux/fs.h, a macro of which the types know
// nothing. It moved when files learnt at open whether anybody watches them (6.14, and stable
// kernels that were given it); that function had three names so far.
func (k *kernel) backingMode() uint32 {
	for _, name := range []string{"file_set_fsnotify_mode", "file_set_fsnotify_mode_from_watchers", "fsnotify_open_perm_and_set_mode"} {
		if k.hasFunction(name) {
			return 1 << 24
		}
	}
	if k.atLeast(6, 14) {
		return 1 << 24
	}
	return 1 << 25
}

// preempts says why a task may be preempted inside of the kernel, or returns "" if it is known
// that it is not.
func (k *kernel) preempts() string {
	// "none voluntary (full)", the one in parentheses being on.
	if modes, err := os.ReadFile("/sys/kernel/debug/sched/preempt"); err == nil {
		_, mode, _ := strings.Cut(string(modes), "(")
		mode, _, _ = strings.Cut(mode, ")")
		if mode == "none" || mode == "voluntary" {
			return ""
		}
		return "preempt=" + mode
	}
	// PREEMPT, PREEMPT_RT, or PREEMPT_DYNAMIC, of which it is not known here.
	for word := range strings.FieldsSeq(k.version) {
		if strings.HasPrefix(word, "PREEMPT") {
			return word
		}
	}
	return ""
}

// setVariables sets those of the variables that the object has.
func setVariables(spec *ebpf.CollectionSpec, values map[string]any) error {
	for name, value := range values {
		variable := spec.Variables[name]
		if variable == nil {
			continue // no program of this object uses it
		}
		if err := variable.Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}
