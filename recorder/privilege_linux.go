package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kept are the capabilities that a recording goes on needing: to look at the processes of
// others, and to use the programs that are loaded. Each may be without effect, or missing
// from the start.
var kept = [...]uint{
	unix.CAP_SYS_PTRACE,         // /proc/PID/maps of others
	unix.CAP_CHECKPOINT_RESTORE, // /proc/PID/map_files, for build IDs
	unix.CAP_DAC_READ_SEARCH,    // files of others, for build IDs
	unix.CAP_BPF,                // marks, listings
	unix.CAP_PERFMON,            // the same, before they were told apart from CAP_SYS_ADMIN
	unix.CAP_SYS_NICE,           // to take the priority back
	unix.CAP_KILL,               // signals for a command of another user
}

// dropCapabilities gives up everything else, in all threads: _LINUX_CAPABILITY_VERSION_3 of
// include/uapi/linux/capability.h.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have, want [2]unix.CapUserData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	for _, c := range kept {
		bit := uint32(1) << (c % 32)
		want[c/32].Permitted |= have[c/32].Permitted & bit
		want[c/32].Effective |= have[c/32].Effective & bit
	}
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&want[0])), 0); errno == unix.ENOTSUP {
		return errors.New("this program is built with cgo, whose threads cannot be made to; CGO_ENABLED=0 builds one that can")
	} else if errno != 0 {
		return fmt.Errorf("give up capabilities: %w", errno)
	}
	return nil
}

// lackingForBPF names the capabilities that loading programs takes, since Linux 5.8, and that
// this program has not got. CAP_SYS_ADMIN does for both.
func lackingForBPF() []string {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	if unix.Capget(&header, &have[0]) != nil {
		return nil
	}
	has := func(c uint) bool { return have[c/32].Effective&(1<<(c%32)) != 0 }
	if has(unix.CAP_SYS_ADMIN) {
		return nil
	}
	var names []string
	if !has(unix.CAP_BPF) {
		names = append(names, "CAP_BPF")
	}
	if !has(unix.CAP_PERFMON) {
		names = append(names, "CAP_PERFMON")
	}
	return names
}

// explain adds to an error of bpfmmap what it takes.
func explain(err error) error {
	lacking := lackingForBPF()
	switch {
	case !errors.Is(err, fs.ErrPermission):
		return err
	case len(lacking) > 0:
		return fmt.Errorf("%w; it takes %s to load the programs: run as root or grant that; a snapshot alone takes none", err, strings.Join(lacking, " and "))
	}
	return fmt.Errorf("%w: refused by this kernel's policy; a snapshot alone needs no BPF", err)
}
