// SPDX-License-Identifier: Apache-2.0
//
// limit walks the executable file-backed VMAs of processes with nothing but the ioctl: what
// is left when a program does no more than ask. Names always, build IDs of every VMA if the
// first argument is "buildid"; the second one tells how many of the PIDs, which are the other
// arguments, are the population's. For each byte that it reads it makes one pass and prints
// the nanoseconds that took, the number of VMAs, and that of the population; -1 for the VMAs if
// the kernel has no such ioctl.
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

// struct procmap_query of include/uapi/linux/fs.h, which older headers do not have.
struct query {
	__u64 size, flags, addr;
	__u64 start, end, vma_flags, page_size, offset, inode;
	__u32 major, minor;
	__u32 name_size, id_size;
	__u64 name, id;
};
_Static_assert(sizeof(struct query) == 104, "procmap_query");

#define QUERY _IOWR('f', 17, struct query)
#define WANT (0x04 | 0x10 | 0x20) // executable, covering or next, file-backed

static char name[4096];
static unsigned char id[20];

static long walk(const char *pid, int want_id)
{
	char path[64];
	struct query q;
	__u64 addr = 0;
	long n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	for (;;) {
		memset(&q, 0, sizeof(q));
		q.size = sizeof(q);
		q.flags = WANT;
		q.addr = addr;
		q.name = (__u64)(uintptr_t)name;
		q.name_size = sizeof(name);
		if (want_id) {
			q.id = (__u64)(uintptr_t)id;
			q.id_size = sizeof(id);
		}
		if (ioctl(fd, QUERY, &q) != 0)
			break;
		addr = q.end;
		n++;
	}
	if (errno == ENOTTY)
		n = -1;
	close(fd);
	return n;
}

static __u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	int want_id = argc > 1 && strcmp(argv[1], "buildid") == 0;
	int first = 3, others = argc > 2 ? first + atoi(argv[2]) : first;
	char go;

	while (read(0, &go, 1) == 1) {
		__u64 begin = now();
		long vmas = 0, own = 0;

		for (int i = first; i < argc; i++) {
			long n = walk(argv[i], want_id);

			if (n < 0) {
				vmas = -1;
				break;
			}
			vmas += n;
			if (i < others)
				own += n;
		}
		printf("%llu %ld %ld\n", (unsigned long long)(now() - begin), vmas, own);
		fflush(stdout);
	}
	return 0;
}
