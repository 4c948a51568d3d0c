/* Does with memory what its arguments say, one after the other, for recordings of which every
 * address and process id is known beforehand:
 *
 *   map=FILE,ADDR,LEN[,OFFSET]  map that part of FILE there, readable and executable
 *   unmap=ADDR,LEN              unmap it
 *   move=ADDR,LEN,TO            move it
 *   revoke=ADDR,LEN             take the execute bit away
 *   await=FILE                  wait until there is a FILE
 *   churn=FILE,ADDR,LEN,N       map and unmap it N times
 *   exec=PROGRAM,ARG...         become PROGRAM; the arguments that follow are its own
 *
 * Numbers are as strtoul has them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *words[8];

static void check(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static unsigned long number(int i)
{
	return words[i] ? strtoul(words[i], NULL, 0) : 0;
}

/* map maps as words from the first on say. */
static void map(int i, unsigned long offset)
{
	int fd = open(words[i], O_RDONLY | O_CLOEXEC);
	void *at = (void *)number(i + 1);

	check(fd >= 0, words[i]);
	check(mmap(at, number(i + 2), PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, offset) == at, words[i]);
	close(fd);
}

static void act(char *what, char **rest)
{
	void *at;
	int n = 0;

	memset(words, 0, sizeof(words));
	for (char *word = strtok(what, "=,"); word && n < 7; word = strtok(NULL, ","))
		words[n++] = word;
	at = (void *)number(1);
	if (!strcmp(words[0], "map")) {
		map(1, number(4));
	} else if (!strcmp(words[0], "unmap")) {
		check(munmap(at, number(2)) == 0, "unmap");
	} else if (!strcmp(words[0], "move")) {
		check(mremap(at, number(2), number(2), MREMAP_MAYMOVE | MREMAP_FIXED, number(3)) != MAP_FAILED, "move");
	} else if (!strcmp(words[0], "revoke")) {
		check(mprotect(at, number(2), PROT_READ) == 0, "revoke");
	} else if (!strcmp(words[0], "await")) {
		while (access(words[1], F_OK))
			usleep(10000);
	} else if (!strcmp(words[0], "churn")) {
		for (unsigned long i = number(4); i; i--) {
			map(1, 0);
			check(munmap((void *)number(2), number(3)) == 0, "unmap");
		}
	} else if (!strcmp(words[0], "exec")) {
		rest[0] = words[1];
		execv(words[1], rest);
		check(0, words[1]);
	} else {
		fprintf(stderr, "actor: %s?\n", words[0]);
		exit(64);
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		act(argv[i], argv + i);
	return 0;
}
