package bpfmmap

import (
	"errors"
	"fmt"
)

// lossLine is the size of a CPU's counters: struct losses of bpf/emit.h.
const lossLine = 64

// Losses calls each for every counter since Open that is not 0. It reads memory that is shared
// with the programs and makes no system call. LossRecursion, of all CPUs together (-1), is as
// PollMisses found it.
func (f *Follower) Losses(each func(cpu int, l Loss, total uint64)) {
	var line [lossLine]byte
	for cpu := range int(f.losses.Size()) / lossLine {
		if _, err := f.losses.ReadAt(line[:], int64(cpu)*lossLine); err != nil {
			return // the size is a multiple of lines: it cannot happen
		}
		for l := range LossRecursion {
			if total := order.Uint64(line[l*8:]); total != 0 {
				each(cpu, l, total)
			}
		}
	}
	if total := f.misses.Load(); total != 0 {
		each(-1, LossRecursion, total)
	}
}

// PollMisses asks the kernel how often it skipped a program, for Losses to tell. It makes a
// system call for each program, so it is for now and then. Requires at least Linux 5.12;
// before, the answer is always 0.
func (f *Follower) PollMisses() error {
	done, err := f.using()
	if err != nil {
		return fmt.Errorf("ask for misses: %w", err)
	}
	defer done()
	var errs []error
	var total uint64
	for name, p := range f.programs.Programs {
		stats, err := p.Stats()
		if err != nil {
			errs = append(errs, fmt.Errorf("ask for misses of %s: %w", name, err))
			continue
		}
		total += stats.RecursionMisses
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	f.misses.Store(total)
	return nil
}
