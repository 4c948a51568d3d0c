/* The first process: holds the others, lets them go, and does what a parent has to do. */
#include "trouble.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct state *state;
int state_fd, life_fd, life_end;

static struct proc conductor = { .stack = -1 };

void share_state(void)
{
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, state_fd, 0);
	if (state == MAP_FAILED)
		die("mmap state");
}

void make_state(const char *dir)
{
	if (chdir(dir))
		die(dir);
	state_fd = open("state", O_CREAT | O_TRUNC | O_RDWR, 0600);
	if (state_fd < 0 || ftruncate(state_fd, sizeof(*state)))
		die("state");
	share_state();
}

/* Everybody is parked, as two readings say without a birth in between: only who is not parked
 * can give birth. */
static int all_held(void)
{
	uint64_t births = atomic_load(&state->births);

	for (int i = 0; i < state->slots; i++) {
		struct slot *slot = &state->slot[i];
		int is = atomic_load(&slot->state);
		uint64_t crew = atomic_load(&slot->crew);

		if (is == SLOT_FREE)
			continue;
		if (is != SLOT_LIVE || crew / ONE_THREAD != crew % ONE_THREAD)
			return 0;
	}
	return atomic_load(&state->births) == births;
}

static int none_parked(void)
{
	for (int i = 0; i < state->slots; i++)
		if (atomic_load(&state->slot[i].state) == SLOT_LIVE && atomic_load(&state->slot[i].crew) % ONE_THREAD)
			return 0;
	return 1;
}

static int living(void)
{
	int n = 0;

	for (int i = 0; i < state->slots; i++)
		n += atomic_load(&state->slot[i].state) != SLOT_FREE;
	return n;
}

/* Waits until done says so, and dies after a minute. */
static void await(int (*done)(void), const char *what)
{
	uint64_t deadline = now() + 60000000000ULL;

	while (!done()) {
		reap(&conductor);
		usleep(500);
		if (now() < deadline)
			continue;
		for (int i = 0; i < state->slots; i++) {
			struct slot *slot = &state->slot[i];

			if (atomic_load(&slot->state) != SLOT_FREE)
				dprintf(2, "trouble: slot %d: state %d, process %d, crew %llx\n", i, atomic_load(&slot->state),
					atomic_load(&slot->pid), (unsigned long long)atomic_load(&slot->crew));
		}
		errno = ETIMEDOUT;
		die(what);
	}
}

static void wake(void)
{
	syscall(SYS_futex, &state->hold, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void hold(void)
{
	atomic_store(&state->hold, 1);
	await(all_held, "hold");
	printf("held %d", living());
	for (int i = 0; i < state->slots; i++)
		if (atomic_load(&state->slot[i].state) == SLOT_LIVE)
			printf(" %d", atomic_load(&state->slot[i].pid));
	printf("\n");
}

/* Nobody may still look parked when the next hold begins. */
static void go(void)
{
	atomic_store(&state->hold, 0);
	wake();
	await(none_parked, "go");
	printf("going\n");
}

static unsigned long long steps(void)
{
	unsigned long long n = 0;

	for (int i = 0; i < op_count(); i++)
		n += atomic_load(&state->tried[i]);
	return n;
}

static void count(void)
{
	printf("count %llu %llu", steps(), (unsigned long long)atomic_load(&state->crashes));
	for (int i = 0; i < op_count(); i++)
		printf(" %s=%llu/%llu", op_at(i)->name, (unsigned long long)atomic_load(&state->tried[i]),
		       (unsigned long long)atomic_load(&state->worked[i]));
	printf("\n");
}

static int nobody_lives(void)
{
	return living() == 0;
}

/* Orphans come to the conductor: when it has no child left, nobody is left. */
static void end(void)
{
	atomic_store(&state->end, 1);
	atomic_store(&state->hold, 0);
	wake();
	await(nobody_lives, "end");
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	printf("ended %llu %llu\n", steps(), (unsigned long long)atomic_load(&state->crashes));
	fflush(stdout);
	exit(atomic_load(&state->crashes) ? 1 : 0);
}

static void obey(const char *line)
{
	if (strcmp(line, "hold") == 0)
		hold();
	else if (strcmp(line, "go") == 0)
		go();
	else if (strcmp(line, "count") == 0)
		count();
	else if (strcmp(line, "end") == 0)
		end();
	else if (strcmp(line, "blink") == 0)
		blinks();
	else
		printf("what is %s?\n", line);
	fflush(stdout);
}

void begin(void)
{
	struct rlimit none = { 0, 0 };
	int ends[2];

	/* Nobody writes to it: it hangs up when this process, which alone has the other end, is
	 * gone. */
	if (pipe(ends) || fcntl(ends[1], F_SETFD, FD_CLOEXEC))
		die("pipe");
	life_fd = ends[0];
	life_end = ends[1];
	setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		die("prctl");
	make_files();
	if (state->blinks)
		return;
	for (long i = 0; i < (state->slots + 1) / 2 || i < state->logged; i++)
		start_worker(mix(state->seed ^ mix(i)), i < state->logged);
}

/* Reads commands, and does what a parent has to do meanwhile. */
void conduct(long seconds)
{
	uint64_t deadline = now() + seconds * 1000000000ULL, fresh = 0;
	static char line[256];
	size_t have = 0;

	for (;;) {
		struct pollfd p = { .fd = 0, .events = POLLIN };
		char *newline;

		if (poll(&p, 1, 10) > 0) {
			ssize_t n = read(0, line + have, sizeof(line) - 1 - have);

			if (n <= 0)
				end();
			have += n;
			line[have] = 0;
			while ((newline = strchr(line, '\n'))) {
				*newline = 0;
				obey(line);
				have -= newline + 1 - line;
				memmove(line, newline + 1, have + 1);
			}
			if (have == sizeof(line) - 1)
				end();
		}
		reap(&conductor);
		if ((seconds && now() > deadline) || (state->steps && living() == 0))
			end();
		/* When too many have ended, others begin. */
		while (!state->steps && !state->blinks && !atomic_load(&state->hold) && living() < state->slots / 2)
			start_worker(mix(state->seed + ++fresh * 1000003), 0);
	}
}

