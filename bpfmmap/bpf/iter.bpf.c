// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The task_vma iterator: the executable mappings of every process, as what reading a file gives. Compiled with TYPED for kernels that have bpf_rdonly_cast, and without for others.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "kernel.h"
#include "event.h"
#define FILE_SLOTS 1 /* one program, of which one runs at a time */
#include "path.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 page_shift = 12;

/*
 * walk_vma is called for each VMA of each task whose files are not shared with its process's
 * first thread, with the address space's lock held for reading; the lock is released where others
 * want it, and between two reads. It writes an event_state for the VMA alone, and behind it, if
 * the file was not met in this epoch, its event_file. A VMA that found no room comes again.
 * Requires Linux 5.12, and 5.17 for bpf_loop.
 */
SEC("iter/task_vma")
int walk_vma(struct bpf_iter__task_vma *ctx)
{
	struct {
		struct event_state state;
		struct event_vma vma;
	} out;
	struct vm_area_struct *vma = ctx->vma;
	struct task_struct *task = ctx->task;
	struct file *mapped;
	struct name name;
	__u64 file = 0, flags;
	__u32 slot = 0, now, size;
	struct walk *w;
	__u32 *seen;
	bool deleted;

	if (!task || !vma)
		return 0;
	flags = vma->vm_flags;
	mapped = vma->vm_file;
	if (!(flags & VM_EXEC))
		return 0;
	/* A first thread that has ended has no address space: then every thread comes by here. */
	if (task->pid != task->tgid && task->group_leader->mm)
		return 0;
	w = bpf_map_lookup_elem(&walks, &slot);
	if (!w)
		return 0;
	out.state.head.time = bpf_ktime_get_ns();
	out.state.head.mm = (__u64)vma->vm_mm;
	out.state.head.pid = task->tgid;
	out.state.head.tid = task->pid;
	out.state.head.type = EVENT_STATE;
	out.state.head.zero = 0;
	out.vma.start = out.state.start = vma->vm_start;
	out.vma.end = out.state.end = vma->vm_end;
	out.state.count = 1;
	out.vma.offset = vma->vm_pgoff << page_shift;
	out.vma.prot = flags & (VM_READ | VM_WRITE | VM_EXEC); /* the same bits as PROT_* */
	out.vma.flags = flags & VM_MAYSHARE ? VMA_SHARED : 0;
	if (!mapped) {
		/* Code without a file is told of too, so that what is left out can be counted. */
		out.vma.file = 0;
		out.vma.flags |= vma->vm_ops ? VMA_KERNEL : 0;
		out.state.zero = 0;
		bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
		return 0;
	}
	bpf_probe_read_kernel(&file, sizeof(file), &mapped); /* as a number */
	find_name(&name, file);
	deleted = fingerprint(w, slot, &name);
	out.vma.file = w->hash;
	out.vma.flags |= deleted ? VMA_DELETED : 0;

	now = epoch;
	seen = bpf_map_lookup_elem(&files, &w->hash);
	size = !seen || *seen != now ? describe(w, slot, &name) : 0;
	out.state.zero = size;
	if (bpf_seq_write(ctx->meta->seq, &out, sizeof(out)) || !size || size > FILE_MAX)
		return 0;
	if (!bpf_seq_write(ctx->meta->seq, &w->event, size) && w->check == w->hash)
		bpf_map_update_elem(&files, &w->hash, &now, BPF_ANY);
	return 0;
}
