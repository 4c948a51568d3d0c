// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The function rungs: hooks at the entry of the kernel functions that every change of an address
 * space passes. Their prototypes have not changed since 5.10, except where noted. Compiled
 * twice: with FENTRY for trampolines, and for probes. Requires Linux 6.1.
 *
 * All hooks about VMAs run in the task that makes the change, while it holds mmap_lock for
 * writing (or, having removed VMAs, for reading); that orders the statements about an address
 * space. The space is the VMA's, which may not be current's: see fork.
 */
#include "common.h"
#include "function.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* log2 of the page size */
const volatile __u32 page_shift = 12;

/* 1: a removal is told by what unmap_vmas and free_pgtables enclose; 0: by the VMA's state. */
const volatile __u8 windows = 0;

/* 1: move_page_tables has one argument (6.14). */
const volatile __u8 moves_controlled = 0;

#define SPACE_END (1ULL << 63)

/* Each program that describes files does it in a place of its own. */
enum slot {
	SLOT_MAP,
	SLOT_BOUNDS,
	SLOT_MOVE,
	SLOT_COPY,
	SLOT_EXEC,
};

/* doing is what a task is in the middle of. */
struct doing {
	__u64 text;    /* the VMA that was stated last; it may be gone */
	__u64 stated;  /* a VMA whose bounds did not change since perf_event_mmap stated it */
	__u64 copy;    /* the address space that fork fills */
	__u32 old_tid; /* of a thread that is to become the leader by exec */
	__u8 removing; /* between unmap_vmas and free_pgtables */
	__u8 marked;   /* mprotect takes PROT_EXEC away */
	__u16 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct doing);
} doings SEC(".maps");

