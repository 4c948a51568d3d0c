/* Processes that are gone within a moment. */
#include "trouble.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void map_page(unsigned number)
{
	int fd = open_some(7, number);

	if (fd >= 0)
		mmap(NULL, 2 * page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, page);
}

/* The program that blinks execute: NUMBER [LOG]. It knows no state; its files hold still. */
int blink_main(char **argv)
{
	struct thread th = { 0 };
	static struct state none;
	uint64_t before = now();

	state = &none;
	map_page(atoi(argv[0]));
	if (argv[1]) {
		snprintf(none.log, sizeof(none.log), "%s", argv[1]);
		touch_all(&th);
		log_open(-1);
		log_step("blink", before, now(), &th);
		log_flush();
	}
	return 0;
}

static void wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* A child that is gone within a moment, most of them in another program. Creators hold
 * begin_create: nobody else ends the process while it is waited for. */
static long op_blink(struct thread *th)
{
	unsigned way = draw(th, 6), kind = draw(th, 64), number = draw(th, FILES);
	char path[64], which[8];
	char *argv[] = { "blink", "--blink", which, NULL };
	const char *exe = program(kind, path, sizeof(path));
	long pid = -1;

	snprintf(which, sizeof(which), "%u", number);
	if (!begin_create(th->proc))
		return -1;
	if (th->proc->raw && way != 1)
		way = 0;
	switch (way) {
	case 0: /* forks, maps a file, ends */
	case 2: /* forks, executes */
		pid = th->proc->raw ? syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
		if (pid == 0) {
			log_drop();
			if (way == 0)
				{
				map_page(number);
				syscall(SYS_exit_group, 0);
			}
			execve(exe, argv, environ);
			_exit(0);
		}
		break;
	case 1:
	case 3:
		pid = vfork();
		if (pid == 0) {
			execve(exe, argv, environ);
			_exit(0);
		}
		break;
	default: {
		pid_t spawned;

		/* It may allocate. */
		if (atomic_exchange(&th->proc->heap, 1))
			break;
		if (posix_spawn(&spawned, exe, NULL, NULL, argv, environ) == 0)
			pid = spawned;
		atomic_store(&th->proc->heap, 0);
	}
	}
	if (pid > 0)
		wait_for(pid);
	end_create(th->proc);
	return pid;
}

const struct op blink_ops[] = {
	{ "blink", 3, 0, op_blink },
	{ 0 },
};

/* One blink after the other, each of which logs what it has mapped. */
void blinks(void)
{
	static const char *const ways[] = { "fork", "vfork", "spawn" };

	if (*state->log)
		log_open(-1);
	for (long i = 0; i < state->blinks; i++) {
		char which[8];
		char *argv[] = { "blink", "--blink", which, *state->log ? state->log : NULL, NULL };
		uint64_t before = now();
		pid_t pid = -1;

		snprintf(which, sizeof(which), "%ld", i % FILES);
		if (i % 3 == 2)
			errno = posix_spawn(&pid, "still/prog", NULL, NULL, argv, environ);
		else
			pid = i % 3 ? vfork() : fork();
		if (pid == 0) {
			execve("still/prog", argv, environ);
			_exit(127);
		}
		if (pid < 0)
			die("blink");
		wait_for(pid);
		log_blink(pid, before, now(), ways[i % 3]);
	}
	log_flush();
	log_drop();
	printf("blinked %ld\n", state->blinks);
}
