/* What a logged process did, and what it had mapped then: its own /proc/self/maps, which is the
 * truth in a process of one thread that shares its address space with nobody.
 *
 *   S BEFORE AFTER PID NAME LO HI RESULT    a step, CLOCK_MONOTONIC ns; it touched [LO,HI)
 *   B BEFORE AFTER PID WAY                  a blink: before its birth, after its end
 *   M START END PERM OFFSET DEV INODE PATH  executable and of a file, in [LO,HI) after the step
 */
#include "trouble.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int fd = -1;
static char buf[1 << 17];
static size_t used;
static char maps[1 << 18];

void die(const char *what)
{
	dprintf(2, "trouble %d: %s: %m\n", getpid(), what);
	_exit(70);
}

uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* The name of a log holds wherever the process goes. */
void log_name(char *to, const char *name)
{
	int new = open(name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
	char full[4096];

	if (new < 0 || !realpath(name, full) || strlen(full) >= sizeof(state->log))
		die(name);
	strcpy(to, full);
	close(new);
}

/* Opens the log of a slot, or the one that all blinks write; -1. */
void log_open(int slot)
{
	char name[600];

	if (slot < 0)
		snprintf(name, sizeof(name), "%s", state->log);
	else
		snprintf(name, sizeof(name), "%s.%d", state->log, slot);
	fd = open(name, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		die(name);
	used = 0;
}

/* A child does not write its parent's log. */
void log_drop(void)
{
	if (fd >= 0)
		close(fd);
	fd = -1;
	used = 0;
}

void log_flush(void)
{
	for (size_t done = 0; fd >= 0 && done < used;) {
		ssize_t n = write(fd, buf + done, used - done);

		if (n <= 0)
			die("write log");
		done += n;
	}
	used = 0;
}

static void put(const char *format, ...)
{
	va_list args;

	if (sizeof(buf) - used < 8192)
		log_flush();
	va_start(args, format);
	used += vsnprintf(buf + used, sizeof(buf) - used, format, args);
	va_end(args);
}

static void read_maps(void)
{
	int in = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n;

	if (in < 0)
		die("/proc/self/maps");
	while ((n = read(in, maps + have, sizeof(maps) - 1 - have)) > 0)
		have += n;
	if (n < 0 || have == sizeof(maps) - 1)
		die("read /proc/self/maps");
	maps[have] = 0;
	close(in);
}

void log_step(const char *name, uint64_t before, uint64_t after, struct thread *th)
{
	if (fd < 0)
		return;
	put("S %llu %llu %d %s %lx %lx %ld\n", (unsigned long long)before, (unsigned long long)after,
	    getpid(), name, th->lo, th->hi, th->result);
	if (th->lo == th->hi)
		return;
	read_maps();
	for (char *line = maps, *end; (end = strchr(line, '\n')); line = end + 1) {
		unsigned long start, stop, offset, inode;
		char perm[5], dev[16];
		int at = 0;

		*end = 0;
		if (sscanf(line, "%lx-%lx %4s %lx %15s %lu %n", &start, &stop, perm, &offset, dev, &inode, &at) < 6)
			die("parse /proc/self/maps");
		if (perm[2] == 'x' && line[at] == '/' && start < th->hi && stop > th->lo)
			put("M %lx %lx %s %lx %s %lu %s\n", start, stop, perm, offset, dev, inode, line + at);
	}
}

void log_blink(int pid, uint64_t before, uint64_t after, const char *way)
{
	if (fd >= 0)
		put("B %llu %llu %d %s\n", (unsigned long long)before, (unsigned long long)after, pid, way);
}
