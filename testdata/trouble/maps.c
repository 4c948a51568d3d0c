/* What a process does to its address space. Most of it happens in arenas at addresses that the
 * kernel does not choose by itself, so that nothing but text that nobody executes is hit; all
 * threads of a process use the same ones. */
#include "trouble.h"

#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>

#ifndef SHM_EXEC
#define SHM_EXEC 0100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define ARENA_START 0x200000000000UL
#define ARENA_STRIDE 0x10000000UL

#define RX (PROT_READ | PROT_EXEC)

/* The protections that mappings get: executable ones more often than not. */
static int some_prot(unsigned n)
{
	static const int prots[] = { RX, RX, RX, RX, PROT_READ, PROT_NONE, PROT_READ | PROT_WRITE, RX | PROT_WRITE, PROT_EXEC };

	return prots[n % (sizeof(prots) / sizeof(*prots))];
}

struct range {
	char *start;
	size_t length;
};

/* Up to most pages somewhere in one arena. */
static struct range some_range(struct thread *th, unsigned arena, unsigned most)
{
	unsigned pages = 1 + draw(th, most);
	unsigned first = draw(th, ARENA_PAGES);

	if (first + pages > ARENA_PAGES)
		pages = ARENA_PAGES - first;
	return (struct range){ (char *)(ARENA_START + arena * ARENA_STRIDE + first * page), pages * page };
}

static void touch_range(struct thread *th, struct range r)
{
	touch(th, (uintptr_t)r.start, r.length);
}

static long mapped(void *p)
{
	return p == MAP_FAILED ? -1 : 0;
}

static long op_map(struct thread *th)
{
	struct range r = some_range(th, draw(th, ARENAS), 16);
	unsigned kind = draw(th, 8), number = draw(th, FILES), prot = some_prot(draw(th, 9)), first = draw(th, FILE_PAGES);
	int flags = draw(th, 3) ? MAP_PRIVATE : MAP_SHARED;
	int fixed = draw(th, 4) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	int fd = open_some(kind, number);
	long result;

	if (flags == MAP_SHARED)
		prot &= ~PROT_WRITE; /* it is open for reading */
	touch_range(th, r);
	if (fd < 0)
		return -1;
	result = mapped(mmap(r.start, r.length, prot, flags | fixed, fd, first * page));
	close(fd);
	return result;
}

