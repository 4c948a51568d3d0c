package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// highest is the nice value of the highest priority of normal scheduling.
const highest = -20

// raisePriority gives every thread of this program the highest priority of normal scheduling;
// what threads start later inherit it. With CONFIG_SCHED_AUTOGROUP that counts within the
// terminal session alone, so the session gets it too. It returns what takes it back.
func raisePriority() (restore func(), err error) {
	old := threadPriorities()
	session, sessionErr := raiseSession()
	restore = func() {
		session()
		for tid := range threadPriorities() {
			nice, known := old[tid]
			if !known {
				nice = old[os.Getpid()]
			}
			_ = setNice(tid, nice)
		}
	}
	for tid := range old {
		// A thread may have ended since.
		if err := setNice(tid, highest); err != nil && !errors.Is(err, unix.ESRCH) {
			return restore, fmt.Errorf("%w (CAP_SYS_NICE)", err)
		}
	}
	return restore, sessionErr
}

// autogroup is "/autogroup-16 nice 0": proc_sched_autogroup_show_task of
// kernel/sched/autogroup.c.
const autogroup = "/proc/self/autogroup"

// raiseSession raises the scheduler's automatic group of this session. It returns what takes it
// back. Where there is no such group it does nothing.
func raiseSession() (restore func(), err error) {
	text, err := os.ReadFile(autogroup)
	fields := strings.Fields(string(text))
	if err != nil || len(fields) != 3 || strings.TrimSpace(readLine("/proc/sys/kernel/sched_autogroup_enabled")) != "1" {
		return func() {}, nil
	}
	if err := os.WriteFile(autogroup, []byte(strconv.Itoa(highest)), 0); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return func() {}, nil
		}
		return func() {}, fmt.Errorf("%w (CAP_SYS_NICE)", err)
	}
	return func() { _ = os.WriteFile(autogroup, []byte(fields[2]), 0) }, nil
}

// threadPriorities returns the nice values of this program's threads.
func threadPriorities() map[int]int {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	nice := make(map[int]int, len(entries))
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// The system call returns 20 less the nice value, to have no negative numbers.
		if kernel, err := unix.Getpriority(unix.PRIO_PROCESS, tid); err == nil {
			nice[tid] = 20 - kernel
		}
	}
	return nice
}

func setNice(tid, nice int) error { return unix.Setpriority(unix.PRIO_PROCESS, tid, nice) }
