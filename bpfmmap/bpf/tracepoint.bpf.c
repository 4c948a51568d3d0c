// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The tracepoint rung: every change of an address space is made by a system call, by fork or by
 * exec. At the end of each that may matter, the range it was about is walked. It works where
 * the kernel refuses programs on its functions. Requires Linux 6.7, for the iterator.
 *
 * What it cannot see: what the kernel maps or unmaps by itself outside of these (aio contexts,
 * graphics drivers), which is not executable and backed by a file.
 */
#define TYPED
#include "common.h"

/* log2 of the page size */
const volatile __u32 page_shift = 12;

#include "filter.h"
#include "space.h"
#include "syscalls.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PROT_READ 0x1
#define PROT_EXEC 0x4
#define PROT_GROWSDOWN 0x01000000
#define PROT_GROWSUP 0x02000000
#define MAP_TYPE 0x0f
#define MAP_PRIVATE 0x02
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20
#define MREMAP_FIXED 2
#define SHM_REMAP 040000
#define SHM_EXEC 0100000
#define IPC_SHMAT 21
#define IPC_SHMDT 22

static __always_inline bool failed(__u64 ret)
{
	return ret > -4096ULL;
}

static __always_inline __u64 page_up(__u64 address)
{
	__u64 size = 1ULL << page_shift;

	return (address + size - 1) & -size;
}

static __always_inline __u64 page_down(__u64 address)
{
	return address & -(1ULL << page_shift);
}

/* alone says whether nobody but this thread can change the address space. */
static __always_inline bool alone(void)
{
	struct mm_struct *mm = bpf_get_current_task_btf()->mm;

	return mm && mm->mm_users.counter == 1;
}

static __always_inline int say_all(void)
{
	struct mm_struct *mm = bpf_get_current_task_btf()->mm;

	return mm ? say_whole(SLOT_CALL, 0, mm->brk) : 0;
}

/* say is for what may have put text into [start, end). */
static __always_inline void say(__u64 mm, __u64 start, __u64 end)
{
	if (start >= end)
		return;
	if (matters(mm, start, end) == UNKNOWN)
		say_all();
	else
		say_range(start, end, SLOT_CALL, 0);
}

/* say_gone is for what can only have taken text away. */
static __always_inline void say_gone(__u64 mm, __u64 start, __u64 end)
{
	if (start >= end)
		return;
	switch (matters(mm, start, end)) {
	case UNKNOWN:
		say_all();
		break;
	case MAYBE:
		say_range(start, end, SLOT_CALL, 0);
	}
}

/* executable says whether such a protection ends up executable: some 32-bit programs ask that
 * everything readable is. */
static __always_inline bool executable(__u64 prot)
{
	if (prot & PROT_EXEC)
		return true;
	return prot & PROT_READ && bpf_get_current_task_btf()->personality & READ_IMPLIES_EXEC;
}

/* Without MAP_FIXED the kernel chooses a range in which there is nothing. A call that fails may
 * have emptied the range that it was given. */
static __always_inline void after_mmap(__u64 mm, struct call_args *c, __u64 ret)
{
	bool fixed = c->arg[3] & MAP_FIXED;
	__u64 start = fixed ? c->arg[0] : ret, end;
	/* shared anonymous memory is a file: /dev/zero */
	bool file = !(c->arg[3] & MAP_ANONYMOUS) || (c->arg[3] & MAP_TYPE) != MAP_PRIVATE;

	if (failed(ret) && !fixed)
		return;
	end = page_up(start + c->arg[1]);
	if (file && executable(c->arg[2]))
		say(mm, start, end);
	else if (fixed)
		say_gone(mm, start, end);
}

static __always_inline void after_munmap(__u64 mm, struct call_args *c, __u64 ret)
{
	__u64 start = page_down(c->arg[0]), end = page_up(c->arg[0] + c->arg[1]);
	struct draft *draft;
	__u32 slot = SLOT_CALL;

	if (start >= end)
		return;
	switch (matters(mm, start, end)) {
	case UNKNOWN:
		say_all();
		break;
	case MAYBE:
		draft = bpf_map_lookup_elem(&drafts, &slot);
		if (draft && !ret && alone())
			say_clear(mm, draft->pid, draft->tid, start, end);
		else
			say_range(start, end, SLOT_CALL, 0);
	}
}

/* A call that fails half-way has changed what came before. */
static __always_inline void after_mprotect(__u64 mm, struct call_args *c)
{
	__u64 start = page_down(c->arg[0]), end = page_up(c->arg[0] + c->arg[1]);

	if (c->arg[2] & (PROT_GROWSDOWN | PROT_GROWSUP))
		say_all();
	else if (executable(c->arg[2]))
		say(mm, start, end);
	else
		say_gone(mm, start, end);
}

/* What was moved is gone from the old range, unless it was only duplicated, and is in the new
 * one. The new range is looked at even if the filter knows of no text in the old one: another
 * thread may have put it there a moment ago, and not come to say so. A call that fails may have
 * emptied its target, or have moved some of several VMAs there. */
