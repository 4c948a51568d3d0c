/* Processes that are hard to record. The first argument is the mode; each mode prepares
 * itself, prints "ready", or "ready PID" if the test needs another process's number, and
 * waits until standard input ends. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RX (PROT_READ | PROT_EXEC)

static long page;

static void die(const char *what)
{
	printf("%s: %m\n", what);
	fflush(stdout);
	_exit(1);
}

static int ended(int timeout)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };

	return poll(&p, 1, timeout) > 0;
}

static void hold(int pid)
{
	if (pid)
		printf("ready %d\n", pid);
	else
		printf("ready\n");
	fflush(stdout);
	ended(-1);
}

static char *map_fd(int fd, long offset, long pages)
{
	char *p = mmap(NULL, pages * page, RX, MAP_PRIVATE, fd, offset * page);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static int open_file(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC, 0755);

	if (fd < 0)
		die(name);
	return fd;
}

static void map(const char *name)
{
	int fd = open_file(name, O_RDONLY);

	map_fd(fd, 0, 1);
	close(fd);
}

static void copy(const char *from, int to)
{
	int fd = open_file(from, O_RDONLY);
	char buf[1 << 16];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(to, buf, n) != n)
			die("write");
	close(fd);
}

static int memfd(const char *from)
{
	int fd = memfd_create("lib of memory", 0);

	if (fd < 0)
		die("memfd_create");
	copy(from, fd);
	return fd;
}

/* The first thread exits, the second one lives on. */
static void *second_thread(void *leader)
{
	pthread_join(*(pthread_t *)leader, NULL);
	/* The join can return a moment before the leader is a zombie. */
	for (;;) {
		char name[64], line[512] = "";
		char *state;
		int fd;

		snprintf(name, sizeof(name), "/proc/self/task/%d/stat", getpid());
		fd = open_file(name, O_RDONLY);
		if (read(fd, line, sizeof(line) - 1) < 0)
			die(name);
		close(fd);
		state = strrchr(line, ')');
		if (state && state[2] == 'Z')
			break;
		sched_yield();
	}
	hold(syscall(SYS_gettid));
	_exit(0);
}

static void leader_exits(void)
{
	static pthread_t self;
	pthread_t second;

	self = pthread_self();
	if (pthread_create(&second, NULL, second_thread, &self))
		die("pthread_create");
	pthread_exit(NULL);
}

static int orphan(void *unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
	return 0;
}

