/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What differs between programs at a function's entry that are attached by trampoline (fentry)
 * and by probe (kprobe, kprobe.multi), and the types that only these rungs look into.
 */
#ifndef VMASNAP_FUNCTION_H
#define VMASNAP_FUNCTION_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Whether a VMA is in its address space: 6.4 to 6.14, and since. Both need per-VMA locks. */
struct vm_area_struct___detached {
	bool detached;
};

struct refcount_struct {
	atomic_t refs;
};

struct vm_area_struct___refcnt {
	struct refcount_struct vm_refcnt;
};

/* What move_page_tables gets since 6.14. */
struct pagetable_move_control {
	struct vm_area_struct *new;
};

#pragma clang attribute pop


/*
 * HOOK(function) begins the program at the entry of a kernel function, argument(n) is the
 * function's, and look(pointer, field) reads a field of what an argument points to: for the
 * trampolines the verifier knows the types, and it is one instruction.
 */
#ifdef FENTRY
#define HOOK(function) SEC("fentry/" #function) int function(__u64 *ctx)
#define argument(n) (ctx[n])
#define look(pointer, field) ((pointer)->field)
#else
#define HOOK(function) SEC("kprobe/" #function) int function(struct pt_regs *ctx)
#define look(pointer, field) BPF_CORE_READ(pointer, field)
#if defined(__TARGET_ARCH_x86)
#define argument(n) ((n) == 0 ? ctx->di : (n) == 1 ? ctx->si : ctx->dx)
#elif defined(__TARGET_ARCH_arm64)
#define argument(n) (((struct user_pt_regs *)ctx)->regs[n])
#endif
#endif

#endif
