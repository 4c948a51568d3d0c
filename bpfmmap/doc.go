// Package bpfmmap follows the changes of address spaces with eBPF.
//
// A Follower attaches programs to the kernel and reads what they say, as Events: which
// executable file mappings there are in a range of an address space (TypeState), and how
// processes come to be, execute and end. An Iterator walks all address spaces once. Support
// finds out what this kernel and these privileges allow, by loading programs that do nothing,
// because versions and configurations say too little (distributions backport, and a policy may
// refuse what the kernel has).
//
// # Statements
//
// A TypeState says what is mapped in a range, absolutely: nobody needs to know what was there
// before. It is reserved in the ring buffer while it is true, and events are read in the order
// of reservation, over all CPUs. So the order of events is the order of truth, and times are
// labels. A later statement about a range replaces the earlier. Statements are about address
// spaces (Event.MM); TypeFork, TypeExec, TypeTask and TypeAdopt say which process has which, and
// TypeEnd that there is one less.
//
// What a statement is about is what the kernel calls a VMA with VM_EXEC and a file. Splits and
// merges are told or not; they change nothing.
//
// # Files
//
// Events name files by a fingerprint over identity and path. TypeFile describes a file before
// it is referred to first, with the path that PROCMAP_QUERY would print to this program at that
// moment. A file that is renamed has another fingerprint from then on; what was said about it
// before is not said again. Whether it is deleted is told with each VMA, as of then.
//
// # Losses
//
// Nothing is lost silently. A full ring buffer, an address space that does not hold still, a map
// without room and a program that the kernel skipped are counted: see Follower.Losses, and
// Follower.PollMisses for the last. TypeDirty names the range where one is known. Whoever
// finds a counter risen has to look at the address spaces anew.
//
// # Hooks
//
// There are several ways to hook into the kernel, which make the same statements: see Hooks.
// HooksKprobe and HooksFentry look at the functions that change a VMA, inside of the lock;
// fentry misses calls on kernels that preempt inside of the kernel, which is counted.
// HooksTracepoint walks the range that a system call was about at its end, by the open-coded
// task_vma iterator; it requires Linux 6.7 and nothing but BTF. What the kernel maps by itself
// outside of system calls about mappings, exec and fork is not seen by it: nothing executable is
// known to be mapped so. docs/following.md has the whole list.
//
// Programs are committed in compiled form (objects); bpf/build.sh makes them. There are programs
// for amd64 and arm64; those for arm64 have not been run.
package bpfmmap
