// Package procmap tells what is mapped in one process right now.
//
// A Maps walks the virtual memory areas (VMAs) of an address space with Next, or answers
// for one address with Find. It asks the kernel with the ioctl PROCMAP_QUERY: one system
// call for one VMA, with filters applied, the name unescaped, and the file's build ID on
// request. Where there is no such ioctl it reads the text of /proc/PID/maps instead, and
// delivers the same VMAs. Nothing is allocated for a VMA.
//
// # Kernels
//
// The ioctl requires at least Linux 6.11, the text any Linux. Build IDs are asked for
// with the ioctl only: 6.11 reads no more than the first page of a file, and only if it is
// cached, so they are sound from 6.12 on. The kernel looks for a build ID in the PT_NOTE segments, where
// internally linked Go programs have none.
//
// Two bugs of kernels concern build IDs. Up to 6.18 they are read with a lock on the address
// space held, which can deadlock against a file system that faults in user memory
// (CVE-2026-23199). The first form of its fix drops a reference too many if the buffer for the
// build ID is too small; this package's buffer never is. Distributions port both to older
// versions. Without Options.BuildID and Maps.BuildID neither can happen.
//
// # Privileges
//
// Opening /proc/PID/maps needs the right to read the process's state, PTRACE_MODE_READ of
// ptrace(2): same user and dumpable, or CAP_SYS_PTRACE. Nothing is checked afterwards: a
// descriptor can be handed to a process without privileges, which uses FromFile. It
// stays tied to the address space, not to the process: once the process executes another
// program, answers are ErrGone, or, if a further process shares the old address space, go on
// being about that.
//
// # Not a snapshot
//
// Each VMA is consistent in itself, a walk of many is not: the process runs on. Next asks
// for the first VMA that ends after the previous one's end. What stays mapped throughout the
// walk is delivered, but with changes going on
//
//   - a VMA that is mapped, unmapped or moved during the walk may be missed, and one that
//     moves upwards may be seen twice;
//   - a VMA that grew downwards over the previous one, by a merge, is delivered whole: its
//     Start may be below the previous End. The later one of two that overlap is the truth;
//   - what is executable only for part of the walk may be missed or seen.
//
// The text is worse: the kernel produces it a page at a time and, since it does so without
// the address space's lock (seen on Linux 6.18), can leave out a VMA that merges meanwhile.
//
// When the address space disappears, the ioctl says so. The text just ends, unless the process
// has been waited for already. The text source therefore reads once more at the end: Next
// returns io.EOF if the address space still exists after the last line, and ErrGone if not, as
// the ioctl source does. With a Parser over other input, callers see to that themselves.
//
// # Names
//
// Paths are relative to the reader's root directory and mount namespace, not the process's, and
// are what the kernel knows: the file may be another one by now. Without a common root the
// path says little; compare device and inode.
//
// The kernel gives the ioctl no name of PATH_MAX (4096) bytes or more, which nested directories
// can produce, but prints it in the text. Such names are fetched from there, so the walk
// neither ends nor skips. If that fails too, VMA.NameUnknown is set.
//
// In the text a newline is written as \012 and a backslash is not escaped. The text source
// decodes \012, so a name that contains these four characters comes out with a newline; the
// ioctl source has no such ambiguity. Neither source can tell a deleted file from one whose
// name ends in " (deleted)".
//
// The gate area of x86, [vsyscall], is part of no address space. It appears in the text only,
// and a Maps leaves it out of both sources. A Parser delivers it.
package procmap
