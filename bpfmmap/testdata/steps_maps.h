/* Steps of steps.c that change what is mapped. */

static int do_mmap(void)
{
	void *p = mmap(NULL, 4 * page, RX, MAP_PRIVATE, text, 3 * page);

	return need(p != MAP_FAILED, "mmap");
}

static int do_shared(void)
{
	map_as(0, 4, RX, MAP_SHARED, 0);
	map_as(8, 2, RX, MAP_SHARED | MAP_ANONYMOUS, 0);
	return 0;
}

static int do_merge(void)
{
	map(0, 2, RX, 0);
	map(4, 2, RX, 4);
	map(2, 2, RX, 2);
	return 0;
}

static int do_fixed_anon(void)
{
	map(0, 8, RX, 0);
	anon(2, 3, R | W);
	return 0;
}

static int do_fixed_jit(void)
{
	map(0, 8, RX, 0);
	anon(5, 8, RX);
	return 0;
}

static int do_fixed_file(void)
{
	map(0, 8, RX, 0);
	map(3, 2, RX, 20);
	map(6, 4, R, 6);
	return 0;
}

static int do_fixed_bad(void)
{
	map(0, 8, RX, 0);
	/* Past the highest offset: refused before or after the range was emptied. */
	mmap(at + page, 2 * page, RX, MAP_PRIVATE | MAP_FIXED, text, 1UL << 62);
	mmap(at + 4 * page, 2 * page, RX, MAP_PRIVATE | MAP_FIXED, -1, 0);
	mmap(at + 4 * page, 2 * page, RX, MAP_PRIVATE | MAP_FIXED, to_child < 0 ? 0 : to_child, 0);
	return 0;
}

static int do_noreplace(void)
{
	map(0, 4, RX, 0);
	mmap(at + page, 2 * page, R, MAP_PRIVATE | MAP_FIXED_NOREPLACE, text, 0);
	mmap(at + 8 * page, 2 * page, RX, MAP_PRIVATE | MAP_FIXED_NOREPLACE, text, 0);
	return 0;
}

static int do_unmap(void)
{
	map(0, 4, RX, 0);
	return unmap(0, 4);
}

static int do_unmap_parts(void)
{
	map(0, 4, RX, 0);
	map(8, 4, RX, 0);
	map(16, 4, RX, 0);
	return unmap(0, 1) ?: unmap(10, 1) ?: unmap(19, 1);
}

static int do_unmap_across(void)
{
	map(0, 4, RX, 0);
	anon(4, 4, R | W);
	map(10, 4, RX, 7);
	map(14, 4, R, 3);
	return unmap(2, 10);
}

static void *unmap_in_thread(void *arg)
{
	return (void *)(intptr_t)unmap(1, 2);
}

static int do_unmap_thread(void)
{
	pthread_t thread;
	void *result;

	map(0, 4, RX, 0);
	if (pthread_create(&thread, NULL, unmap_in_thread, NULL))
		return fail("pthread_create");
	pthread_join(thread, &result);
	return (intptr_t)result;
}

/* Threads that keep changing the space, each its own part. */
static volatile int stop;

static void *hammer(void *arg)
{
	char *mine = at + (intptr_t)arg * 64 * page;

	for (unsigned i = 0; !stop; i++) {
		mmap(mine + i % 7 * page, 4 * page, i % 3 ? RX : R, MAP_PRIVATE | MAP_FIXED, text, i % 50 * page);
		if (i % 5 == 0)
			munmap(mine + i % 4 * page, 2 * page);
		if (i % 5 == 1)
			mprotect(mine, 3 * page, i & 1 ? R : RX);
	}
	return NULL;
}

static int do_hammer(void)
{
	pthread_t threads[3];

	stop = 0;
	for (intptr_t i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, hammer, (void *)i))
			return fail("pthread_create");
	usleep(300000);
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static int do_move(void)
{
	map(0, 4, RX, 5);
	return need(mremap(at, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED, at + 32 * page) != MAP_FAILED, "mremap");
}

static int do_move_part(void)
{
	map(0, 8, RX, 5);
	return need(mremap(at + 2 * page, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, at + 32 * page) != MAP_FAILED,
		    "mremap");
}

static int do_move_onto(void)
{
	map(0, 4, RX, 5);
	map(32, 8, RX, 20);
	return need(mremap(at, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED, at + 34 * page) != MAP_FAILED, "mremap");
}

static int do_move_anon_onto(void)
{
	anon(0, 4, R | W);
	map(32, 8, RX, 20);
	return need(mremap(at, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED, at + 34 * page) != MAP_FAILED, "mremap");
}

static int do_move_grow(void)
{
	map(0, 4, RX, 5);
	anon(4, 1, R); /* in the way */
	return need(mremap(at, 4 * page, 9 * page, MREMAP_MAYMOVE) != MAP_FAILED, "mremap");
}

static int do_shrink(void)
{
	map(0, 8, RX, 5);
	return need(mremap(at, 8 * page, 3 * page, 0) != MAP_FAILED, "mremap");
}

static int do_grow(void)
{
	map(0, 3, RX, 5);
	return need(mremap(at, 3 * page, 7 * page, 0) != MAP_FAILED, "mremap");
}

static int do_grow_merge(void)
{
	map(0, 3, RX, 5);
	map(5, 2, RX, 10);
	return need(mremap(at, 3 * page, 5 * page, 0) != MAP_FAILED, "mremap");
}

static int do_dontunmap(void)
{
	map(0, 4, RX, 5);
	if (mremap(at, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, at + 32 * page) != MAP_FAILED)
		return 0;
	return errno == EINVAL ? 1 : fail("mremap");
}

static int do_duplicate(void)
{
	map_as(0, 4, RX, MAP_SHARED, 5);
	return need(mremap(at, 0, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED, at + 32 * page) != MAP_FAILED, "mremap");
}

