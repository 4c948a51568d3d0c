// SPDX-License-Identifier: Apache-2.0
//
// usage runs a command and prints on descriptor 3 its wall-clock time, user and system CPU
// time in microseconds and its peak memory in KiB. It is small and forks, because the peak
// that wait4 reports is never below that of the program that started the command: from a Go
// program that is the larger of the two.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long micros(struct timeval t)
{
	return t.tv_sec * 1000000L + t.tv_usec;
}

int main(int argc, char **argv)
{
	struct timespec a, b;
	struct rusage u;
	int status;
	pid_t pid;

	if (argc < 2)
		return 125;
	clock_gettime(CLOCK_MONOTONIC, &a);
	pid = fork();
	if (pid == 0) {
		close(3);
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &u) != pid)
		return 126;
	clock_gettime(CLOCK_MONOTONIC, &b);
	dprintf(3, "%ld %ld %ld %ld\n",
		(b.tv_sec - a.tv_sec) * 1000000L + (b.tv_nsec - a.tv_nsec) / 1000,
		micros(u.ru_utime), micros(u.ru_stime), u.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
