/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel's types, as far as the programs look into them. Where a field is, and whether it is
 * there, is settled against the running kernel's BTF when the programs are loaded (CO-RE), so
 * the order here means nothing and what is not used is left out. A name after ___ marks another
 * version of the same type.
 */
#ifndef VMASNAP_KERNEL_H
#define VMASNAP_KERNEL_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct list_head {
	struct list_head *next, *prev;
};

/* include/linux/dcache.h, mount.h, fs.h, path.h; fs/mount.h */
struct qstr {
	union {
		struct {
			__u32 hash;
			__u32 len;
		};
		__u64 hash_len;
	};
	const unsigned char *name;
};

struct hlist_bl_node {
	struct hlist_bl_node *next, **pprev;
};

struct dentry;

struct dentry_operations {
	char *(*d_dname)(struct dentry *, char *, int);
};

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
};

struct inode {
	unsigned long i_ino;
	__u32 i_generation;
	struct super_block *i_sb;
};

struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	const struct dentry_operations *d_op;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file_operations {
	__u32 fop_flags; /* 6.10 */
};

struct file {
	unsigned int f_mode;
	struct inode *f_inode;
	struct path f_path;
};

/* What overlayfs maps instead of the file that was opened (6.7; 6.5 to 6.6 otherwise). */
struct backing_file {
	struct file file;
	struct path user_path;
};

struct fs_struct {
	struct path root;
};

/* include/linux/mm_types.h */
struct mm_struct {
	atomic_t mm_users;
	unsigned long brk;
	unsigned long task_size;
	struct file *exe_file;
};

/* 6.13 and some that were given it: odd while the address space is locked for writing, and
 * never twice the same even number. Before, an int that counts otherwise. */
struct seqcount___lock {
	unsigned int sequence;
};

struct mm_struct___seqcount {
	struct seqcount___lock mm_lock_seq;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
	const void *vm_ops;
};

/* kernel/cgroup: the directory of a cgroup is its kernfs node. */
struct kernfs_node {
	__u64 id;
};

struct cgroup_subsys_state {
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self; /* the first member: a css without a controller */
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

/* include/linux/sched.h */
struct signal_struct {
	atomic_t live;
	int group_exit_code;
	unsigned int flags;
};

struct thread_info {
	__u32 status; /* x86 */
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int flags;
	struct mm_struct *mm;
	int exit_code;
	unsigned int personality;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	__u64 start_boottime;
	char comm[16];
	struct fs_struct *fs;
	struct signal_struct *signal;
	struct css_set *cgroups;
};

/* kernel/bpf: what an iterator program is given. */
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

/* The registers at a system call. */
#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long bp, bx, r10, r9, r8, cx, dx, si, di, orig_ax;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 pstate;
	__u64 regs[31];
};

struct pt_regs {
	struct user_pt_regs user_regs;
	__u64 orig_x0;
	__s32 syscallno;
};
#endif

#pragma clang attribute pop

/* include/linux/mm.h */
#define VM_READ 0x1UL
#define VM_WRITE 0x2UL
#define VM_EXEC 0x4UL
#define VM_MAYSHARE 0x80UL /* what maps prints as "s": VM_SHARED is gone where the file is open for reading alone */

/* include/linux/sched.h, sched/signal.h, uapi/linux/sched.h, uapi/linux/personality.h */
#define PF_KTHREAD 0x00200000
#define SIGNAL_GROUP_EXIT 0x00000004
#define CLONE_VM 0x00000100
#define CLONE_THREAD 0x00010000
#define READ_IMPLIES_EXEC 0x0400000

/* uapi/linux/magic.h */
#define ANON_INODE_FS_MAGIC 0x09041934

#ifndef NULL
#define NULL ((void *)0)
#endif
typedef _Bool bool;
#define true 1
#define false 0

#define barrier() asm volatile("" ::: "memory")

/*
 * get(type, pointer, field): a field of a kernel object. Where the program type and the kernel
 * allow it (kfuncs: 6.2), bpf_rdonly_cast tells the verifier what a pointer points to, and the
 * load is one instruction that gives 0 on a fault; elsewhere it is a call of a helper, some ten
 * times as dear. A rung that is for such kernels alone defines TYPED before it includes this.
 */
#ifdef TYPED
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym;
#define typed(type, pointer) ((struct type *)bpf_rdonly_cast((const void *)(pointer), bpf_core_type_id_kernel(struct type)))
#define get(type, pointer, field) (typed(type, pointer)->field)
#else
/* The pointer apart: else the fields on the way to it would be looked up in the kernel too. */
#define get(type, pointer, field)                                 \
	({                                                        \
		struct type *pointer_ = (struct type *)(pointer); \
		BPF_CORE_READ(pointer_, field);                   \
	})
#endif

#endif
