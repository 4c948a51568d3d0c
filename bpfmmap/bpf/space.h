/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Statements about ranges of an address space, made by walking it with the open-coded task_vma
 * iterator (6.7).
 *
 * There are two iterators under that name. The first held mmap_lock from new to destroy. The
 * second (2026, also in stable kernels) takes one VMA's lock after the other, skips a VMA that
 * is being changed, and so gives no consistent picture by itself. What makes it one is
 * mm_lock_seq: if the counter is even before the walk, and the same after the event was
 * reserved, then nobody held the lock for writing in between; the reservation lies between the
 * same two writers as the walk, just as if the lock had been held. Otherwise the event is
 * discarded and the walk done again.
 *
 * A range with many VMAs gives several statements, each true of a range of its own.
 */
#ifndef VMASNAP_SPACE_H
#define VMASNAP_SPACE_H

#define SPACE_END (1ULL << 63) /* of a whole address space */
#define CHUNK 16	       /* VMAs in one event */
#define CHUNKS (1 << 16)       /* events about one range */
#define VISITS 128	       /* VMAs that one walk looks at */
#define TRIES 32
#define SPINS 400     /* looks at the lock of one try */
#define PATIENCE 10000 /* ns that one try waits for the lock */

/* 1: mm_lock_seq is a sequence counter. Where it is not, the iterator has to hold the lock. */
const volatile __u8 validate = 1;

struct bpf_iter_task_vma {
	__u64 opaque[1];
} __attribute__((aligned(8)));

struct bpf_iter_num {
	__u64 opaque[1];
} __attribute__((aligned(8)));

extern int bpf_iter_task_vma_new(struct bpf_iter_task_vma *it, struct task_struct *task, __u64 address) __ksym;
extern struct vm_area_struct *bpf_iter_task_vma_next(struct bpf_iter_task_vma *it) __ksym;
extern void bpf_iter_task_vma_destroy(struct bpf_iter_task_vma *it) __ksym;
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;
extern struct task_struct *bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;

/* The programs that walk, each with a draft of its own. */
enum slot {
	SLOT_CALL,
	SLOT_FORK,
	SLOT_EXEC,
	SLOTS,
};

/* draft is a statement that is being made. What a loop over VMAs counts is kept here: in a
 * register, the verifier would follow each number on its own. */
struct draft {
	__u64 pointer; /* see number */
	__u64 mm;
	__u32 pid, tid;
	__u64 from; /* where the statement's range begins, and ends */
	__u64 next;
	__u32 visited; /* VMAs */
	__u32 lost;
	__u32 fence;
	struct event_state state;
	struct event_vma vmas[CHUNK]; /* state.vmas */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct draft);
} drafts SEC(".maps");

/* number returns a pointer's value. For the verifier it stays a pointer, with which nothing can
 * be calculated, until it went through memory. */
static __always_inline __u64 number(struct draft *draft, const void *pointer)
{
	draft->pointer = (__u64)pointer;
	barrier();
	return *(volatile __u64 *)&draft->pointer;
}

/* lock_seq is odd while somebody holds the address space's lock for writing. */
static __always_inline __u32 lock_seq(struct mm_struct *mm)
{
	barrier();
	return ((volatile struct mm_struct___seqcount *)mm)->mm_lock_seq.sequence;
}

/* fence keeps what was read before it before what is read after. x86 does by itself. */
static __always_inline void fence(struct draft *draft)
{
#ifndef __TARGET_ARCH_x86
	volatile __u32 old = __sync_fetch_and_add(&draft->fence, 1); /* with a result: a full barrier */
	(void)old;
#endif
	barrier();
}

enum outcome {
	STATED,
	BUSY,	   /* somebody held the lock, or did in between */
	BACK_LATER, /* no iterator to be had */
};

/* collect walks up to end, but over no more VMAs than limit, and fills the draft. It returns
 * false if the draft is no use. */
static __always_inline bool collect(struct draft *draft, struct bpf_iter_task_vma *it, __u64 end, __u32 slot, __u32 limit)
{
	struct space *space = bpf_map_lookup_elem(&spaces, &draft->mm);
	struct vm_area_struct *vma;

	draft->state.count = 0;
	draft->next = end;
	draft->visited = 0;
	draft->lost = 0;
	while ((vma = bpf_iter_task_vma_next(it))) {
		__u64 start = vma->vm_start, stop = vma->vm_end, flags = vma->vm_flags, file;
		__u32 n = draft->state.count;
		struct event_vma *v;

		if (start >= end)
			break;
		if (draft->visited++ >= limit) {
			draft->next = start;
			break;
		}
		if (!(flags & VM_EXEC) || !vma->vm_file)
			continue;
		if (n >= CHUNK) {
			draft->next = start;
			break;
		}
		if (space)
			cover(space, draft->mm, start, stop);
		file = find_file(number(draft, vma->vm_file), slot);
		if (!file)
			draft->lost = 1;
		v = &draft->vmas[n % CHUNK];
		v->start = start;
		v->end = stop;
		v->offset = vma->vm_pgoff << page_shift;
		v->file = file & ~1ULL;
		v->prot = flags & (VM_READ | VM_WRITE | VM_EXEC); /* the same bits as PROT_* */
		v->flags = (flags & VM_MAYSHARE ? VMA_SHARED : 0) | (file & 1 ? VMA_DELETED : 0);
		draft->state.count = n + 1;
	}
	return !draft->lost;
}

