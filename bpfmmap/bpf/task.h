/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Tasks: the hooks that every rung has, and what user space asks for. All of these tracepoints
 * have had these arguments since 5.10 at least, and run in the context of the task that does
 * it, except where noted.
 */
#ifndef VMASNAP_TASK_H
#define VMASNAP_TASK_H

/* 1: sched_process_exit has the argument group_dead (6.16). */
const volatile __u8 group_dead_known = 0;

/* The cgroup (v2, by inode number) below which everything is chosen; 0 = none. */
volatile __u64 chosen_cgroup;

/* The number of the listing that is going on. */
volatile __u64 listing;

/* choose has the thread group followed. */
static __always_inline void choose(__u32 tgid)
{
	__u8 choice = CHOSEN;

	if (bpf_map_update_elem(&chosen, &tgid, &choice, BPF_ANY))
		lose(LOSS_MAP);
}

/* in_cgroup says whether the task's cgroup is the chosen one or below. The task's own pointer is
 * looked at, because cgroups of other hierarchies (v1) have the same numbers. */
static __always_inline bool in_cgroup(struct task_struct *task)
{
	__u64 wanted = chosen_cgroup;
	struct cgroup *cgroup;

	if (!wanted)
		return false;
	cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	for (int i = 0; i < 32 && cgroup; i++) {
		if (BPF_CORE_READ(cgroup, kn, id) == wanted)
			return true;
		cgroup = (struct cgroup *)BPF_CORE_READ(cgroup, self.parent);
	}
	return false;
}

/*
 * say_fork is for task_newtask(task, clone_flags), which fires in the parent, after the address
 * space was copied and its lock dropped, and before the child runs; of threads too, and of
 * kernel threads, whose mm is 0. It returns false if the child is not followed.
 */
static __always_inline bool say_fork(struct task_struct *child, __u64 clone_flags)
{
	struct task_struct *parent = bpf_get_current_task_btf();
	struct event_fork *fork;
	bool stranger = false; /* its parent is not followed */
	__u64 now;

	if (some && !(clone_flags & CLONE_THREAD)) {
		stranger = !followed(parent->tgid);
		if (stranger && !in_cgroup(child))
			return false;
		choose(child->tgid);
	} else if (!followed(parent->tgid)) {
		return false;
	}
	now = bpf_ktime_get_ns();
	fork = reserve(event_fork);
	if (!fork)
		return true;
	fill_head(&fork->head, now, EVENT_FORK, (__u64)child->mm, child->tgid, child->pid);
	fork->start = child->start_boottime;
	fork->clone_flags = clone_flags;
	fork->parent_pid = parent->tgid;
	fork->parent_tid = parent->pid;
	__builtin_memcpy(fork->comm, child->comm, sizeof(fork->comm));
	submit(fork);
	/* Nobody has stated what is in a space that it shares with a stranger. */
	if (stranger && clone_flags & CLONE_VM)
		say_head(EVENT_ADOPT, (__u64)child->mm, child->tgid, child->pid, BPF_RB_FORCE_WAKEUP);
	return true;
}

/*
 * sched_process_exit fires in the task that ends, after it gave up its address space. Two
 * threads that end at the same moment may both find that none lives, and both say group, where
 * the kernel does not tell which is the last.
 */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(exit_task, struct task_struct *task)
{
	struct event_exit *exit;
	__u32 tgid = task->tgid;
	bool group;
	__u64 now;

	if (!followed(tgid))
		return 0;
	group = group_dead_known ? (bool)ctx[1] : task->signal->live.counter == 0;
	now = bpf_ktime_get_ns();
	exit = reserve(event_exit);
	if (exit) {
		fill_head(&exit->head, now, EVENT_EXIT, 0, tgid, task->pid);
		exit->group = group;
		exit->code = task->signal->flags & SIGNAL_GROUP_EXIT ? task->signal->group_exit_code
								     : task->group_leader->exit_code;
		submit(exit);
	}
	if (some && group)
		bpf_map_delete_elem(&chosen, &tgid);
	return 0;
}

