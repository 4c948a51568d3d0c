/* Steps of steps.c that are made by 32-bit system calls, of 64-bit code. */

/* call32 makes an ia32 system call from 64-bit code. Addresses have to fit. */
static long call32(long number, long a, long b, long c, long d, long e, long f)
{
	long result;

	/* past the red zone, which may be in use */
	asm volatile("lea -128(%%rsp), %%rsp\n\tpush %%rbp\n\tmov %[f], %%rbp\n\tint $0x80\n\tpop %%rbp\n\t"
		     "lea 128(%%rsp), %%rsp"
		     : "=a"(result)
		     : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "r"(f)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static int low(void)
{
	static long next = 0x10000000;

	at = (char *)next;
	next += 16 << 20;
	/* Does the kernel have these calls? It may be built or started without. */
	return call32(20 /* getpid */, 0, 0, 0, 0, 0, 0) == getpid() ? 0 : 1;
}

static int do_ia32_mmap(void)
{
	long a = (long)at;

	if (low())
		return 1;
	a = (long)at;
	errno = 0;
	return need(call32(192, a, 4 * page, RX, MAP_PRIVATE | MAP_FIXED, text, 5) == (int)a, "mmap2");
}

static int do_ia32_old_mmap(void)
{
	unsigned *args;

	if (low())
		return 1;
	args = (unsigned *)anon(0, 1, R | W);
	args[0] = (long)at + 8 * page;
	args[1] = 4 * page;
	args[2] = RX;
	args[3] = MAP_PRIVATE | MAP_FIXED;
	args[4] = text;
	args[5] = 0;
	return need(call32(90, (long)args, 0, 0, 0, 0, 0) == (int)args[0], "old mmap");
}

static int do_ia32_munmap(void)
{
	if (low())
		return 1;
	map(0, 8, RX, 0);
	return need(!call32(91, (long)at + 2 * page, 2 * page, 0, 0, 0, 0), "munmap");
}

static int do_ia32_mprotect(void)
{
	if (low())
		return 1;
	map(0, 8, RX, 0);
	map(16, 8, R, 0);
	return need(!call32(125, (long)at + 2 * page, 2 * page, R, 0, 0, 0) &&
			    !call32(380, (long)at + 18 * page, 2 * page, RX, -1, 0, 0),
		    "mprotect");
}

static int do_ia32_mremap(void)
{
	if (low())
		return 1;
	map(0, 4, RX, 0);
	return need(call32(163, (long)at, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED, (long)at + 32 * page, 0) ==
			    (int)((long)at + 32 * page),
		    "mremap");
}

static int do_ia32_shm(void)
{
	unsigned *result;
	int id;

	if (low())
		return 1;
	result = (unsigned *)anon(0, 1, R | W);
	id = shmget(IPC_PRIVATE, 4 * page, IPC_CREAT | 0700);
	if (id < 0)
		return errno == ENOSYS ? 1 : fail("shmget");
	if (call32(117, 21 /* SHMAT */, id, SHM_EXEC, (long)result, (long)at + 16 * page, 0))
		return fail("ipc");
	shmctl(id, IPC_RMID, NULL);
	map(32, 4, RX, 0);
	id = shmget(IPC_PRIVATE, 4 * page, IPC_CREAT | 0700);
	if (call32(397, id, (long)at + 33 * page, SHM_REMAP, 0, 0, 0) != (int)((long)at + 33 * page))
		return fail("shmat");
	shmctl(id, IPC_RMID, NULL);
	return need(!call32(398, (long)at + 33 * page, 0, 0, 0, 0, 0), "shmdt");
}
