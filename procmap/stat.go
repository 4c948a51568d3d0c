package procmap

import (
	"bytes"
	"errors"
)

// MMKey is a fingerprint of an address space: the numbers that execve(2) lays out at
// random and /proc/PID/stat shows. Processes that share an address space have equal keys;
// so have a parent and its forked child, so equality is a hint, not a proof.
//
// A key that changes between two readings tells of an execve in between (or of
// prctl(PR_SET_MM)). One that stays does not prove the opposite where address space
// randomization is off.
//
// Keys can be compared and used in a map; the numbers behind them are not for callers.
//
// The zero value means that there is no address space, or that the reader may not know:
// the kernel shows the numbers to those who may read the process's memory map alone
// (PTRACE_MODE_READ).
type MMKey struct {
	// Addresses, as stat has them: start_code, end_code and start_stack, then start_data,
	// end_data, start_brk, arg_start, arg_end, env_start and env_end.
	addrs [10]uint64
}

// userHZ is the unit of the times in /proc/PID/stat, in ticks per second. It is part of
// the kernel's ABI and 100 on every architecture that Go supports (USER_HZ of
// include/asm-generic/param.h); the auxiliary vector's AT_CLKTCK says the same.
const userHZ = 100

// stat is what is used of /proc/PID/stat.
type stat struct {
	comm     []byte // aliases what was parsed
	state    byte
	ppid     int
	flags    uint64 // PF_* of include/linux/sched.h
	threads  int
	start    uint64 // CLOCK_BOOTTIME, ns
	mm       MMKey
	mmDenied bool
}

// pfKthread is PF_KTHREAD of include/linux/sched.h: a kernel thread.
const pfKthread = 0x00200000

var errBadStat = errors.New("malformed stat")

// parseStat parses the line of /proc/PID/stat. The name in it is raw: it may contain
// blanks, newlines and brackets, so that only the last bracket of the line ends it.
func parseStat(b []byte) (stat, error) {
	var st stat
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || len(b) < end+3 || b[end+1] != ' ' {
		return st, errBadStat
	}
	st.comm = b[open+1 : end]
	st.state = b[end+2]
	b = b[end+3:]
	last := 3 // the number of the field before b, counted from 1 as in proc(5)
	for {
		v, rest, ok := nextNumber(b)
		if !ok {
			break
		}
		b = rest
		last++
		switch last {
		case 4:
			st.ppid = int(v)
		case 9:
			st.flags = v
		case 20:
			st.threads = int(v)
		case 22:
			st.start = v * (1e9 / userHZ)
		case 26, 27, 28:
			st.mm.addrs[last-26] = v
		case 45, 46, 47, 48, 49, 50, 51:
			st.mm.addrs[last-45+3] = v
		}
	}
	if last < 51 { // Linux 3.5
		return st, errBadStat
	}
	// Code from 1 to 1 stands for "there is an address space, but not for you".
	if st.mm.addrs[0] == 1 && st.mm.addrs[1] == 1 {
		st.mm, st.mmDenied = MMKey{}, true
	}
	return st, nil
}

// nextNumber parses a decimal number with blanks before it. A minus sign is skipped: no
// number that is used can be negative.
func nextNumber(b []byte) (v uint64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '-') {
		i++
	}
	first := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		v = v*10 + uint64(b[i]-'0')
	}
	return v, b[i:], i > first
}

// deadState reports whether a state letter means that the task has exited.
func deadState(c byte) bool { return c == 'Z' || c == 'X' || c == 'x' }
