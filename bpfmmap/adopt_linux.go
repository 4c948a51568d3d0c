package bpfmmap

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// enum choice of bpf/emit.h.
const (
	chosenSince = 1
	chosenNew   = 2
)

// errAll is for who asks for some processes although all are followed.
var errAll = errors.New("all processes are followed: Options.Some is not set")

// Adopt follows these processes and those that they will fork. Each puts TypeAdopt into the
// ring. It is called after Attach. The error of one that does not exist is ESRCH; the others
// are followed nevertheless.
//
// Where a process shares its address space with one that is not followed, what the other
// changes is not seen. Children of vfork are the usual case, and are followed with it.
func (f *Follower) Adopt(pids ...int) error {
	if !f.some {
		return fmt.Errorf("adopt processes: %w", errAll)
	}
	done, err := f.using()
	if err != nil {
		return fmt.Errorf("adopt processes: %w", err)
	}
	defer done()
	f.listing.Lock()
	defer f.listing.Unlock()
	for _, pid := range pids {
		// One that is followed already is told about again.
		if err := f.chosen.Update(uint32(pid), uint8(chosenNew), ebpf.UpdateAny); err != nil {
			return fmt.Errorf("adopt process %d: %w", pid, err)
		}
	}
	if err := runIterator(f.adopt); err != nil {
		return fmt.Errorf("adopt processes: %w", err)
	}
	var errs []error
	for _, pid := range pids {
		var choice uint8
		if err := f.chosen.Lookup(uint32(pid), &choice); err != nil {
			continue // it has ended meanwhile
		}
		if choice == chosenNew {
			_ = f.chosen.Delete(uint32(pid)) // gone is gone
			errs = append(errs, fmt.Errorf("adopt process %d: %w", pid, unix.ESRCH))
		}
	}
	return errors.Join(errs...)
}

// AdoptCgroup follows every process of that cgroup v2 directory and of those below: who is in
// it, and who is moved or forked into it. It is called after Attach, and once. Who leaves it is
// followed on.
func (f *Follower) AdoptCgroup(path string) error {
	if !f.some {
		return fmt.Errorf("adopt cgroup: %w", errAll)
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return fmt.Errorf("adopt cgroup: %w", &fs.PathError{Op: "statfs", Path: path, Err: err})
	}
	if int64(stat.Type) != unix.CGROUP2_SUPER_MAGIC {
		return fmt.Errorf("adopt cgroup %s: not a directory of cgroup v2", path)
	}
	info := new(unix.Stat_t)
	if err := unix.Stat(path, info); err != nil {
		return fmt.Errorf("adopt cgroup: %w", &fs.PathError{Op: "stat", Path: path, Err: err})
	}
	// From now on who comes is followed, so nobody slips between.
	if err := f.programs.Variables["chosen_cgroup"].Set(info.Ino); err != nil {
		return fmt.Errorf("adopt cgroup: %w", err)
	}
	pids, err := cgroupProcesses(path)
	if err != nil {
		return fmt.Errorf("adopt cgroup: %w", err)
	}
	if err := f.Adopt(pids...); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// cgroupProcesses lists who is in a cgroup and those below it.
func cgroupProcesses(root string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			if path != root && errors.Is(err, fs.ErrNotExist) {
				return nil // removed meanwhile, so empty
			}
			return err
		}
		here, err := readProcs(filepath.Join(path, "cgroup.procs"))
		pids = append(pids, here...)
		return err
	})
	return pids, err
}

// readProcs reads a cgroup.procs. One that is gone is empty; a threaded cgroup's cannot be
// read, and its processes are in a cgroup above.
func readProcs(path string) ([]int, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var pids []int
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			return pids, fmt.Errorf("read %s: %w", path, err)
		}
		if pid != 0 { // of a process that this pid namespace does not see
			pids = append(pids, pid)
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENODEV) {
		return pids, err
	}
	return pids, nil
}