/* A second process in the same address space. */
static void share_space(void)
{
	const size_t size = 64 << 10;
	char *stack = malloc(size);
	int pid = clone(orphan, stack + size, CLONE_VM | SIGCHLD, NULL);

	if (pid < 0)
		die("clone");
	hold(pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Count VMAs: every second page can be executed. */
static void many(const char *name, long count)
{
	int fd = open_file(name, O_CREAT | O_RDWR);
	char *p;

	if (ftruncate(fd, count * page))
		die("ftruncate");
	p = map_fd(fd, 0, count);
	for (long i = 1; i < count; i += 2)
		if (mprotect(p + i * page, page, PROT_READ))
			die("mprotect");
}

/* Becomes other, which becomes this program again, until standard input ends. Each maps
 * a few pages of itself, which no two mappings can be merged of. */
static void flip(char *self, char *other, const char *start)
{
	char *args[] = { other, "flip", self, NULL };

	for (int i = 0; i < 32; i++) {
		int fd = open_file(self, O_RDONLY);

		map_fd(fd, i % 2, 1);
		close(fd);
	}
	if (start) {
		printf("ready\n");
		fflush(stdout);
	}
	if (ended(0))
		return;
	execv(other, args);
	die("execv");
}

/* Children that are born and die, some of them in another program: never more than a few
 * at once. */
static void storm(char *self)
{
	printf("ready\n");
	fflush(stdout);
	for (unsigned i = 0; !ended(0); i++) {
		char *args[] = { self, "quit", NULL };
		int pid = i % 2 ? fork() : vfork();

		if (pid == 0) {
			if (i % 4 < 2)
				execv(self, args);
			_exit(0);
		}
		if (i >= 16)
			waitpid(-1, NULL, 0);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void zombie(void)
{
	siginfo_t info;
	int pid = fork();

	if (pid == 0)
		_exit(0);
	if (waitid(P_PID, pid, &info, WEXITED | WNOWAIT))
		die("waitid");
	hold(pid);
	waitpid(pid, NULL, 0);
}

/* Three VMAs of code without a file. */
static void jit(void)
{
	for (int i = 0; i < 3; i++) {
		char *p = mmap(NULL, 2 * page, RX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED || mprotect(p + page, page, PROT_NONE))
			die("mmap");
	}
}

/* The first segment of an IPC namespace: its inode number is 0. */
static void shared_segment(void)
{
	int id;

	if (unshare(CLONE_NEWIPC))
		die("unshare");
	id = shmget(IPC_PRIVATE, page, IPC_CREAT | 0700);
	if (id < 0 || shmat(id, NULL, SHM_EXEC) == (void *)-1)
		die("shmat");
	shmctl(id, IPC_RMID, NULL);
}

/* A file system, and a root directory in it, that nobody else sees. */
static void contain(const char *dir, const char *from, int pivot)
{
	int fd;

	if (unshare(CLONE_NEWNS) || mount("", "/", "", MS_REC | MS_PRIVATE, "") ||
	    mount("tmpfs", dir, "tmpfs", 0, "") || chdir(dir))
		die("mount");
	fd = open_file("lib.so", O_CREAT | O_RDWR);
	copy(from, fd);
	close(fd);
	if (pivot) {
		if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH))
			die("pivot_root");
	} else if (chroot(".")) {
		die("chroot");
	}
	if (chdir("/"))
		die("chdir");
	map("/lib.so");
}

/* Three pages of a file whose first and last are there always, while the middle one comes
 * and goes: they are two VMAs and one in turn, so that a walk can see VMAs that overlap. */
static void restless(const char *name)
{
	int fd = open_file(name, O_RDONLY);
	char *p = map_fd(fd, 0, 3);

	printf("ready\n");
	fflush(stdout);
	while (!ended(0)) {
		for (int i = 0; i < 1000; i++) {
			if (munmap(p + page, page))
				die("munmap");
			if (mmap(p + page, page, RX, MAP_PRIVATE | MAP_FIXED, fd, page) == MAP_FAILED)
				die("mmap");
		}
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	char *arg = argc > 2 ? argv[2] : NULL;
	char *arg2 = argc > 3 ? argv[3] : NULL;

	page = sysconf(_SC_PAGESIZE);
	if (!strcmp(mode, "quit"))
		return 0;
	if (!strcmp(mode, "map")) {
		for (int i = 2; i < argc; i++)
			map(argv[i]);
	} else if (!strcmp(mode, "memfd")) {
		map_fd(memfd(arg), 0, 1);
	} else if (!strcmp(mode, "leader")) {
		leader_exits();
	} else if (!strcmp(mode, "share")) {
		share_space();
		return 0;
	} else if (!strcmp(mode, "many")) {
		many(arg, atol(arg2));
	} else if (!strcmp(mode, "flip")) {
		flip(argv[0], arg, arg2);
		return 0;
	} else if (!strcmp(mode, "storm")) {
		storm(argv[0]);
		return 0;
	} else if (!strcmp(mode, "zombie")) {
		zombie();
		return 0;
	} else if (!strcmp(mode, "jit")) {
		jit();
	} else if (!strcmp(mode, "segment")) {
		shared_segment();
	} else if (!strcmp(mode, "chroot") || !strcmp(mode, "pivot")) {
		contain(arg, arg2, mode[0] == 'p');
	} else if (!strcmp(mode, "restless")) {
		restless(arg);
		return 0;
	} else if (strcmp(mode, "wait")) {
		die("mode");
	}
	hold(0);
	return 0;
}