/* Several VMAs at once: since 6.17. */
static int do_move_many(void)
{
	map(0, 2, RX, 0);
	map(2, 2, R, 30);
	map(5, 2, RX, 10);
	map(34, 2, RX, 40);
	if (mremap(at, 7 * page, 7 * page, MREMAP_MAYMOVE | MREMAP_FIXED, at + 32 * page) != MAP_FAILED)
		return 0;
	return errno == EFAULT ? 1 : fail("mremap");
}

/* Fails, after its target was emptied. */
static int do_move_fail(void)
{
	map(32, 8, RX, 20);
	mremap(at, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED, at + 34 * page);
	return 0;
}

static int do_protect_exec(void)
{
	map(0, 8, R, 0);
	return protect(2, 3, RX);
}

static int do_protect_read(void)
{
	map(0, 8, RX, 0);
	return protect(2, 3, R);
}

static int do_protect_none(void)
{
	map(0, 8, RX, 0);
	return protect(0, 8, PROT_NONE);
}

static int do_protect_write(void)
{
	map(0, 8, RX, 0);
	return protect(3, 2, RX | W);
}

static int do_protect_hole(void)
{
	map(0, 2, RX, 0);
	map(4, 2, RX, 4);
	map(16, 2, R, 0);
	map(20, 2, R, 4);
	mprotect(at, 6 * page, R);
	mprotect(at + 16 * page, 6 * page, RX);
	return 0;
}

static int do_protect_back(void)
{
	map(0, 8, RX, 0);
	return protect(2, 2, R) ?: protect(2, 2, RX);
}

static int do_protect_key(void)
{
	map(0, 8, RX, 0);
	map(16, 8, R, 0);
	if (!syscall(SYS_pkey_mprotect, at + 2 * page, 2 * page, R, -1) &&
	    !syscall(SYS_pkey_mprotect, at + 18 * page, 2 * page, RX, -1))
		return 0;
	return fail("pkey_mprotect");
}

static int do_read_implies_exec(void)
{
	int old = personality(0xffffffff), result;

	map(0, 2, R, 0);
	personality(old | READ_IMPLIES_EXEC);
	map(4, 2, R, 0);
	result = protect(0, 1, R);
	personality(old);
	return result;
}

static int attach_segment(int flags, long to)
{
	int id = shmget(IPC_PRIVATE, 4 * page, IPC_CREAT | 0700);
	void *p;

	if (id < 0)
		return errno == ENOSYS ? 1 : fail("shmget");
	p = shmat(id, at + to * page, flags);
	shmctl(id, IPC_RMID, NULL);
	return need(p != (void *)-1, "shmat");
}

static int do_shm(void)
{
	return attach_segment(SHM_EXEC, 0) ?: attach_segment(0, 16);
}

static int do_shm_detach(void)
{
	return attach_segment(SHM_EXEC, 0) ?: need(!shmdt(at), "shmdt");
}

static int do_shm_onto(void)
{
	map(0, 8, RX, 0);
	return attach_segment(SHM_REMAP, 2);
}

static int do_remap_pages(void)
{
	map_as(0, 8, RX, MAP_SHARED, 0);
	if (!remap_file_pages(at + 2 * page, 2 * page, 0, 20, 0))
		return 0;
	return errno == ENOSYS ? 1 : fail("remap_file_pages");
}

static int do_brk(void)
{
	char *old = sbrk(0), *top;

	old = (char *)(((uintptr_t)old + page - 1) & -page);
	if (brk(old + 16 * page))
		return fail("brk");
	top = old + 8 * page;
	if (mmap(top, 4 * page, RX, MAP_PRIVATE | MAP_FIXED, text, 0) == MAP_FAILED)
		return fail("mmap");
	return need(!brk(old + 10 * page), "brk");
}

/* Pages go, the mapping stays. */
static int do_discard(void)
{
	volatile char *p = map(0, 8, RX, 0);

	for (int i = 0; i < 8; i++)
		(void)p[i * page];
	if (madvise(at + 2 * page, 3 * page, MADV_DONTNEED))
		return fail("madvise");
	if (ftruncate(text, 4 * page) || ftruncate(text, 64 * page))
		return fail("ftruncate");
	return 0;
}

static int do_split(void)
{
	map(0, 8, RX, 0);
	if (madvise(at + 2 * page, 2 * page, MADV_RANDOM) || madvise(at + 2 * page, 2 * page, MADV_NORMAL))
		return fail("madvise");
	map(16, 8, RX, 0);
	mlock(at + 18 * page, 2 * page);
	munlock(at + 18 * page, 2 * page);
	return 0;
}

/* More VMAs than one event has room for. */
static int do_many(void)
{
	for (int i = 0; i < 50; i++)
		map(2 * i, 1, RX, i);
	map(200, 50, RX, 0);
	for (int i = 0; i < 50; i += 2)
		if (protect(200 + i, 1, R))
			return -1;
	return unmap(7, 11) ?: protect(200, 50, RX) ?: protect(0, 1, R) ?: protect(210, 30, R);
}

/* More than the filter looks at. */
static int do_large(void)
{
	char name[4096];
	int old = text, result;
	long pages = (300L << 20) / page;

	at = (char *)0x100000000000;
	snprintf(name, sizeof(name), "%s/large", dir);
	text = open(name, O_RDWR | O_CREAT, 0700);
	if (text < 0 || ftruncate(text, pages * page))
		return fail("large");
	map(0, pages, RX, 0);
	result = unmap(pages / 2, 20);
	close(text);
	text = old;
	return result;
}

static int do_comm(void)
{
	return need(!prctl(PR_SET_NAME, "another name"), "prctl");
}
