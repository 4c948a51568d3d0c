package bpfmmap

import (
	"fmt"
	"math/bits"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// functionRungs hook the kernel's functions with bpf/function.bpf.c, the best first. Require at
// least Linux 6.1.
var functionRungs = []rung{
	{hooks: HooksKprobe, name: "kprobe.multi", spec: kprobeMultiSpec, attach: attachFunctions(kprobeMulti)},
	{hooks: HooksKprobe, name: "kprobe", spec: kprobeSpec, attach: attachFunctions(kprobe)},
	{hooks: HooksFentry, name: "fentry", caution: fentryCaution, spec: fentrySpec, attach: attachFunctions(fentry)},
}

// functionTracepoints is the programs on tracepoints. They are attached first: whose copies have
// been stated must be told to have been forked.
var functionTracepoints = []string{"end_space", "exit_task", "rename_task", "move_task", "new_task"}

// functionHooks is the functions that are hooked, whose names the programs have, in the order in
// which they are attached: what others rely on, what changes, and last what begins. Of a fork
// that is in its middle, task_newtask then says that it was not seen whole.
var functionHooks = []string{
	"security_file_mprotect", "unmap_vmas", "free_pgtables", "begin_new_exec",
	"uprobe_mmap", "uprobe_munmap", "perf_event_mmap", "move_page_tables",
	"perf_event_exec", "vma_interval_tree_insert_after", "uprobe_dup_mmap",
}

// functionSpec leaves out what this kernel does not need.
func functionSpec(k *kernel, object []byte) (*ebpf.CollectionSpec, error) {
	spec, err := parseObject(object)
	if err != nil {
		return nil, err
	}
	// Where a VMA knows whether it is in its address space, what removes it need not be watched.
	windows := k.member("vm_area_struct", "detached") == nil && k.member("vm_area_struct", "vm_refcnt") == nil
	if !windows {
		delete(spec.Programs, "unmap_vmas")
		delete(spec.Programs, "free_pgtables")
	}
	for _, name := range functionHooks {
		if spec.Programs[name] != nil && !k.hasFunction(name) {
			return nil, fmt.Errorf("find function %s: %w", name, ErrNotSupported)
		}
	}
	if k.traceArgs("exit_mmap") < 0 {
		return nil, fmt.Errorf("find tracepoint exit_mmap (requires Linux 6.1): %w", ErrNotSupported)
	}
	var control *btf.Struct
	return spec, setVariables(spec, map[string]any{
		"windows":          boolByte(windows),
		"moves_controlled": boolByte(k.types.TypeByName("pagetable_move_control", &control) == nil),
		"page_shift":       uint32(bits.TrailingZeros(uint(os.Getpagesize()))),
	})
}

func fentrySpec(k *kernel) (*ebpf.CollectionSpec, error) { return functionSpec(k, fentryObject) }

// fentryCaution is about the kernel's guard against recursion, which counts per CPU: a task that
// is preempted inside of a program makes it skip the other tasks of that CPU.
func fentryCaution(k *kernel) string {
	if why := k.preempts(); why != "" {
		return fmt.Sprintf("this kernel may preempt a task inside the kernel (%s), and then skips calls: they are counted as lost", why)
	}
	return ""
}

func kprobeSpec(k *kernel) (*ebpf.CollectionSpec, error) {
	if err := haveKprobes(); err != nil {
		return nil, err
	}
	return functionSpec(k, kprobeObject)
}

func kprobeMultiSpec(k *kernel) (*ebpf.CollectionSpec, error) {
	if err := haveKprobeMulti(); err != nil {
		return nil, err
	}
	spec, err := functionSpec(k, kprobeObject)
	if err != nil {
		return nil, err
	}
	for _, p := range spec.Programs {
		if p.Type == ebpf.Kprobe {
			p.AttachType = ebpf.AttachTraceKprobeMulti
		}
	}
	return spec, nil
}

// haveKprobeMulti attaches a program that does nothing: without CONFIG_FPROBE it loads, but
// cannot be attached.
func haveKprobeMulti() error {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "vmasnap_probe", Type: ebpf.Kprobe, AttachType: ebpf.AttachTraceKprobeMulti, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return fmt.Errorf("load kprobe.multi program: %w", cause(err))
	}
	defer prog.Close()
	l, err := kprobeMulti(probeFunction, prog)
	if err != nil {
		return fmt.Errorf("attach kprobe.multi program: %w", err)
	}
	return l.Close()
}

// attachFunction attaches a program to the entry of a function.
type attachFunction func(function string, p *ebpf.Program) (link.Link, error)

func fentry(_ string, p *ebpf.Program) (link.Link, error) {
	return link.AttachTracing(link.TracingOptions{Program: p})
}

func kprobe(function string, p *ebpf.Program) (link.Link, error) {
	return link.Kprobe(function, p, nil)
}

func kprobeMulti(function string, p *ebpf.Program) (link.Link, error) {
	return link.KprobeMulti(p, link.KprobeMultiOptions{Symbols: []string{function}})
}

// attachFunctions returns what attaches the whole rung.
func attachFunctions(one attachFunction) func(*ebpf.Collection) ([]link.Link, error) {
	return func(programs *ebpf.Collection) ([]link.Link, error) {
		links, err := attachTracing(programs, functionTracepoints...)
		if err != nil {
			return links, err
		}
		for _, name := range functionHooks {
			p := programs.Programs[name]
			if p == nil {
				continue // not needed here
			}
			l, err := one(name, p)
			if err != nil {
				return links, fmt.Errorf("attach to %s: %w", name, err)
			}
			links = append(links, l)
		}
		return links, nil
	}
}
