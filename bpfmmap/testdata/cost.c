/*
 * What system calls cost, and a load of them.
 *
 *	cost FILE measure		prints "KIND NANOSECONDS" for each kind of call, the best of
 *					several rounds, at each line of standard input
 *	cost FILE load WORKERS		maps and unmaps FILE in so many processes until standard
 *					input ends
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 40 /* short ones: other work on the machine misses some */
#define LENGTH 65536
#define MAX_WORKERS 64

static int file;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* pair maps and unmaps, and ends the process if that fails. */
static void pair(int prot, int flags)
{
	void *p = mmap(NULL, LENGTH, prot, MAP_PRIVATE | flags, flags & MAP_ANONYMOUS ? -1 : file, 0);

	if (p == MAP_FAILED || munmap(p, LENGTH))
		_exit(1);
}

static void text(void)
{
	pair(PROT_READ | PROT_EXEC, 0);
}

static void data(void)
{
	pair(PROT_READ, 0);
}

static void anon(void)
{
	pair(PROT_READ | PROT_WRITE, MAP_ANONYMOUS);
}

static void other(void)
{
	syscall(SYS_getppid);
}

static void run(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execl("/proc/self/exe", "cost", "/dev/null", "nothing", NULL);
		_exit(1);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		_exit(1);
}

static const struct {
	const char *name;
	void (*call)(void);
	int count;
} kinds[] = {
	{ "text", text, 300 }, { "data", data, 300 }, { "anon", anon, 300 }, { "getppid", other, 2000 }, { "run", run, 2 },
};

static void measure(void)
{
	for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		uint64_t best = UINT64_MAX;

		for (int round = 0; round < ROUNDS; round++) {
			uint64_t start = now(), spent;

			for (int i = 0; i < kinds[k].count; i++)
				kinds[k].call();
			spent = (now() - start) / kinds[k].count;
			if (spent < best)
				best = spent;
		}
		printf("%s %lu ", kinds[k].name, (unsigned long)best);
	}
	puts("");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	pid_t workers[MAX_WORKERS];
	char line[16];
	int count;

	if (argc < 3 || !strcmp(argv[2], "nothing"))
		return 0;
	file = open(argv[1], O_RDONLY);
	if (file < 0)
		return 1;
	puts("ready");
	fflush(stdout);
	if (!strcmp(argv[2], "measure")) {
		while (fgets(line, sizeof(line), stdin))
			measure();
		return 0;
	}
	count = argc > 3 ? atoi(argv[3]) : 0;
	for (int i = 0; i < count && i < MAX_WORKERS; i++) {
		workers[i] = fork();
		if (workers[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			text();
	}
	while (fgets(line, sizeof(line), stdin))
		continue;
	for (int i = 0; i < count && i < MAX_WORKERS; i++) {
		kill(workers[i], SIGKILL);
		waitpid(workers[i], NULL, 0);
	}
	return 0;
}
