/* A process and a second one that shares its address space. Prints "PID" of the second,
 * then both wait until standard input ends. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int wait_forever(void *unused)
{
	(void)unused;
	while (pause() == -1)
		continue;
	return 0;
}

int main(void)
{
	const size_t size = 64 * 1024;
	char *stack = malloc(size);
	char byte;
	int pid;

	if (stack == NULL)
		return 1;
	pid = clone(wait_forever, stack + size, CLONE_VM | SIGCHLD, NULL);
	if (pid < 0)
		return 1;
	printf("%d\n", pid);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}
