/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The filter: where in an address space there may be anything that a statement could be about.
 * It makes the unmapping of heaps and stacks cheap.
 *
 * It only ever grows: a bit for each 2 MiB (hashed) that held executable file text, set before
 * the statement about that text is sent. That leaves no race: if a thread unmaps text whose bit
 * it does not see, then the statement that there is text was not made before the unmapping,
 * and will be made, if at all, after it and find nothing.
 */
#ifndef VMASNAP_FILTER_H
#define VMASNAP_FILTER_H

#define GRANULE_SHIFT 21
#define FILTER_WORDS 16
#define FILTER_STEPS 64 /* a range or VMA of more granules than that is not looked at */

struct space {
	__u64 bits[FILTER_WORDS];
	__u64 top;   /* the highest end of the heap so far */
	__u32 ready; /* the bits are complete: the whole space was walked once */
	__u32 full;  /* everything matches */
};

/* spaces has an entry for each address space that was walked. exit_mmap removes it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 18);
	__type(key, __u64);
	__type(value, struct space);
} spaces SEC(".maps");

enum answer {
	NOTHING, /* there is nothing that a statement could be about */
	MAYBE,
	UNKNOWN, /* the space was never walked whole */
};

static __always_inline __u32 granule_bit(__u64 granule)
{
	return granule * 0x9e3779b97f4a7c15ULL >> 54;
}

static __always_inline void set_bit(struct space *space, __u64 granule)
{
	__u32 bit = granule_bit(granule);
	__u64 *word = &space->bits[bit / 64 % FILTER_WORDS], mask = 1ULL << bit % 64;

	if (!(*word & mask))
		__sync_fetch_and_or(word, mask);
}

/* set_bits is for what is larger than a granule. */
__noinline int set_bits(__u64 mm, __u64 first, __u64 last)
{
	struct space *space = bpf_map_lookup_elem(&spaces, &mm);

	if (!space)
		return 0;
	if (last - first >= FILTER_STEPS) {
		space->full = 1;
		return 0;
	}
	for (__u32 i = 0; i < FILTER_STEPS && first + i <= last; i++)
		set_bit(space, first + i);
	return 0;
}

/* cover notes that there is text in [start, end). */
static __always_inline void cover(struct space *space, __u64 mm, __u64 start, __u64 end)
{
	__u64 first = start >> GRANULE_SHIFT, last = (end - 1) >> GRANULE_SHIFT;

	if (first == last)
		set_bit(space, first);
	else
		set_bits(mm, first, last);
}

/* matters says what the filter knows about [start, end): enum answer. */
__noinline int matters(__u64 mm, __u64 start, __u64 end)
{
	struct space *space = bpf_map_lookup_elem(&spaces, &mm);
	__u64 first = start >> GRANULE_SHIFT, last = (end - 1) >> GRANULE_SHIFT;

	if (!space || !space->ready)
		return UNKNOWN;
	if (end <= start)
		return NOTHING;
	if (space->full || last - first >= FILTER_STEPS)
		return MAYBE;
	for (__u32 i = 0; i < FILTER_STEPS && first + i <= last; i++) {
		__u32 bit = granule_bit(first + i);

		if (space->bits[bit / 64 % FILTER_WORDS] >> bit % 64 & 1)
			return MAYBE;
	}
	return NOTHING;
}

/* heap_top notes where the heap ends now, and returns where it ended at most. That is more than
 * it did before this call, if it was shrunk twice; but no order of threads can make it less. */
__noinline __u64 heap_top(__u64 mm, __u64 now)
{
	struct space *space = bpf_map_lookup_elem(&spaces, &mm);

	if (!space)
		return now;
	if (now > space->top)
		space->top = now;
	return space->top;
}

#endif
