package bpfmmap

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// rung is one way to hook into the kernel. All of them make the same statements.
type rung struct {
	hooks Hooks
	name  string // in errors: there may be several rungs for the same hooks
	// caution says why HooksAuto leaves the rung out on this kernel, or "". Whoever asks for
	// the rung gets it as a note. May be nil.
	caution func(*kernel) string
	// spec returns the programs that are fit for this kernel. An error says why there are none.
	spec func(*kernel) (*ebpf.CollectionSpec, error)
	// attach attaches all programs that hook; what an error leaves attached is in the links.
	attach func(*ebpf.Collection) ([]link.Link, error)
}

// ladder is all rungs, the best first.
var ladder = append(functionRungs, tracepointRung)

// choose returns the rungs that may be tried for hooks.
func choose(hooks Hooks) []rung {
	if hooks == HooksAuto {
		return ladder
	}
	var found []rung
	for _, r := range ladder {
		if r.hooks == hooks {
			found = append(found, r)
		}
	}
	return found
}

// climb loads the best rung for o.
func climb(o Options) (*ebpf.Collection, rung, []string, error) {
	k, err := thisKernel()
	if err != nil {
		return nil, rung{}, nil, lacking(err)
	}
	var why []error
	for _, r := range choose(o.Hooks) {
		var notes []string
		if r.caution != nil {
			if caution := r.caution(k); caution != "" && o.Hooks == HooksAuto {
				why = append(why, fmt.Errorf("%s: not chosen: %s", r.name, caution))
				continue
			} else if caution != "" {
				notes = append(notes, r.name+": "+caution)
			}
		}
		programs, err := load(k, r, o)
		if err == nil {
			return programs, r, notes, nil
		}
		why = append(why, fmt.Errorf("%s: %w", r.name, lacking(err)))
	}
	if len(why) == 0 {
		why = append(why, fmt.Errorf("%s: %w", o.Hooks, ErrNotSupported))
	}
	return nil, rung{}, nil, fmt.Errorf("load hooks: %w", reasons(why))
}

// reasons is why nothing can be done, in one line.
type reasons []error

func (r reasons) Error() string {
	var b strings.Builder
	for i, err := range r {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

func (r reasons) Unwrap() []error { return r }

// lacking says of an error that something is not there that it is not supported.
func lacking(err error) error {
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrNotSupported) {
		return fmt.Errorf("%w: %w", ErrNotSupported, err)
	}
	return err
}

// load loads the rung's programs, with what they have to know.
func load(k *kernel, r rung, o Options) (*ebpf.Collection, error) {
	spec, err := r.spec(k)
	if err != nil {
		return nil, err
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count CPUs: %w", err)
	}
	size := ringSize(o.RingSize)
	spec.Maps["events"].MaxEntries = size
	spec.Maps["losses"].MaxEntries = uint32(cpus)
	err = setVariables(spec, map[string]any{
		"some":             boolByte(o.Some),
		"wake_bytes":       uint64(size / 8),
		"backing_mode":     k.backingMode(),
		"group_dead_known": boolByte(k.traceArgs("sched_process_exit") > 1), // Linux 6.16
	})
	if err != nil {
		return nil, err
	}
	programs, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		Programs: ebpf.ProgramOptions{KernelTypes: k.types},
	})
	if errors.Is(err, fs.ErrPermission) {
		err = fs.ErrPermission // without advice about RLIMIT_MEMLOCK, which Open has raised
	}
	if err != nil {
		return nil, fmt.Errorf("load programs: %w", err)
	}
	return programs, nil
}

// ringSize rounds up to what the kernel takes: a power of two of at least a page.
func ringSize(bytes int) uint32 {
	if bytes <= 0 {
		bytes = DefaultRingSize
	}
	size := uint32(os.Getpagesize())
	for int64(size) < int64(bytes) && size < 1<<30 {
		size *= 2
	}
	return size
}

func boolByte(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// parseObject reads a compiled object.
func parseObject(object []byte) (*ebpf.CollectionSpec, error) {
	if len(object) == 0 {
		return nil, fmt.Errorf("find programs for %s: %w", runtime.GOARCH, ErrNotSupported)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("read programs: %w", err)
	}
	return spec, nil
}

// attachTracing attaches the tp_btf, fentry and fexit programs of those names, in this order.
func attachTracing(programs *ebpf.Collection, names ...string) ([]link.Link, error) {
	var links []link.Link
	for _, name := range names {
		l, err := link.AttachTracing(link.TracingOptions{Program: programs.Programs[name]})
		if err != nil {
			return links, fmt.Errorf("attach %s: %w", name, err)
		}
		links = append(links, l)
	}
	return links, nil
}
