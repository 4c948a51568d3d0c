/*
 * flood N RATE BURNERS: maps executable text of its own file N times, and unmaps it, at most RATE
 * times a second (0: as fast as it can), beside so many processes that keep the processors busy.
 * Says "ready" first and waits for a line; then how long it took, in ns.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
	long n, rate, burners;
	long long begun, took;
	pid_t *pids;
	int fd;

	if (argc != 4)
		return 2;
	n = atol(argv[1]), rate = atol(argv[2]), burners = atol(argv[3]);
	fd = open("/proc/self/exe", O_RDONLY);
	pids = calloc(burners + 1, sizeof(*pids));
	if (fd < 0 || !pids)
		return 1;
	for (long i = 0; i < burners; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				__asm__ volatile("");
		}
	}
	puts("ready");
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	begun = now();
	for (long i = 0; i < n; i++) {
		void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

		if (at == MAP_FAILED || munmap(at, 4096))
			return 1;
		while (rate && (now() - begun) * rate < i * 1000000000LL)
			;
	}
	took = now() - begun;
	for (long i = 0; i < burners; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	printf("%lld\n", took);
	return 0;
}