/* current_doing returns NULL if there is no memory; that has to be counted. */
static __always_inline struct doing *current_doing(void)
{
	return bpf_task_storage_get(&doings, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline bool current_followed(void)
{
	return followed(bpf_get_current_pid_tgid() >> 32);
}

static __always_inline bool is_text(struct vm_area_struct *vma)
{
	return look(vma, vm_flags) & VM_EXEC && look(vma, vm_file);
}

/* say_vma states a whole VMA, of the task pid_tgid. False has been counted. */
static __always_inline bool say_vma(struct vm_area_struct *vma, __u64 pid_tgid, __u32 slot)
{
	__u64 flags = look(vma, vm_flags);
	struct event_vma v = {
		.start = look(vma, vm_start),
		.end = look(vma, vm_end),
		.offset = (__u64)look(vma, vm_pgoff) << page_shift,
		.prot = flags & (VM_READ | VM_WRITE | VM_EXEC), /* the same bits as PROT_* */
		.flags = flags & VM_MAYSHARE ? VMA_SHARED : 0,
	};

	v.file = file_id(look(vma, vm_file), slot, &v.flags);
	return v.file && say_set((__u64)look(vma, vm_mm), pid_tgid >> 32, pid_tgid, v.start, v.end, &v);
}

/*
 * perf_event_mmap(vma) is called at the end of mmap, when the VMA is in place, maybe merged
 * with its neighbours, and of mprotect, when it has its new protection; also for stacks and
 * heaps, which are no files. Not by munmap, mremap, fork and exit.
 */
HOOK(perf_event_mmap)
{
	struct vm_area_struct *vma = (void *)argument(0);
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct doing *doing;

	if (!look(vma, vm_file) || !current_followed())
		return 0;
	doing = current_doing();
	if (!doing)
		lose(LOSS_MAP);
	if (is_text(vma)) {
		if (doing)
			doing->text = doing->stated = (__u64)vma;
		say_vma(vma, pid_tgid, SLOT_MAP);
	} else if (!doing || doing->marked) {
		if (doing)
			doing->marked = 0;
		say_clear((__u64)look(vma, vm_mm), pid_tgid >> 32, pid_tgid, look(vma, vm_start), look(vma, vm_end));
	}
	return 0;
}

/*
 * security_file_mprotect(vma, reqprot, prot) is called by mprotect for each VMA before it
 * changes, to be asked whether it may. If it then fails, the mark stays, and leads to one
 * statement more than needed. Where the kernel has no CONFIG_SECURITY, the rung is not there.
 */
HOOK(security_file_mprotect)
{
	struct vm_area_struct *vma = (void *)argument(0);
	struct doing *doing;

	if (argument(2) & VM_EXEC || !is_text(vma) || !current_followed())
		return 0;
	doing = current_doing();
	if (doing)
		doing->marked = 1;
	else
		say_dirty((__u64)look(vma, vm_mm), bpf_get_current_pid_tgid() >> 32, bpf_get_current_pid_tgid(),
			  look(vma, vm_start), look(vma, vm_end), LOSS_MAP);
	return 0;
}

/*
 * uprobe_mmap(vma) is called for a VMA of a file whose bounds have changed: by split, merge and
 * growth in place; and by mmap after perf_event_mmap, which has said it all.
 */
HOOK(uprobe_mmap)
{
	struct vm_area_struct *vma = (void *)argument(0);
	struct doing *doing;
	bool repeated;

	if (!is_text(vma) || !current_followed())
		return 0;
	doing = current_doing();
	if (doing) {
		repeated = doing->stated == (__u64)vma;
		doing->text = (__u64)vma;
		doing->stated = 0;
		if (repeated)
			return 0;
	} else {
		lose(LOSS_MAP);
	}
	say_vma(vma, bpf_get_current_pid_tgid(), SLOT_BOUNDS);
	return 0;
}

/* attached says whether the VMA is in its address space. */
static __always_inline bool attached(struct vm_area_struct *vma)
{
	struct vm_area_struct___detached *flagged = (void *)vma;
	struct vm_area_struct___refcnt *counted = (void *)vma;

	if (bpf_core_field_exists(flagged->detached))
		return !BPF_CORE_READ(flagged, detached);
	if (bpf_core_field_exists(counted->vm_refcnt))
		return BPF_CORE_READ(counted, vm_refcnt.refs.counter) != 0;
	return true;
}

/*
 * removed says whether [start, end) is being taken out of the address space, of all the reasons
 * why uprobe_munmap is called for it.
 *
 * A VMA that is removed is detached. So is one that was merged into a neighbour, after
 * uprobe_mmap told of that: then the neighbour covers the range. It is held against what is
 * there now, under the lock, so an old pointer does no harm.
 *
 * Before 6.4 a VMA does not know, but real removals come between two calls that always pair.
 */
static __always_inline bool removed(struct doing *doing, struct vm_area_struct *vma, __u64 start, __u64 end)
{
	struct vm_area_struct *text = (void *)doing->text;

	if (windows)
		return doing->removing;
	if (attached(vma))
		return false;
	if (!text || text == vma)
		return true;
	return BPF_CORE_READ(text, vm_mm) != look(vma, vm_mm) || BPF_CORE_READ(text, vm_file) != look(vma, vm_file) ||
	       BPF_CORE_READ(text, vm_start) > start || BPF_CORE_READ(text, vm_end) < end || !attached(text) ||
	       !(BPF_CORE_READ(text, vm_flags) & VM_EXEC);
}

/*
 * uprobe_munmap(vma, start, end) is called for each part of a VMA of a file that is removed, by
 * munmap, mmap over it, mremap's source and exit, when there is no way back; before the bounds
 * of a VMA change, and after a merge, for what is merged away; and when only pages go
 * (MADV_DONTNEED, truncation), maybe by another process.
 */
HOOK(uprobe_munmap)
{
	struct vm_area_struct *vma = (void *)argument(0);
	__u64 start = argument(1), end = argument(2), pid_tgid = bpf_get_current_pid_tgid();
	struct mm_struct *mm;
	struct doing *doing;

	if (!is_text(vma) || !current_followed())
		return 0;
	mm = look(vma, vm_mm);
	if (!look(mm, mm_users.counter))
		return 0; /* the whole space ends */
	doing = current_doing();
	if (!doing) {
		say_dirty((__u64)mm, pid_tgid >> 32, pid_tgid, start, end, LOSS_MAP);
		return 0;
	}
	doing->stated = 0;
	if (removed(doing, vma, start, end))
		say_clear((__u64)mm, pid_tgid >> 32, pid_tgid, start, end);
	return 0;
}

/* unmap_vmas and free_pgtables are always called in this pair, for whatever is removed. Their
 * arguments, which change, do not matter. Attached before 6.4 only. */
HOOK(unmap_vmas)
{
	struct doing *doing;

	if (!bpf_get_current_task_btf()->mm || !current_followed())
		return 0; /* a process that ends */
	doing = current_doing();
	if (doing)
		doing->removing = 1;
	else
		lose(LOSS_MAP);
	return 0;
}

HOOK(free_pgtables)
{
	struct doing *doing = bpf_task_storage_get(&doings, bpf_get_current_task_btf(), 0, 0);

	if (doing)
		doing->removing = 0;
	return 0;
}

/*
 * move_page_tables(vma, old_addr, new_vma, ...) is called by mremap when the VMA at the new
 * address is in place; the one at the old address is removed after it, if it is. If the move
 * fails it is called to move back. exec calls it for the stack.
 */
HOOK(move_page_tables)
{
	struct vm_area_struct *vma;
	struct doing *doing;

	if (moves_controlled)
		vma = BPF_CORE_READ((struct pagetable_move_control *)argument(0), new);
	else
		vma = (void *)argument(2);
	if (!(BPF_CORE_READ(vma, vm_flags) & VM_EXEC) || !BPF_CORE_READ(vma, vm_file) || !current_followed())
		return 0;
	doing = current_doing();
	if (doing)
		doing->text = (__u64)vma;
	else
		lose(LOSS_MAP);
	say_vma(vma, bpf_get_current_pid_tgid(), SLOT_MOVE);
	return 0;
}

/* uprobe_dup_mmap(oldmm, newmm) is called by fork, which holds the lock of the old space and
 * then copies it. */
HOOK(uprobe_dup_mmap)
{
	struct doing *doing;

	if (!current_followed())
		return 0;
	doing = current_doing();
	if (doing)
		doing->copy = argument(1);
	return 0; /* without, task_newtask misses it */
}

/*
 * vma_interval_tree_insert_after(node, prev, root) is called by fork alone, for each VMA of a
 * file that it has copied: what MADV_DONTFORK leaves out does not come here. The new space
 * belongs to nobody before FORK; so these statements do not say whose they are. FORK may come
 * long after, when whoever reads has noticed a loss and thinks that it is over: if a copy was
 * not told, task_newtask says so again.
 */
HOOK(vma_interval_tree_insert_after)
{
	struct vm_area_struct *vma = (void *)argument(0);

	if (is_text(vma) && current_followed() && !say_vma(vma, 0, SLOT_COPY)) {
		struct doing *doing = current_doing();

		if (doing)
			doing->copy = 0;
	}
	return 0;
}

/* task_newtask: see say_fork. */
SEC("tp_btf/task_newtask")
int BPF_PROG(new_task, struct task_struct *child, __u64 clone_flags)
{
	struct doing *doing;
	__u64 mm = 0;

	if (!say_fork(child, clone_flags) || clone_flags & CLONE_VM || !child->mm)
		return 0;
	bpf_probe_read_kernel(&mm, sizeof(mm), &child->mm);
	doing = current_doing();
	/* A fork that had begun before the hooks were there, or by somebody who is not followed. */
	if (!doing || doing->copy != mm)
		say_dirty(mm, child->tgid, child->pid, 0, SPACE_END, LOSS_TORN);
	if (doing)
		doing->copy = 0;
	return 0;
}

/* begin_new_exec(bprm) is where exec can no longer fail, and before the thread that called it
 * takes over the process's number. */
HOOK(begin_new_exec)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct doing *doing;

	if ((__u32)pid_tgid == pid_tgid >> 32 || !current_followed())
		return 0;
	doing = current_doing();
	if (doing)
		doing->old_tid = pid_tgid;
	else
		lose(LOSS_MAP);
	return 0;
}

/* perf_event_exec() is called by exec when the task has its new address space, with nothing but
 * a stack in it, and before it has its new name. */
HOOK(perf_event_exec)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	struct event_exec *exec;
	struct doing *doing;
	__u32 flags = 0;
	__u64 exe = 0, now;

	if (!mm || !current_followed())
		return 0;
	if (mm->exe_file)
		exe = file_id(mm->exe_file, SLOT_EXEC, &flags);
	now = bpf_ktime_get_ns();
	exec = reserve(event_exec);
	if (!exec)
		return 0;
	fill_head(&exec->head, now, EVENT_EXEC, (__u64)mm, task->tgid, task->pid);
	exec->exe = exe;
	exec->exe_flags = flags;
	exec->old_tid = task->pid;
	__builtin_memset(exec->comm, 0, sizeof(exec->comm));
	doing = bpf_task_storage_get(&doings, task, 0, 0);
	if (doing && doing->old_tid) {
		exec->old_tid = doing->old_tid;
		doing->old_tid = 0;
	}
	submit(exec);
	return 0;
}

/* exit_mmap(mm) fires when the last user of an address space is gone, in whoever that is (6.1).
 * Only then can another space have the same address. Whose it was is not known any more. */
SEC("tp_btf/exit_mmap")
int BPF_PROG(end_space, struct mm_struct *mm)
{
	say_head(EVENT_END, (__u64)mm, 0, 0, wake_up());
	return 0;
}