/*
 * task_rename(task, comm) fires before the name is written, which is why comm is an argument: by
 * prctl, by a write to /proc/PID/comm, which may come from another thread of the process, and by
 * exec, before EXEC.
 */
SEC("tp_btf/task_rename")
int BPF_PROG(rename_task, struct task_struct *task, const char *name)
{
	struct event_comm *comm;
	__u64 now;

	if (!followed(task->tgid))
		return 0;
	now = bpf_ktime_get_ns();
	comm = reserve(event_comm);
	if (!comm)
		return 0;
	__builtin_memset(comm->comm, 0, sizeof(comm->comm));
	bpf_probe_read_kernel_str(comm->comm, sizeof(comm->comm), name);
	fill_head(&comm->head, now, EVENT_COMM, (__u64)task->mm, task->tgid, task->pid);
	submit(comm);
	return 0;
}

/*
 * cgroup_attach_task(cgroup, path, task, threadgroup) fires in the one who moves the task, after
 * the move. What is forked into a cgroup does not come here: say_fork looks.
 */
SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(move_task, struct cgroup *to, const char *path, struct task_struct *task)
{
	__u32 tgid = task->tgid;

	if (!some || !chosen_cgroup || bpf_map_lookup_elem(&chosen, &tgid) || !in_cgroup(task))
		return 0;
	choose(tgid);
	say_head(EVENT_ADOPT, (__u64)task->mm, tgid, task->pid, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* say_mark sends what user space gave. */
static __always_inline int say_mark(__u32 type, __u64 id, __u32 last)
{
	__u64 now = bpf_ktime_get_ns();
	struct event_mark *mark = reserve(event_mark);

	if (!mark)
		return -1;
	fill_head(&mark->head, now, type, 0, 0, 0);
	mark->id = id;
	mark->last = last;
	mark->zero = 0;
	bpf_ringbuf_submit(mark, BPF_RB_FORCE_WAKEUP);
	return 0;
}

struct mark_args {
	__u64 id;
};

/* mark returns 1 if the ring has no room. */
SEC("syscall")
int mark(struct mark_args *args)
{
	return say_mark(EVENT_MARK, args->id, 0) ? 1 : 0;
}

/* bearer says whether this task is the one of its process that a listing names: the leader, or
 * if that has ended before its threads, each thread that still has the address space. */
static __always_inline bool bearer(struct task_struct *task)
{
	if (task->pid == task->tgid)
		return task->mm || task->flags & PF_KTHREAD;
	return task->mm && !task->group_leader->mm;
}

/* complain lets whoever reads the iterator know that the ring had no room. */
static __always_inline void complain(struct bpf_iter_meta *meta)
{
	char no = '!';

	bpf_seq_write(meta->seq, &no, sizeof(no));
}

/* list tells of every process that is there, or of those that are followed. It runs in the
 * reader, without any lock: a process may fork, exec or exit beside it, and what those hooks
 * said before EVENT_TASK is newer. */
SEC("iter/task")
int list(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	int result = 0;

	if (ctx->meta->seq_num == 0)
		result = say_mark(EVENT_TASKS, listing, 0);
	if (!task)
		result |= say_mark(EVENT_TASKS, listing, 1);
	else if (bearer(task) && followed(task->tgid))
		result |= say_head(EVENT_TASK, (__u64)task->mm, task->tgid, task->pid, wake_up());
	if (result)
		complain(ctx->meta);
	return 0;
}

/* adopt tells of those processes that user space has put into chosen since the last time. */
SEC("iter/task")
int adopt(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	__u32 tgid;
	__u8 *choice;

	if (!task || !bearer(task))
		return 0;
	tgid = task->tgid;
	choice = bpf_map_lookup_elem(&chosen, &tgid);
	if (!choice || *choice != CHOSEN_NEW)
		return 0;
	*choice = CHOSEN;
	if (say_head(EVENT_ADOPT, (__u64)task->mm, tgid, task->pid, BPF_RB_FORCE_WAKEUP))
		complain(ctx->meta);
	return 0;
}

#endif
