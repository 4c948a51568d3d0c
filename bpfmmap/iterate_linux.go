package bpfmmap

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Iterator walks the address spaces of all processes at once, by the kernel's own task_vma
// iterator.
type Iterator struct {
	mu       sync.Mutex // one walk at a time: the program keeps what it has told of files
	programs *ebpf.Collection
	link     *link.Iter
	epoch    uint32
	buf      []byte
	closed   atomic.Bool
}

// iteratorBuffer holds what one read gives: the kernel's own buffer has 8 pages.
const iteratorBuffer = 1 << 18

// OpenIterator loads the iterator. An error is ErrNotSupported or fs.ErrPermission where it says
// so. Requires at least Linux 5.17, CAP_BPF and CAP_PERFMON.
func OpenIterator() (*Iterator, error) {
	defer raiseMemlock()()
	var it *Iterator
	k, err := thisKernel()
	if err == nil && k.hasFunction("bpf_rdonly_cast") {
		it, err = openIterator(k, iterObject)
	} else if err == nil {
		it, err = openIterator(k, iterUntypedObject)
	}
	if errors.Is(err, fs.ErrPermission) {
		err = fs.ErrPermission // without advice about RLIMIT_MEMLOCK
	}
	if err != nil {
		return nil, fmt.Errorf("load task_vma iterator: %w", lacking(err))
	}
	return it, nil
}

func openIterator(k *kernel, object []byte) (*Iterator, error) {
	spec, err := parseObject(object)
	if err != nil {
		return nil, err
	}
	err = setVariables(spec, map[string]any{
		"backing_mode": k.backingMode(),
		"page_shift":   uint32(bits.TrailingZeros(uint(os.Getpagesize()))),
	})
	if err != nil {
		return nil, err
	}
	programs, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		Programs: ebpf.ProgramOptions{KernelTypes: k.types},
	})
	if err != nil {
		return nil, err
	}
	it := &Iterator{programs: programs, buf: make([]byte, iteratorBuffer)}
	_, err = programs.Programs["note_root"].Run(nil)
	if err == nil {
		it.link, err = link.AttachIter(link.IterOptions{Program: programs.Programs["walk_vma"]})
	}
	if err != nil {
		programs.Close()
		return nil, err
	}
	return it, nil
}

// All walks every process of this program's pid namespace and calls each for every executable
// VMA: with the process, the thread through which it was found (the first, unless that has
// ended), the address space as in Event.MM, the VMA and its file, nil if it has none. Both are
// valid until each returns. All of a process comes in a row, ascending, unless the process changes.
//
// A walk is not a snapshot, as with procmap: the kernel gives way to others between two VMAs.
// A process that shares its address space with others is told like every other.
func (it *Iterator) All(each func(pid, tid uint32, mm uint64, v *VMA, f *File) error) error {
	it.mu.Lock()
	defer func() {
		it.mu.Unlock()
		if it.closed.Load() {
			_ = it.Close() // which did not wait
		}
	}()
	if it.closed.Load() {
		return fmt.Errorf("walk all processes: %w", os.ErrClosed)
	}
	if err := it.walk(each); err != nil {
		return fmt.Errorf("walk all processes: %w", err)
	}
	return nil
}

// Close unloads the iterator: at the end of the walk, if there is one, for which it does not
// wait, since a walk may wait for the lock of somebody else's address space. A second call
// does nothing.
func (it *Iterator) Close() error {
	it.closed.Store(true)
	if !it.mu.TryLock() {
		return nil
	}
	defer it.mu.Unlock()
	if it.link == nil {
		return nil
	}
	err := it.link.Close()
	it.link = nil
	it.programs.Close()
	return err
}

func (it *Iterator) walk(each func(pid, tid uint32, mm uint64, v *VMA, f *File) error) error {
	it.epoch++
	if err := it.programs.Variables["epoch"].Set(it.epoch); err != nil {
		return err
	}
	r, err := it.link.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	p := iteration{each: each, files: make(map[uint64]*File), threads: make(map[uint32]uint32)}
	have := 0
	for {
		n, err := r.Read(it.buf[have:])
		have += n
		used, takeErr := p.take(it.buf[:have])
		if takeErr != nil {
			return takeErr
		}
		have = copy(it.buf, it.buf[used:have])
		switch {
		case errors.Is(err, io.EOF) && have == 0:
			return nil
		case errors.Is(err, io.EOF):
			return errEvent
		case err != nil && !errors.Is(err, unix.EAGAIN): // a million objects without output
			return err
		}
	}
}

// iteration is one walk.
type iteration struct {
	each    func(pid, tid uint32, mm uint64, v *VMA, f *File) error
	ev      Event
	files   map[uint64]*File
	threads map[uint32]uint32 // of processes without a first thread: the one that is told
}

// take consumes the whole records at the start of b and returns their length. A record is a
// TypeState event, followed by a TypeFile event of the length that the former's last word says.
func (p *iteration) take(b []byte) (used int, err error) {
	for len(b)-used >= sizeState+sizeVMA {
		record := b[used:]
		describes := int(order.Uint32(record[sizeState-4:]))
		size := sizeState + sizeVMA + describes
		if describes < 0 || size > iteratorBuffer {
			return used, errEvent
		}
		if len(record) < size {
			break
		}
		if describes != 0 {
			if err := decode(record[sizeState+sizeVMA:size], &p.ev); err != nil {
				return used, err
			}
			file := p.ev.File
			p.files[file.ID] = &file
		}
		if err := decode(record[:sizeState+sizeVMA], &p.ev); err != nil {
			return used, err
		}
		if err := p.tell(); err != nil {
			return used, err
		}
		used += size
	}
	return used, nil
}

func (p *iteration) tell() error {
	ev := &p.ev
	if len(ev.VMAs) != 1 {
		return errEvent
	}
	if ev.TID != ev.PID {
		if tid, known := p.threads[ev.PID]; known && tid != ev.TID {
			return nil
		}
		p.threads[ev.PID] = ev.TID
	}
	v := &ev.VMAs[0]
	file := p.files[v.File]
	if file == nil && v.File != 0 {
		return errEvent
	}
	return p.each(ev.PID, ev.TID, ev.MM, v, file)
}
