/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Files: a fingerprint to refer to them by, and the event that describes one when it is met for
 * the first time.
 */
#ifndef VMASNAP_FILE_H
#define VMASNAP_FILE_H

/*
 * find_file returns the file's fingerprint, of which bit 0 says instead whether the file is
 * deleted. It describes the file if that has not been done; 0 = it could not be, and that was
 * counted. Programs share the verified function: it takes numbers only.
 */
__noinline __u64 find_file(__u64 file, __u32 slot)
{
	struct walk *w = bpf_map_lookup_elem(&walks, &slot);
	struct name name;
	__u32 *seen, now, size;
	bool deleted;

	if (!w)
		return 0;
	find_name(&name, file);
	deleted = fingerprint(w, slot, &name);
	now = epoch;
	seen = bpf_map_lookup_elem(&files, &w->hash);
	if (!seen || *seen != now) {
		size = describe(w, slot, &name);
		if (size > FILE_MAX || bpf_ringbuf_output(&events, &w->event, size, wake_up())) {
			lose(LOSS_RING);
			return 0;
		}
		/* If this fails, it will be described again: no loss. */
		if (w->check == w->hash)
			bpf_map_update_elem(&files, &w->hash, &now, BPF_ANY);
	}
	return w->hash | deleted;
}

/* file_id returns the id of a file, after it was described; 0 if it could not be, which has
 * been counted. Flags gets VMA_DELETED if the file is not linked at its name any more. Slot is
 * the program's own, below FILE_SLOTS. */
static __always_inline __u64 file_id(struct file *file, __u32 slot, __u32 *flags)
{
	__u64 address = 0, found;

	/* Only a copy by way of memory is a number for the verifier. */
	bpf_probe_read_kernel(&address, sizeof(address), &file);
	found = find_file(address, slot);
	*flags |= found & 1 ? VMA_DELETED : 0;
	return found & ~1ULL;
}

#endif