/* say_draft sends the draft if the lock's counter is still what it was. */
static __always_inline int say_draft(struct draft *draft, struct mm_struct *mm, __u32 seq)
{
	__u32 n = draft->state.count, size;
	struct bpf_dynptr event;
	int result = STATED;

	if (n > CHUNK)
		n = CHUNK;
	size = sizeof(struct event_state) + n * sizeof(struct event_vma);
	fill_head(&draft->state.head, bpf_ktime_get_ns(), EVENT_STATE, draft->mm, draft->pid, draft->tid);
	if (bpf_ringbuf_reserve_dynptr(&events, size, 0, &event)) {
		lose(LOSS_RING);
		bpf_ringbuf_discard_dynptr(&event, BPF_RB_NO_WAKEUP);
		return STATED;
	}
	fence(draft);
	if (validate && lock_seq(mm) != seq) {
		bpf_ringbuf_discard_dynptr(&event, BPF_RB_NO_WAKEUP);
		return BUSY;
	}
	bpf_dynptr_write(&event, 0, &draft->state, size, 0);
	bpf_ringbuf_submit_dynptr(&event, wake_up());
	return result;
}

/* attempt makes one statement about what begins at from; draft->next says how far it goes. */
static __always_inline int attempt(struct task_struct *task, __u64 from, __u64 end, __u32 slot, __u32 limit)
{
	struct draft *draft = bpf_map_lookup_elem(&drafts, &slot);
	struct mm_struct *mm = task->mm;
	struct bpf_iter_task_vma it;
	int result = BACK_LATER;
	__u32 seq = 0;

	if (!draft || !mm)
		return STATED;
	if (validate) {
		seq = lock_seq(mm);
		if (seq & 1) {
			__u64 until = bpf_ktime_get_ns() + PATIENCE;

			for (int i = 0; i < SPINS && seq & 1 && bpf_ktime_get_ns() < until; i++)
				seq = lock_seq(mm);
			if (seq & 1)
				return BUSY;
		}
		fence(draft);
	}
	if (!bpf_iter_task_vma_new(&it, task, from)) {
		result = STATED; /* what was lost was counted */
		if (collect(draft, &it, end, slot, limit)) {
			draft->state.start = from;
			draft->state.end = draft->next;
			result = say_draft(draft, mm, seq);
		}
	}
	bpf_iter_task_vma_destroy(&it);
	return result;
}

/* Global functions are verified once, for any numbers. */
__noinline int attempt_own(__u64 from, __u64 end, __u32 slot, __u32 limit)
{
	return attempt(bpf_get_current_task_btf(), from, end, slot, limit);
}

__noinline int attempt_child(__u64 from, __u64 end, __u32 slot, __u32 limit, __u32 tid)
{
	struct task_struct *task = bpf_task_from_pid(tid);
	int result;

	if (!task)
		return BACK_LATER;
	result = attempt(task, from, end, slot, limit);
	bpf_task_release(task);
	return result;
}

/* try_hard repeats attempts until one succeeds. Where other threads keep changing the space, a
 * short walk finds a gap between two changes more easily than a long one. */
__noinline int try_hard(__u64 from, __u64 end, __u32 slot, __u32 child)
{
	int result = BUSY;

	for (int i = 0; i < TRIES && result != STATED; i++) {
		__u32 limit = i < 4 ? VISITS : i < 8 ? VISITS / 8 : 2;

		result = child ? attempt_child(from, end, slot, limit, child) : attempt_own(from, end, slot, limit);
	}
	return result;
}

/* say_range states what is in [start, end) of the draft's space, or that it is not known. */
__noinline int say_range(__u64 start, __u64 end, __u32 slot, __u32 child)
{
	struct draft *draft = bpf_map_lookup_elem(&drafts, &slot);
	struct bpf_iter_num it;
	struct space *space;
	int result = BUSY;

	if (!draft)
		return -1;
	draft->from = start;
	bpf_iter_num_new(&it, 0, CHUNKS);
	while (bpf_iter_num_next(&it)) {
		result = try_hard(draft->from, end, slot, child);
		if (result != STATED)
			break;
		draft->from = draft->next;
		if (draft->from >= end)
			break;
	}
	bpf_iter_num_destroy(&it);
	if (result == STATED && draft->from >= end)
		return 0;
	/* The filter does not know either what is there now: it will be built anew, by a
	 * statement about the whole space, at the next call that it is asked about. */
	space = bpf_map_lookup_elem(&spaces, &draft->mm);
	if (space)
		space->ready = 0;
	say_dirty(draft->mm, draft->pid, draft->tid, draft->from, end, result == BACK_LATER ? LOSS_TORN : LOSS_LOCK);
	return -1;
}

/* say_whole states what is in the whole space, and builds the filter by the way. */
__noinline int say_whole(__u32 slot, __u32 child, __u64 brk)
{
	struct draft *draft = bpf_map_lookup_elem(&drafts, &slot);
	static const struct space none;
	struct space *space;

	if (!draft)
		return -1;
	bpf_map_update_elem(&spaces, &draft->mm, &none, BPF_NOEXIST);
	heap_top(draft->mm, brk);
	if (say_range(0, SPACE_END, slot, child))
		return -1;
	space = bpf_map_lookup_elem(&spaces, &draft->mm);
	if (space)
		space->ready = 1;
	return 0;
}

/* begin prepares the slot's draft for statements about the task's space; false if it has none. */
static __always_inline bool begin(struct task_struct *task, __u32 slot)
{
	struct draft *draft = bpf_map_lookup_elem(&drafts, &slot);

	if (!draft)
		return false;
	draft->mm = number(draft, task->mm);
	draft->pid = task->tgid;
	draft->tid = task->pid;
	return draft->mm != 0;
}

#endif
