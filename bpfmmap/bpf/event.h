/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What goes through the ring buffer: the one definition that C and Go share. The structs of
 * ../event.go mirror these; a test holds them against the BTF of the compiled objects.
 *
 * Every event is reserved while what it says is true, so that the order of the ring is the order
 * of truth. Times are labels, taken before the reservation: made not to decrease in the order of the
 * ring, none is later than its own reservation.
 *
 * All numbers are in the byte order of the machine; sizes are multiples of 8.
 */
#ifndef VMASNAP_EVENT_H
#define VMASNAP_EVENT_H

enum event_type {
	EVENT_STATE = 1, /* what is mapped in a range of an address space: event_state */
	EVENT_FILE,	 /* a file that later events refer to: event_file */
	EVENT_FORK,	 /* a task came to be: event_fork */
	EVENT_EXEC,	 /* a process has a new, empty address space: event_exec */
	EVENT_EXIT,	 /* a thread ended: event_exit */
	EVENT_COMM,	 /* a thread got a new name: event_comm */
	EVENT_END,	 /* an address space ended; its key may be used again: event_head */
	EVENT_DIRTY,	 /* a statement about an address space was lost: event_dirty */
	EVENT_MARK,	 /* user space asked where the ring is: event_mark */
	EVENT_TASKS,	 /* tasks are listed: the first and the last of a listing: event_mark */
	EVENT_TASK,	 /* a process that was there already: event_head */
	EVENT_ADOPT,	 /* a process that was there already is followed from now on: event_head */
};

/* event_head is what every event starts with. */
struct event_head {
	__u64 time; /* CLOCK_MONOTONIC, ns */
	__u64 mm;   /* the address space: an opaque key that must not leave the recorder; 0 = none */
	__u32 pid;  /* thread group; of FORK the new one's */
	__u32 tid;
	enum event_type type;
	__u32 zero;
};

/* event_vma is one VMA that the recording covers. */
struct event_vma {
	__u64 start, end; /* addresses, not clipped to the range of the statement */
	__u64 offset;	  /* of start in the file, bytes */
	__u64 file;	  /* the file's id, as in an earlier event_file */
	__u32 prot;	  /* PROT_* */
	__u32 flags;	  /* enum vma_flag */
};

enum vma_flag {
	VMA_SHARED = 1 << 0,
	VMA_DELETED = 1 << 1, /* the file is not linked at its name any more */
	VMA_KERNEL = 1 << 2,  /* no file: code of the kernel, such as [vdso]; of the iterator alone */
};

/* event_state says that in [start, end) of mm exactly these VMAs are mapped, of all that the
 * recording covers. It carries count of them, in ascending order. A whole address space ends at
 * 1 << 63. */
struct event_state {
	struct event_head head;
	__u64 start, end;
	__u32 count;
	__u32 zero;
	struct event_vma vmas[];
};

enum file_kind {
	FILE_NORMAL = 0,
	FILE_PSEUDO,	/* memfd, shared memory: one component, and always "(deleted)" */
	FILE_ANON,	/* anonymous inode: one component, the name in "anon_inode:" */
	FILE_TRUNCATED, /* deeper or longer than the walk goes: the path is not known */
};

/* event_file describes a file. Its id is a fingerprint over its identity and every name on the
 * way to the root: a file that was renamed, or whose directory was, has a new one. Bit 0 is never set. The path
 * follows as components, leaf first, each ended by a NUL, length bytes together; the record is
 * padded to 8 bytes. */
struct event_file {
	struct event_head head;
	__u64 file;
	__u64 inode;
	__u32 generation;
	__u32 device; /* as the kernel has it: major << 20 | minor */
	__u32 length;
	enum file_kind kind;
	char components[];
};

/* event_fork: the new task's mm is head.mm; the same as the parent's with CLONE_VM. What a new
 * address space holds is told by event_state before or after it. */
struct event_fork {
	struct event_head head;
	__u64 start;	   /* CLOCK_BOOTTIME, ns */
	__u64 clone_flags; /* clone(2) */
	__u32 parent_pid;  /* thread group of the task that forked */
	__u32 parent_tid;
	char comm[16];
};

/* event_exec: head.mm is the new address space. Statements about it follow. */
struct event_exec {
	struct event_head head;
	__u64 exe;	/* id of the executable; 0 = unknown */
	__u32 exe_flags; /* enum vma_flag: VMA_DELETED */
	__u32 old_tid;	/* the thread that called execve; 0 = unknown */
	char comm[16];	/* as far as it is known yet; empty = not */
};

struct event_exit {
	struct event_head head;
	__u32 code;  /* wait(2) status; meaningful with group */
	__u32 group; /* 1: the last thread */
};

struct event_comm {
	struct event_head head;
	char comm[16];
};

/* loss_reason: the doors through which statements get lost. Counted per CPU in losses. */
enum loss_reason {
	LOSS_RING,  /* the ring buffer was full */
	LOSS_LOCK,  /* an address space did not hold still, or its lock was not to be had */
	LOSS_MAP,   /* a BPF map had no room */
	LOSS_TORN,  /* a walk failed in the middle, or could not begin */
	LOSS_REASONS,
};

/* event_dirty: what is mapped in [start, end) of mm is not known. */
struct event_dirty {
	struct event_head head;
	__u64 start, end;
	enum loss_reason reason;
	__u32 zero;
};

/* event_mark carries what user space gave. Of EVENT_TASKS id is the number of the listing and
 * last says which end. */
struct event_mark {
	struct event_head head;
	__u64 id;
	__u32 last;
	__u32 zero;
};

/* any_event names them all. */
union any_event {
	struct event_head head;
	struct event_state state;
	struct event_vma vma;
	struct event_file file;
	struct event_fork fork;
	struct event_exec exec;
	struct event_exit exit;
	struct event_comm comm;
	struct event_dirty dirty;
	struct event_mark mark;
	enum vma_flag flag;
};

#endif
