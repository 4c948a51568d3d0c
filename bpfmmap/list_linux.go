package bpfmmap

import (
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Mark puts TypeMark with this ID into the ring. It fails with ENOSPC if the ring is full.
func (f *Follower) Mark(id uint64) error {
	done, err := f.using()
	if err != nil {
		return fmt.Errorf("mark ring buffer: %w", err)
	}
	defer done()
	status, err := f.programs.Programs["mark"].Run(&ebpf.RunOptions{Context: struct{ ID uint64 }{id}})
	if err == nil && status != 0 {
		err = unix.ENOSPC
	}
	if err != nil {
		return fmt.Errorf("mark ring buffer: %w", err)
	}
	return nil
}

// List puts all processes into the ring, or with Options.Some those that are followed:
// TypeTasks, then TypeTask for each, with the address space and a thread that has it, then
// TypeTasks with Last. A process may be told twice if its first thread has ended. One whose
// TypeFork or TypeExec comes between is told too, maybe with what it was before: those know
// better. It fails with ENOSPC if the ring had no room for all of it. Requires at least Linux
// 5.8.
func (f *Follower) List(id uint64) error {
	done, err := f.using()
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	defer done()
	f.listing.Lock()
	defer f.listing.Unlock()
	if err := f.programs.Variables["listing"].Set(id); err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	if err := runIterator(f.list); err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	return nil
}

// runIterator lets a program go over all tasks. The program writes only to complain that the
// ring is full.
func runIterator(it *link.Iter) error {
	r, err := it.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if err == nil && n != 0 {
		err = unix.ENOSPC
	}
	return err
}