/* Shared anonymous memory is a file to the kernel. */
static long op_mapanon(struct thread *th)
{
	struct range r = some_range(th, draw(th, ARENAS), 16);
	int prot = some_prot(draw(th, 9)), flags = draw(th, 3) ? MAP_PRIVATE : MAP_SHARED;

	touch_range(th, r);
	return mapped(mmap(r.start, r.length, prot, flags | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

/* Fails, some of it after what was there before has been unmapped. */
static long op_mapfail(struct thread *th)
{
	struct range r = some_range(th, draw(th, ARENAS), 16);
	unsigned way = draw(th, 4);
	long offset = 0, result;
	int fd;

	touch_range(th, r);
	switch (way) {
	case 0:
		fd = open(".", O_RDONLY | O_CLOEXEC);
		break;
	case 1:
		fd = open_some(0, 0);
		offset = 1;
		break;
	case 2:
		fd = open_some(0, 0);
		offset = -page;
		break;
	default:
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	if (fd < 0)
		return -1;
	/* By the system call: libc has its own view of offsets. */
	result = syscall(SYS_mmap, r.start, r.length, RX, MAP_SHARED | MAP_FIXED, fd, offset);
	close(fd);
	return result == -1 ? 0 : -1;
}

static long op_unmap(struct thread *th)
{
	struct range r = some_range(th, draw(th, ARENAS), draw(th, 8) ? 8 : ARENA_PAGES);

	touch_range(th, r);
	return munmap(r.start, r.length);
}

/* Over holes it changes what comes before them and fails then. */
static long op_protect(struct thread *th)
{
	struct range r = some_range(th, draw(th, ARENAS), 12);
	int prot = some_prot(draw(th, 9)), key = draw(th, 4) == 0;

	touch_range(th, r);
	if (key)
		return syscall(SYS_pkey_mprotect, r.start, r.length, prot, -1);
	return mprotect(r.start, r.length, prot);
}

static long op_remap(struct thread *th)
{
	unsigned arena = draw(th, ARENAS), other = draw(th, ARENAS), way = draw(th, 8);
	struct range from = some_range(th, arena, 8), to = some_range(th, other, 12);
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	size_t old = from.length;

	touch_range(th, from);
	switch (way) {
	case 0: /* shrinks */
		return mapped(mremap(from.start, old, old > (size_t)page ? old - page : old, 0));
	case 1: /* grows where it is, into a neighbour if it continues it */
		from.length += page;
		touch_range(th, from);
		return mapped(mremap(from.start, old, old + page, 0));
	case 2: /* a second time, if it is shared */
		old = 0;
		break;
	case 3:
		flags |= MREMAP_DONTUNMAP;
		to.length = old;
		break;
	case 4:
	case 5:
		to.length = old; /* since Linux 6.17 also of several VMAs */
		break;
	}
	touch_range(th, to);
	return mapped(mremap(from.start, old, to.length, flags, to.start));
}

static long op_lock(struct thread *th)
{
	struct range r = some_range(th, draw(th, ARENAS), 6);

	touch_range(th, r);
	return syscall(SYS_mlock2, r.start, r.length, 1 /* MLOCK_ONFAULT */);
}

static long op_unlock(struct thread *th)
{
	struct range r = some_range(th, draw(th, ARENAS), 12);

	touch_range(th, r);
	return munlock(r.start, r.length);
}

static long op_advise(struct thread *th)
{
	static const int advices[] = {
		MADV_RANDOM, MADV_NORMAL, MADV_NORMAL, MADV_SEQUENTIAL, MADV_DONTNEED, MADV_DONTDUMP,
		MADV_DODUMP, MADV_DONTFORK, MADV_DOFORK, MADV_DOFORK,
	};
	struct range r = some_range(th, draw(th, ARENAS), 8);
	int advice = advices[draw(th, sizeof(advices) / sizeof(*advices))];

	touch_range(th, r);
	return madvise(r.start, r.length, advice);
}

static long op_nonlinear(struct thread *th)
{
	struct range r = some_range(th, draw(th, ARENAS), 4);
	unsigned first = draw(th, FILE_PAGES);

	touch_range(th, r);
	return syscall(SYS_remap_file_pages, r.start, r.length, 0, (size_t)first, 0);
}

/* A segment that goes with its last mapping. Whoever is killed before it is marked for that
 * leaves it behind, so nobody may be. */
static long op_attach(struct thread *th)
{
	struct range r = some_range(th, draw(th, ARENAS), 8);
	int flags = draw(th, 3) ? SHM_EXEC : 0;
	void *p = (void *)-1;
	int id;

	if (draw(th, 2))
		flags |= SHM_REMAP;
	touch_range(th, r);
	if (!begin_create(th->proc))
		return -1;
	id = shmget(IPC_PRIVATE, r.length, IPC_CREAT | 0700);
	if (id >= 0) {
		p = shmat(id, r.start, flags);
		shmctl(id, IPC_RMID, NULL);
	}
	end_create(th->proc);
	return p == (void *)-1 ? -1 : 0;
}

static long op_detach(struct thread *th)
{
	unsigned arena = draw(th, ARENAS);
	struct range whole = { (char *)(ARENA_START + arena * ARENA_STRIDE), ARENA_PAGES * page };

	touch_range(th, whole);
	for (unsigned i = 0; i < ARENA_PAGES; i++)
		if (shmdt(whole.start + i * page) == 0)
			return 0;
	return -1;
}

/* A mapping for which the kernel chooses the place, or the end or the growth of one. The entry
 * is taken, so that two threads do not have the same. */
static long op_loose(struct thread *th)
{
	unsigned i = draw(th, MAX_LOOSE), pages = 1 + draw(th, 16), kind = draw(th, 8), number = draw(th, FILES);
	unsigned way = draw(th, 4), prot = some_prot(draw(th, 9)), first = draw(th, FILE_PAGES);
	uintptr_t entry = atomic_exchange(&th->proc->loose[i], 0);
	size_t length = entry % page * page;
	char *at = (char *)(entry - entry % page);

	if (!entry) {
		int fd = open_some(kind, number);

		if (fd < 0)
			return -1;
		length = pages * page;
		at = mmap(NULL, length, prot, MAP_PRIVATE, fd, first * page);
		close(fd);
	} else if (way < 2) {
		char *old = at;

		touch(th, (uintptr_t)at, length);
		at = mremap(at, length, pages * page, MREMAP_MAYMOVE);
		if (at == MAP_FAILED) {
			at = old; /* as it was */
			pages = length / page;
		}
		length = pages * page;
	} else {
		touch(th, (uintptr_t)at, length);
		return munmap(at, length);
	}
	if (at == MAP_FAILED)
		return -1;
	touch(th, (uintptr_t)at, length);
	/* What another thread has put there meanwhile is in nobody's hands now. */
	entry = atomic_exchange(&th->proc->loose[i], (uintptr_t)at | length / page);
	if (entry) {
		touch(th, entry - entry % page, entry % page * page);
		munmap((char *)(entry - entry % page), entry % page * page);
	}
	return 0;
}

/* Text in the heap, which goes when the heap shrinks. Nobody may allocate meanwhile. */
static long op_heap(struct thread *th)
{
	unsigned pages = 2 + draw(th, 8), kind = draw(th, 8), number = draw(th, FILES);
	long result = -1;
	uintptr_t old, from;
	int fd = open_some(kind, number);

	if (fd < 0)
		return -1;
	if (atomic_exchange(&th->proc->heap, 1)) {
		close(fd);
		return -1;
	}
	old = syscall(SYS_brk, 0);
	from = (old + page - 1) & -page;
	touch(th, from, pages * page);
	if ((uintptr_t)syscall(SYS_brk, from + pages * page) == from + pages * page) {
		result = mapped(mmap((char *)from + page, (pages - 1) * page, RX, MAP_PRIVATE | MAP_FIXED, fd, 0));
		syscall(SYS_brk, old);
	}
	atomic_store(&th->proc->heap, 0);
	close(fd);
	return result;
}

const struct op map_ops[] = {
	{ "map", 24, 0, op_map },
	{ "mapanon", 5, 0, op_mapanon },
	{ "mapfail", 3, 0, op_mapfail },
	{ "unmap", 12, 0, op_unmap },
	{ "protect", 20, 0, op_protect },
	{ "remap", 14, 0, op_remap },
	{ "lock", 4, 0, op_lock },
	{ "unlock", 4, 0, op_unlock },
	{ "advise", 8, 0, op_advise },
	{ "nonlinear", 3, 0, op_nonlinear },
	{ "attach", 2, 0, op_attach },
	{ "detach", 2, 0, op_detach },
	{ "loose", 10, 0, op_loose },
	{ "heap", 2, 0, op_heap },
	{ 0 },
};
