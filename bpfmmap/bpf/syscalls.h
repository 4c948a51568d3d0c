/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The system calls that change what is mapped: their numbers and arguments, for 64-bit and
 * 32-bit callers. At the exit of a call the registers still have all its arguments.
 */
#ifndef VMASNAP_SYSCALLS_H
#define VMASNAP_SYSCALLS_H

enum call {
	CALL_NONE,
	CALL_MMAP,
	CALL_MUNMAP,
	CALL_MPROTECT,
	CALL_MREMAP,
	CALL_SHMAT,
	CALL_SHMDT,
	CALL_REMAP,
	CALL_BRK,
	CALL_IPC,     /* ia32: shmat and shmdt among others */
	CALL_WHOLE,   /* uselib, and ia32's old mmap: what they did is not in the registers */
};

struct call_args {
	__u64 arg[6];
	enum call call;
	bool compat;
};

#define NUMBERS 512
#define BIT(n) (1ULL << (n) % 64)
#define WORD(n, word) ((n) / 64 == (word) ? BIT(n) : 0)

#if defined(__TARGET_ARCH_x86)

/* arch/x86/entry/syscalls/syscall_64.tbl; x32 has the same numbers for these. */
#define NATIVE(f) f(9, MMAP) f(10, MPROTECT) f(11, MUNMAP) f(12, BRK) f(25, MREMAP) f(30, SHMAT) f(67, SHMDT) \
	f(134, WHOLE) f(216, REMAP) f(329, MPROTECT)
/* syscall_32.tbl, for 32-bit processes and for int 0x80 of any */
#define COMPAT(f) f(45, BRK) f(86, WHOLE) f(90, WHOLE) f(91, MUNMAP) f(117, IPC) f(125, MPROTECT) f(163, MREMAP) f(192, MMAP) \
	f(257, REMAP) f(380, MPROTECT) f(397, SHMAT) f(398, SHMDT)

#define X32_BIT 0x40000000
#define TS_COMPAT 0x0002 /* arch/x86/include/asm/thread_info.h */

static __always_inline bool compat_call(struct task_struct *task, struct pt_regs *regs)
{
	return task->thread_info.status & TS_COMPAT;
}

static __always_inline __u64 call_number(struct pt_regs *regs)
{
	return regs->orig_ax & ~X32_BIT;
}

static __always_inline void read_args(struct call_args *c, struct pt_regs *regs)
{
	if (c->compat) {
		c->arg[0] = (__u32)regs->bx;
		c->arg[1] = (__u32)regs->cx;
		c->arg[2] = (__u32)regs->dx;
		c->arg[3] = (__u32)regs->si;
		c->arg[4] = (__u32)regs->di;
		c->arg[5] = (__u32)regs->bp;
		return;
	}
	c->arg[0] = regs->di;
	c->arg[1] = regs->si;
	c->arg[2] = regs->dx;
	c->arg[3] = regs->r10;
	c->arg[4] = regs->r8;
	c->arg[5] = regs->r9;
}

#elif defined(__TARGET_ARCH_arm64)

/* include/uapi/asm-generic/unistd.h */
#define NATIVE(f) f(196, SHMAT) f(197, SHMDT) f(214, BRK) f(215, MUNMAP) f(216, MREMAP) f(222, MMAP) f(226, MPROTECT) \
	f(234, REMAP) f(288, MPROTECT)
/* arch/arm64/tools/syscall_32.tbl */
#define COMPAT(f) f(45, BRK) f(91, MUNMAP) f(125, MPROTECT) f(163, MREMAP) f(192, MMAP) f(253, REMAP) f(305, SHMAT) \
	f(306, SHMDT) f(394, MPROTECT)

#define PSR_MODE32_BIT 0x00000010

static __always_inline bool compat_call(struct task_struct *task, struct pt_regs *regs)
{
	return regs->user_regs.pstate & PSR_MODE32_BIT;
}

static __always_inline __u64 call_number(struct pt_regs *regs)
{
	return (__u32)regs->syscallno;
}

static __always_inline void read_args(struct call_args *c, struct pt_regs *regs)
{
	c->arg[0] = regs->orig_x0;
	for (int i = 1; i < 6; i++)
		c->arg[i] = regs->user_regs.regs[i];
	/* Addresses may carry a tag in their top byte. */
	c->arg[0] &= ~0ULL >> 8;
	if (c->compat)
		for (int i = 0; i < 6; i++)
			c->arg[i] = (__u32)c->arg[i];
}

#endif

#define IN_WORD0(n, name) | WORD(n, 0)
#define IN_WORD1(n, name) | WORD(n, 1)
#define IN_WORD2(n, name) | WORD(n, 2)
#define IN_WORD3(n, name) | WORD(n, 3)
#define IN_WORD4(n, name) | WORD(n, 4)
#define IN_WORD5(n, name) | WORD(n, 5)
#define IN_WORD6(n, name) | WORD(n, 6)
#define IN_WORD7(n, name) | WORD(n, 7)
#define WORDS(list)                                                                                             \
	{                                                                                                       \
		0 list(IN_WORD0), 0 list(IN_WORD1), 0 list(IN_WORD2), 0 list(IN_WORD3), 0 list(IN_WORD4),       \
			0 list(IN_WORD5), 0 list(IN_WORD6), 0 list(IN_WORD7)                                    \
	}

/* This is looked at in every system call of every process. */
static const volatile __u64 wanted[2][NUMBERS / 64] = { WORDS(NATIVE), WORDS(COMPAT) };

static __always_inline bool wanted_call(__u64 number, bool compat)
{
	return number < NUMBERS && wanted[compat][number / 64] >> number % 64 & 1;
}

#define CASE(n, name)            \
	case n:                  \
		return CALL_##name;

static __always_inline enum call which_call(__u64 number, bool compat)
{
	if (compat)
		switch (number) {
			COMPAT(CASE)
		}
	else
		switch (number) {
			NATIVE(CASE)
		}
	return CALL_NONE;
}

#endif
