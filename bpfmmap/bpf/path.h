/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The way from a file to the root directory: a fingerprint over it, and the path.
 */
#ifndef VMASNAP_PATH_H
#define VMASNAP_PATH_H

/* What a path may have: PATH_MAX bytes, so no more components than half of that, and mounts. */
#define PATH_ROOM 4096
#define NAME_ROOM 256
#define PATH_STEPS 4096
#define PLAIN_STEPS 48 /* walked without a helper's help */

/* Each program has a slot of its own: programs of one CPU may interrupt each other where the
 * kernel is preempted. */
#ifndef FILE_SLOTS
#define FILE_SLOTS 8
#endif

/* walk is where on its way from a file to the root a walk is, and the event that it fills. */
struct walk {
	__u64 dentry;
	__u64 mnt; /* struct vfsmount */
	__u64 hash;
	__u64 check; /* hash, as the names were when the path was put together */
	__u32 end;   /* the walk is over */
	__u32 zero;
	struct event_file event;
	char room[PATH_ROOM + NAME_ROOM]; /* event.components */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FILE_SLOTS);
	__type(key, __u32);
	__type(value, struct walk);
} walks SEC(".maps");

/* files remembers the epoch in which a file was described. One that had to make room is
 * described again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, __u64);
	__type(value, __u32);
} files SEC(".maps");

volatile __u32 epoch; /* user space raises it to have every file described again */

/* Where paths end: the root directory of the recorder, as d_path has it. Set by note_root. */
volatile __u64 root_dentry;
volatile __u64 root_mnt;

/* FMODE_BACKING, which moved in 6.14 and in what took over from there. */
const volatile __u32 backing_mode = 1 << 24;

