/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The ring buffer, what fills the head of an event, and what is counted when there is no room.
 */
#ifndef VMASNAP_EMIT_H
#define VMASNAP_EMIT_H

/* Nothing uses it. It puts all events among the types of the object, where a test compares them
 * with ../decode.go. */
const union any_event *any_event;

/* The programs of a rung share one ring: it is consumed in the order of reservation, over all
 * CPUs. User space sets its size. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} events SEC(".maps");

/* losses has one line a CPU, which user space reads without a system call: a BPF map system
 * call may make kprobe programs miss. User space sets the number of CPUs. */
struct losses {
	__u64 count[8]; /* by enum loss_reason; a cache line */
};

_Static_assert(LOSS_REASONS <= 8, "losses are a cache line");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct losses);
} losses SEC(".maps");

/* chosen holds the thread groups that are followed, if only some are. */
enum choice {
	CHOSEN = 1,
	CHOSEN_NEW, /* by user space: the next pass of adopt says so in the ring */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 17);
	__type(key, __u32);
	__type(value, __u8);
} chosen SEC(".maps");

const volatile __u8 some = 0;		  /* 1: only what is in chosen */
const volatile __u64 wake_bytes = 1 << 21; /* the reader is woken above that much unread data */

volatile __u64 woken; /* position of the producer at the last wake-up */

static __always_inline bool followed(__u32 tgid)
{
	return !some || bpf_map_lookup_elem(&chosen, &tgid);
}

static __always_inline void lose(__u32 reason)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct losses *line = bpf_map_lookup_elem(&losses, &cpu);

	if (line && reason < LOSS_REASONS)
		__sync_fetch_and_add(&line->count[reason], 1);
}

/* wake_up says whether a record that is submitted now wakes the reader. A wake-up costs the
 * waking process many times what the record does, and the reader looks by itself every few
 * milliseconds: so only when the ring fills up, and then once for each eighth of that much. */
static __always_inline __u64 wake_up(void)
{
	__u64 position;

	if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) < wake_bytes)
		return BPF_RB_NO_WAKEUP;
	position = bpf_ringbuf_query(&events, BPF_RB_PROD_POS);
	if (position - woken < wake_bytes / 8)
		return BPF_RB_NO_WAKEUP;
	woken = position;
	return BPF_RB_FORCE_WAKEUP;
}

/* reserve gives room for a whole event of that struct; NULL has been counted. The time of an event
 * is taken before, so that none bears a later time than a later reservation could. */
#define reserve(type)                                                              \
	({                                                                         \
		struct type *room_ = bpf_ringbuf_reserve(&events, sizeof(struct type), 0); \
		if (!room_)                                                        \
			lose(LOSS_RING);                                           \
		room_;                                                             \
	})

static __always_inline void submit(void *event)
{
	bpf_ringbuf_submit(event, wake_up());
}

static __always_inline void fill_head(struct event_head *head, __u64 time, __u32 type, __u64 mm, __u32 pid, __u32 tid)
{
	head->time = time;
	head->mm = mm;
	head->pid = pid;
	head->tid = tid;
	head->type = type;
	head->zero = 0;
}

/* say_head sends an event that is nothing but a head. */
static __always_inline int say_head(__u32 type, __u64 mm, __u32 pid, __u32 tid, __u64 wake)
{
	__u64 now = bpf_ktime_get_ns();
	struct event_head *head = reserve(event_head);

	if (!head)
		return -1;
	fill_head(head, now, type, mm, pid, tid);
	bpf_ringbuf_submit(head, wake);
	return 0;
}

/* say_clear states that nothing is mapped in [start, end). */
static __always_inline void say_clear(__u64 mm, __u32 pid, __u32 tid, __u64 start, __u64 end)
{
	__u64 now = bpf_ktime_get_ns();
	struct event_state *state = reserve(event_state);

	if (!state)
		return;
	fill_head(&state->head, now, EVENT_STATE, mm, pid, tid);
	state->start = start;
	state->end = end;
	state->count = 0;
	state->zero = 0;
	submit(state);
}

struct event_state_one {
	struct event_state state;
	struct event_vma vma;
};

/* say_set states that exactly this VMA is mapped in [start, end). False has been counted. */
static __always_inline bool say_set(__u64 mm, __u32 pid, __u32 tid, __u64 start, __u64 end, const struct event_vma *vma)
{
	__u64 now = bpf_ktime_get_ns();
	struct event_state_one *one = reserve(event_state_one);

	if (!one)
		return false;
	fill_head(&one->state.head, now, EVENT_STATE, mm, pid, tid);
	one->state.start = start;
	one->state.end = end;
	one->state.count = 1;
	one->state.zero = 0;
	one->vma = *vma;
	submit(one);
	return true;
}

/* say_dirty counts the loss and says that what is mapped in [start, end) is not known. */
static __always_inline void say_dirty(__u64 mm, __u32 pid, __u32 tid, __u64 start, __u64 end, __u32 reason)
{
	__u64 now = bpf_ktime_get_ns();
	struct event_dirty *dirty = reserve(event_dirty);

	lose(reason);
	if (!dirty)
		return;
	fill_head(&dirty->head, now, EVENT_DIRTY, mm, pid, tid);
	dirty->start = start;
	dirty->end = end;
	dirty->reason = reason;
	dirty->zero = 0;
	submit(dirty);
}

#endif