static __always_inline void after_mremap(__u64 mm, struct call_args *c, __u64 ret)
{
	__u64 old = page_down(c->arg[0]), old_end = page_up(c->arg[0] + c->arg[1]);
	__u64 new = ret, new_end;
	int answer;

	if (old_end <= old)
		old_end = old + (1ULL << page_shift);
	answer = matters(mm, old, old_end);
	if (answer == UNKNOWN) {
		say_all();
		return;
	}
	if (failed(ret)) {
		if (!(c->arg[3] & MREMAP_FIXED)) {
			if (answer == MAYBE)
				say_range(old, old_end, SLOT_CALL, 0);
			return;
		}
		new = c->arg[4];
	}
	new_end = page_up(new + c->arg[2]);
	if (answer == NOTHING && alone()) {
		if (c->arg[3] & MREMAP_FIXED)
			say_gone(mm, new, new_end);
		return;
	}
	if (answer == MAYBE)
		say_range(old, old_end, SLOT_CALL, 0);
	if (new < new_end)
		say_range(new, new_end, SLOT_CALL, 0);
}

/*
 * sys_exit sees the end of every system call of every task, in that task, with no lock held; so
 * another thread's change may come between a call and its statement, which then is about what
 * there is by then. It is there in every kernel with BTF. A thread that is killed in a call
 * comes by here too.
 */
SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct call_args c;
	struct draft *draft;
	__u64 number = call_number(regs), mm;
	__u32 slot = SLOT_CALL;

	c.compat = compat_call(task, regs);
	if (!wanted_call(number, c.compat))
		return 0;
	if (!followed(task->tgid) || !begin(task, slot))
		return 0;
	draft = bpf_map_lookup_elem(&drafts, &slot);
	if (!draft)
		return 0;
	mm = draft->mm;
	read_args(&c, regs);
	switch (which_call(number, c.compat)) {
	case CALL_MMAP:
		after_mmap(mm, &c, ret);
		break;
	case CALL_MUNMAP:
		after_munmap(mm, &c, ret);
		break;
	case CALL_MPROTECT:
		after_mprotect(mm, &c);
		break;
	case CALL_MREMAP:
		after_mremap(mm, &c, ret);
		break;
	case CALL_REMAP:
		say(mm, page_down(c.arg[0]), page_up(c.arg[0] + c.arg[1]));
		break;
	case CALL_BRK:
		say_gone(mm, page_up(ret), page_up(heap_top(mm, ret)));
		break;
	case CALL_SHMAT: /* how long the segment is, is not known here */
		if (c.arg[2] & (SHM_EXEC | SHM_REMAP) || executable(PROT_READ))
			say_all();
		break;
	case CALL_IPC:
		c.arg[0] &= 0xffff; /* a version is above */
		if (c.arg[0] == IPC_SHMAT || c.arg[0] == IPC_SHMDT)
			say_all();
		break;
	case CALL_SHMDT:
	case CALL_WHOLE:
		say_all();
		break;
	case CALL_NONE:
		break;
	}
	return 0;
}

/* task_newtask: see say_fork. The child does not run yet, so what is stated about its space,
 * which leaves out what MADV_DONTFORK does, is exact. */
SEC("tp_btf/task_newtask")
int BPF_PROG(new_task, struct task_struct *child, __u64 clone_flags)
{
	struct mm_struct *mm = child->mm;

	if (say_fork(child, clone_flags) && !(clone_flags & CLONE_VM) && mm && begin(child, SLOT_FORK))
		say_whole(SLOT_FORK, child->pid, mm->brk);
	return 0;
}

/*
 * sched_process_exec(task, old_pid, binprm) fires in the task when the new program is loaded,
 * with no lock held, before it runs. What the loader mapped comes by no system call.
 */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec_task, struct task_struct *task, int old)
{
	__u32 flags = 0, slot = SLOT_EXEC;
	struct mm_struct *mm = task->mm;
	struct event_exec *exec;
	struct draft *draft;
	__u64 exe = 0, now;

	if (!mm || !followed(task->tgid) || !begin(task, slot))
		return 0;
	draft = bpf_map_lookup_elem(&drafts, &slot);
	if (!draft)
		return 0;
	if (mm->exe_file)
		exe = file_id(mm->exe_file, slot, &flags);
	now = bpf_ktime_get_ns();
	exec = reserve(event_exec);
	if (exec) {
		fill_head(&exec->head, now, EVENT_EXEC, draft->mm, draft->pid, draft->tid);
		exec->exe = exe;
		exec->exe_flags = flags;
		exec->old_tid = old;
		__builtin_memcpy(exec->comm, task->comm, sizeof(exec->comm));
		submit(exec);
	}
	say_whole(slot, 0, mm->brk);
	return 0;
}

/* exit_mmap(mm) fires when the last user of an address space is gone, in whoever that is (6.1).
 * Only then can another space have the same address. */
SEC("tp_btf/exit_mmap")
int BPF_PROG(end_space, struct mm_struct *mm)
{
	__u64 key = 0;

	bpf_probe_read_kernel(&key, sizeof(key), &mm);
	if (bpf_map_delete_elem(&spaces, &key) && some)
		return 0; /* not one that is followed */
	say_head(EVENT_END, key, 0, 0, wake_up());
	return 0;
}