static __always_inline __u64 fold(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/* pseudo says whether d_path asks the filesystem for the name. */
static __always_inline bool pseudo(__u64 dentry, __u64 mnt)
{
	const struct dentry_operations *ops = get(dentry, dentry, d_op);

	if (!ops || !get(dentry_operations, ops, d_dname))
		return false;
	return (__u64)get(dentry, dentry, d_parent) != dentry || (__u64)get(vfsmount, mnt, mnt_root) != dentry;
}

/* step takes w from a name to that of the directory it is in, or from a mount's root to the
 * name of its mount point. It returns the dentry whose name is part of the path, or 0. At the end
 * of the path it sets w->end. d_path is the model: it ends at the reader's root, at the root of
 * a mount that is not mounted anywhere, and knows no path for what lies outside of its mount. */
static __always_inline __u64 step(struct walk *w)
{
	__u64 dentry = w->dentry, mnt = w->mnt, parent, mount;

	if (dentry == root_dentry && mnt == root_mnt)
		goto end;
	if (dentry == (__u64)get(vfsmount, mnt, mnt_root)) {
		mount = mnt - bpf_core_field_offset(struct mount, mnt);
		parent = (__u64)get(mount, mount, mnt_parent);
		if (parent == mount || !parent)
			goto end;
		w->dentry = (__u64)get(mount, mount, mnt_mountpoint);
		w->mnt = parent + bpf_core_field_offset(struct mount, mnt);
		return 0;
	}
	parent = (__u64)get(dentry, dentry, d_parent);
	if (parent == dentry || !parent) {
		w->event.length = 0;
		goto end;
	}
	w->dentry = parent;
	return dentry;
end:
	w->end = 1;
	return 0;
}

static __always_inline void fold_step(struct walk *w)
{
	__u64 dentry = step(w);

	/* The name's hash is seeded with the directory's address. */
	if (dentry)
		w->hash = fold(w->hash, get(dentry, dentry, d_name.hash_len));
}

static long fold_more(__u64 i, void *slot)
{
	struct walk *w = bpf_map_lookup_elem(&walks, slot);

	if (!w || w->end)
		return 1;
	fold_step(w);
	return 0;
}

/* put_name appends the dentry's name to the path. */
static __always_inline void put_name(struct walk *w, __u64 dentry)
{
	__u32 at = w->event.length;
	long n;

	if (at >= PATH_ROOM)
		goto full;
	asm volatile("" : "+r"(at)); /* the bound below is what the verifier goes by */
	at &= PATH_ROOM - 1;
	n = bpf_probe_read_kernel_str(w->room + at, NAME_ROOM, get(dentry, dentry, d_name.name));
	if (n < 0)
		goto full;
	w->event.length = at + n;
	w->check = fold(w->check, get(dentry, dentry, d_name.hash_len));
	return;
full:
	w->event.kind = FILE_TRUNCATED;
	w->end = 1;
}

static long name_more(__u64 i, void *slot)
{
	struct walk *w = bpf_map_lookup_elem(&walks, slot);
	__u64 dentry;

	if (!w || w->end)
		return 1;
	dentry = step(w);
	if (dentry)
		put_name(w, dentry);
	return 0;
}

/* name is a file under the name that it was mapped by. */
struct name {
	__u64 dentry;
	__u64 mnt; /* struct vfsmount */
	__u64 inode;
	__u64 super;
};

static __always_inline void find_name(struct name *name, __u64 file)
{
	/* Overlayfs maps the file below instead of the one that was opened. maps shows both name
	 * and identity of the latter, since there is user_path (6.7). */
	if (bpf_core_field_exists(((struct backing_file *)0)->user_path) && get(file, file, f_mode) & backing_mode) {
		name->dentry = (__u64)get(backing_file, file, user_path.dentry);
		name->mnt = (__u64)get(backing_file, file, user_path.mnt);
		name->inode = (__u64)get(dentry, name->dentry, d_inode);
	} else {
		name->dentry = (__u64)get(file, file, f_path.dentry);
		name->mnt = (__u64)get(file, file, f_path.mnt);
		name->inode = (__u64)get(file, file, f_inode);
	}
	name->super = (__u64)get(inode, name->inode, i_sb);
}

static __always_inline __u64 first_hash(struct name *name)
{
	__u64 hash = fold(0, get(inode, name->inode, i_ino));

	return fold(hash, (__u64)get(inode, name->inode, i_generation) << 32 | get(super_block, name->super, s_dev));
}

static __always_inline __u64 last_hash(__u64 hash)
{
	hash = (hash ^ hash >> 32) & ~1ULL;
	return hash ? hash : 2;
}

/* fingerprint leaves the name's in w->hash, where bit 0 is 0, and returns whether the file is
 * deleted. */
static __always_inline bool fingerprint(struct walk *w, __u32 slot, struct name *name)
{
	__u64 dentry = name->dentry;
	bool deleted;

	w->dentry = dentry;
	w->mnt = name->mnt;
	w->end = 0;
	w->hash = first_hash(name);
	if (pseudo(dentry, name->mnt)) {
		deleted = get(super_block, name->super, s_magic) != ANON_INODE_FS_MAGIC;
		w->hash = fold(w->hash, get(dentry, dentry, d_name.hash_len));
	} else {
		deleted = !get(dentry, dentry, d_hash.pprev) && (__u64)get(dentry, dentry, d_parent) != dentry;
		for (int i = 0; i < PLAIN_STEPS && !w->end; i++)
			fold_step(w);
		if (!w->end)
			bpf_loop(PATH_STEPS, fold_more, &slot, 0);
	}
	w->hash = last_hash(w->hash);
	return deleted;
}

/* describe fills w->event and what follows it for the name, whose fingerprint is in w->hash. It
 * returns how many bytes that is. If something was renamed meanwhile, w->check is not w->hash,
 * and the description is not one to remember. */
static __always_inline __u32 describe(struct walk *w, __u32 slot, struct name *name)
{
	__u32 size;

	w->event.head.time = bpf_ktime_get_ns();
	w->event.head.type = EVENT_FILE;
	w->event.file = w->hash;
	w->event.inode = get(inode, name->inode, i_ino);
	w->event.generation = get(inode, name->inode, i_generation);
	w->event.device = get(super_block, name->super, s_dev);
	w->event.length = 0;
	w->event.kind = FILE_NORMAL;
	w->dentry = name->dentry;
	w->mnt = name->mnt;
	w->end = 0;
	w->check = first_hash(name);
	if (pseudo(name->dentry, name->mnt)) {
		put_name(w, name->dentry);
		w->event.kind = get(super_block, name->super, s_magic) == ANON_INODE_FS_MAGIC ? FILE_ANON : FILE_PSEUDO;
	} else {
		bpf_loop(PATH_STEPS, name_more, &slot, 0);
		if (!w->end)
			w->event.kind = FILE_TRUNCATED;
	}
	w->check = last_hash(w->check);
	if (w->event.kind == FILE_TRUNCATED) {
		w->event.length = 0;
		w->check = w->hash;
	}
	size = w->event.length;
	asm volatile("" : "+r"(size)); /* the bound below is what the verifier goes by */
	if (size > PATH_ROOM + NAME_ROOM)
		size = PATH_ROOM + NAME_ROOM;
	/* What pads it to 8 bytes may be left over from another name. */
	return (sizeof(struct event_file) + size + 7) & ~7U;
}

/* The largest that describe returns. */
#define FILE_MAX (sizeof(struct event_file) + PATH_ROOM + NAME_ROOM)

/* note_root is run on behalf of the recorder before anything is attached. */
SEC("syscall")
int note_root(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fs_struct *fs = BPF_CORE_READ(task, fs);

	root_dentry = (__u64)BPF_CORE_READ(fs, root.dentry);
	root_mnt = (__u64)BPF_CORE_READ(fs, root.mnt);
	return 0;
}

#endif
