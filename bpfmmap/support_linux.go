package bpfmmap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// ErrNotSupported is what a Feature's error is when the kernel does not have it, as opposed
// to not allowing it, which is fs.ErrPermission.
var ErrNotSupported = ebpf.ErrNotSupported

// Feature is one mechanism of the kernel that following changes can use.
type Feature struct {
	Name string // short, for people
	Use  string // what vmasnap does with it
	Err  error  // nil if it works here and now
}

// The kernel functions that the probes aim at. Any kernel that has the mechanism has them.
const (
	probeFunction   = "perf_event_mmap"
	probeTracepoint = "sched_process_exec"
	probeIterator   = "task_vma"
)

// Support tries what the kernel offers and returns the outcome in order of importance. It
// loads programs that do nothing and attaches none. Requires CAP_BPF and CAP_PERFMON, or
// what it reports is that they are missing.
func Support() []Feature {
	defer raiseMemlock()()
	_, btfErr := btf.LoadKernelSpec()
	return []Feature{
		{"BTF", "kernel types, for every hook", btfErr},
		{"BPF ring buffer", "carries the statements (Linux 5.8)", haveRingBuffer()},
		{"tp_btf programs", "tracepoint hooks", tryLoad(ebpf.Tracing, ebpf.AttachTraceRawTp, probeTracepoint)},
		{"task_vma iterator", "a second way to take a snapshot (Linux 5.12)", tryLoad(ebpf.Tracing, ebpf.AttachTraceIter, probeIterator)},
		{"fentry programs", "hooks on kernel functions, by trampolines", tryLoad(ebpf.Tracing, ebpf.AttachTraceFEntry, probeFunction)},
		{"kprobes", "hooks on kernel functions, by probes", haveKprobes()},
	}
}

// raiseMemlock lifts RLIMIT_MEMLOCK, against which BPF memory counts before Linux 5.11, and
// returns what puts it back. Where lifting is refused, so is loading, as a rule: both take
// privileges. (cilium's own helper costs every program that imports it a map at start-up.)
func raiseMemlock() (restore func()) {
	var old unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &old) != nil ||
		unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}) != nil {
		return func() {}
	}
	return func() { _ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &old) }
}

// tryLoad loads a program of the kind that returns 0.
func tryLoad(kind ebpf.ProgramType, attach ebpf.AttachType, to string) error {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "vmasnap_probe", Type: kind, AttachType: attach, AttachTo: to, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return fmt.Errorf("load %s program: %w", kind, cause(err))
	}
	return prog.Close()
}

// cause leaves out what says nothing about a program of two instructions: the verifier's
// log, and the advice to raise RLIMIT_MEMLOCK, which Support has tried.
func cause(err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fs.ErrPermission
	case errors.As(err, &verifier):
		return verifier.Cause
	}
	return err
}

func haveRingBuffer() error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "vmasnap_probe", Type: ebpf.RingBuf, MaxEntries: uint32(os.Getpagesize())})
	if err != nil {
		return fmt.Errorf("create ring buffer: %w", cause(err))
	}
	return m.Close()
}

// haveKprobes looks for the perf event source that kprobes are opened through since Linux
// 4.17. A kernel without CONFIG_KPROBES still loads programs of the type.
func haveKprobes() error {
	if _, err := os.Stat("/sys/bus/event_source/devices/kprobe/type"); err != nil {
		return fmt.Errorf("look for kprobe event source: %w (CONFIG_KPROBES)", err)
	}
	return tryLoad(ebpf.Kprobe, ebpf.AttachNone, "")
}
