package bpfmmap

import (
	"fmt"
	"math/bits"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// tracepointRung is bpf/tracepoint.bpf.c. Requires at least Linux 6.7.
var tracepointRung = rung{
	hooks: HooksTracepoint,
	name:  "tracepoint",
	spec:  tracepointSpec,
	attach: func(programs *ebpf.Collection) ([]link.Link, error) {
		// First what ends, then what changes, last what begins: of a process whose beginning
		// was seen, everything is.
		return attachTracing(programs, "end_space", "exit_task", "rename_task", "move_task", "sys_exit", "exec_task", "new_task")
	},
}

// tracepointSpec tells the two kinds of the iterator apart, by the state that they keep: see
// bpf/space.h.
func tracepointSpec(k *kernel) (*ebpf.CollectionSpec, error) {
	if !k.hasFunction("bpf_iter_task_vma_new") {
		return nil, fmt.Errorf("find the open-coded task_vma iterator (requires Linux 6.7): %w", ErrNotSupported)
	}
	spec, err := parseObject(tracepointObject)
	if err != nil {
		return nil, err
	}
	_, counted := btf.UnderlyingType(k.member("mm_struct", "mm_lock_seq")).(*btf.Struct)
	if k.member("bpf_iter_task_vma_kern_data", "snapshot") != nil && !counted {
		return nil, fmt.Errorf("validate walks (no mm_lock_seq counter): %w", ErrNotSupported)
	}
	return spec, setVariables(spec, map[string]any{
		"validate":   boolByte(counted),
		"page_shift": uint32(bits.TrailingZeros(uint(os.Getpagesize()))),
	})
}
