/*
 * Changes its own address space, a step at a time. Each line of standard input names a step;
 * when it is done, the answer is "ok", "ok PID" if it left a child to look at, "skip REASON" if
 * this kernel cannot do it, or an error. "done" lets the last child go. What a step mapped
 * stays, each step at addresses of its own.
 *
 * The first argument is a directory with the file "text", of 64 pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define R PROT_READ
#define W PROT_WRITE
#define X PROT_EXEC
#define RX (R | X)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static long page;
static int text, child, to_child = -1;
static char *at; /* where this step's addresses begin: 16 MiB */
static char **environment;
static const char *self, *dir;

static char failure[256];

static int fail(const char *what)
{
	snprintf(failure, sizeof(failure), "%s: %m", what);
	return -1;
}

static int need(int ok, const char *what)
{
	return ok ? 0 : fail(what);
}

/* map maps pages of the file at a page of this step's addresses. */
static char *map_as(long to, long pages, int prot, int flags, long from)
{
	void *p = mmap(at + to * page, pages * page, prot, flags | MAP_FIXED, flags & MAP_ANONYMOUS ? -1 : text,
		       from * page);

	if (p == MAP_FAILED) {
		printf("mmap: %m\n");
		exit(1);
	}
	return p;
}

static char *map(long to, long pages, int prot, long from)
{
	return map_as(to, pages, prot, MAP_PRIVATE, from);
}

static char *anon(long to, long pages, int prot)
{
	return map_as(to, pages, prot, MAP_PRIVATE | MAP_ANONYMOUS, 0);
}

static int unmap(long to, long pages)
{
	return need(!munmap(at + to * page, pages * page), "munmap");
}

static int protect(long to, long pages, int prot)
{
	return need(!mprotect(at + to * page, pages * page, prot), "mprotect");
}

#include "steps_maps.h"
#include "steps_processes.h"
#ifdef __x86_64__
#include "steps_ia32.h"
#endif

static const struct step {
	const char *name;
	int (*run)(void); /* 0, 1 = this kernel cannot, -1 = failure */
} steps[] = {
	{ "mmap", do_mmap },
	{ "shared", do_shared },
	{ "merge", do_merge },
	{ "fixed-anon", do_fixed_anon },
	{ "fixed-jit", do_fixed_jit },
	{ "fixed-file", do_fixed_file },
	{ "fixed-bad", do_fixed_bad },
	{ "noreplace", do_noreplace },
	{ "unmap", do_unmap },
	{ "unmap-parts", do_unmap_parts },
	{ "unmap-across", do_unmap_across },
	{ "unmap-thread", do_unmap_thread },
	{ "hammer", do_hammer },
	{ "move", do_move },
	{ "move-part", do_move_part },
	{ "move-onto", do_move_onto },
	{ "move-anon-onto", do_move_anon_onto },
	{ "move-grow", do_move_grow },
	{ "move-many", do_move_many },
	{ "move-fail", do_move_fail },
	{ "shrink", do_shrink },
	{ "grow", do_grow },
	{ "grow-merge", do_grow_merge },
	{ "dontunmap", do_dontunmap },
	{ "duplicate", do_duplicate },
	{ "protect-exec", do_protect_exec },
	{ "protect-read", do_protect_read },
	{ "protect-none", do_protect_none },
	{ "protect-write", do_protect_write },
	{ "protect-hole", do_protect_hole },
	{ "protect-back", do_protect_back },
	{ "protect-key", do_protect_key },
	{ "read-implies-exec", do_read_implies_exec },
	{ "shm", do_shm },
	{ "shm-detach", do_shm_detach },
	{ "shm-onto", do_shm_onto },
	{ "remap-pages", do_remap_pages },
	{ "brk", do_brk },
	{ "discard", do_discard },
	{ "split", do_split },
	{ "many", do_many },
	{ "large", do_large },
	{ "comm", do_comm },
	{ "fork", do_fork },
	{ "dontfork", do_dontfork },
	{ "clone-vm", do_clone_vm },
	{ "exec", do_exec },
	{ "vfork", do_vfork },
	{ "spawn", do_spawn },
	{ "exec-thread", do_exec_thread },
	{ "leader-exits", do_leader_exits },
	{ "chroot", do_chroot },
	{ "namespace", do_namespace },
	{ "pivot", do_pivot },
#ifdef __x86_64__
	{ "ia32-mmap", do_ia32_mmap },
	{ "ia32-old-mmap", do_ia32_old_mmap },
	{ "ia32-munmap", do_ia32_munmap },
	{ "ia32-mprotect", do_ia32_mprotect },
	{ "ia32-mremap", do_ia32_mremap },
	{ "ia32-shm", do_ia32_shm },
#endif
};

static void answer(const char *name)
{
	static char *next = (char *)0x200000000000;

	at = next;
	next += 16 << 20;
	child = 0;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (strcmp(steps[i].name, name))
			continue;
		switch (steps[i].run()) {
		case 0:
			if (child)
				printf("ok %d\n", child);
			else
				printf("ok\n");
			return;
		case 1:
			printf("skip this kernel has no such thing\n");
			return;
		default:
			printf("%s: %s\n", name, failure);
			return;
		}
	}
	printf("%s: no such step\n", name);
}

int main(int argc, char **argv, char **env)
{
	char name[4096];
	int status;

	page = sysconf(_SC_PAGESIZE);
	environment = env;
	self = argv[0];
	if (argc > 1 && !strcmp(argv[1], "wait")) {
		/* The step waits for this; the end of standard input ends it. */
		if (write(3, "x", 1) != 1)
			return 1;
		close(3);
		while (read(0, name, 1) < 0 && errno == EINTR)
			;
		return 7;
	}
	if (argc < 2) {
		for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
			printf("%s\n", steps[i].name);
		return 0;
	}
	dir = argv[1];
	snprintf(name, sizeof(name), "%s/text", dir);
	text = open(name, O_RDWR | O_CLOEXEC);
	if (text < 0) {
		printf("%s: %m\n", name);
		return 1;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pipe2(to_wait, O_CLOEXEC))
		return 1;
	printf("ready\n");
	fflush(stdout);
	while (fgets(name, sizeof(name), stdin)) {
		name[strcspn(name, "\n")] = 0;
		if (!strcmp(name, "done")) {
			close(to_wait[1]);
			while (waitpid(child, &status, __WALL) < 0 && errno == EINTR)
				;
			close(to_wait[0]);
			if (pipe2(to_wait, O_CLOEXEC))
				return 1;
			printf("ok %d\n", status);
		} else {
			answer(name);
		}
		fflush(stdout);
	}
	return 0;
}
