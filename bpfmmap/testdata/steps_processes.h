/* Steps of steps.c that leave a child to look at. */

/* Children wait until the pipe ends. */
static int to_wait[2];

static int wait_here(void *arg)
{
	char c;

	if (arg)
		syscall(SYS_close, to_wait[1]);
	while (read(to_wait[0], &c, 1) < 0)
		;
	_exit(0);
}

static int left(pid_t pid, const char *what)
{
	if (pid < 0)
		return fail(what);
	child = pid;
	return 0;
}

static int do_fork(void)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		return fail("pipe");
	map(0, 4, RX, 0);
	pid = fork();
	if (!pid) {
		unmap(1, 1);
		map(8, 2, RX, 3);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		wait_here(at);
	}
	if (read(ready[0], &c, 1) != 1)
		return fail("wait for child");
	close(ready[0]);
	close(ready[1]);
	return left(pid, "fork");
}

static int do_dontfork(void)
{
	pid_t pid;

	map(0, 4, RX, 0);
	if (madvise(at + page, page, MADV_DONTFORK))
		return fail("madvise");
	pid = fork();
	if (!pid)
		wait_here(at);
	return left(pid, "fork");
}

static char stack[65536] __attribute__((aligned(16)));

static int map_and_wait(void *arg)
{
	syscall(SYS_mmap, at + 8 * page, 2 * page, RX, MAP_PRIVATE | MAP_FIXED, text, 3 * page);
	syscall(SYS_write, to_child, "x", 1);
	return wait_here(at);
}

static int do_clone_vm(void)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		return fail("pipe");
	to_child = ready[1];
	map(0, 4, RX, 0);
	pid = clone(map_and_wait, stack + sizeof(stack), CLONE_VM | CLONE_FS | SIGCHLD, NULL);
	if (read(ready[0], &c, 1) != 1)
		return fail("read");
	close(ready[0]);
	close(ready[1]);
	to_child = -1;
	return left(pid, "clone");
}

/* A program that waits: this one. It says so in its own pipe, which is its descriptor 3. */
static int run(int how)
{
	char *argv[] = { (char *)self, (char *)"wait", NULL };
	posix_spawn_file_actions_t actions;
	int ready[2], error;
	pid_t pid;
	char c;

	if (pipe2(ready, O_CLOEXEC))
		return fail("pipe");
	if (how == 0) {
		pid = fork();
	} else if (how == 1) {
		pid = vfork();
	} else {
		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_adddup2(&actions, to_wait[0], 0);
		posix_spawn_file_actions_adddup2(&actions, ready[1], 3);
		error = posix_spawn(&pid, self, &actions, NULL, argv, environment);
		if (error) {
			errno = error;
			return fail("posix_spawn");
		}
	}
	if (!pid) {
		dup2(to_wait[0], 0);
		dup2(ready[1], 3);
		execve(self, argv, environment);
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		return fail("wait for program");
	close(ready[0]);
	return left(pid, "run");
}

static int do_exec(void)
{
	return run(0);
}

static int do_vfork(void)
{
	return run(1);
}

static int do_spawn(void)
{
	return run(2);
}

static void *exec_in_thread(void *arg)
{
	char *argv[] = { (char *)self, (char *)"wait", NULL };

	execve(self, argv, environment);
	_exit(1);
}

/* The thread that executes takes the place of the first, which waits for it. */
static int do_exec_thread(void)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		return fail("pipe");
	pid = fork();
	if (!pid) {
		pthread_t thread;

		dup2(to_wait[0], 0);
		dup2(ready[1], 3);
		if (ready[0] != 3)
			close(ready[0]);
		if (ready[1] != 3)
			close(ready[1]);
		close(to_wait[1]);
		pthread_create(&thread, NULL, exec_in_thread, NULL);
		pthread_join(thread, NULL);
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		return fail("wait for program");
	close(ready[0]);
	return left(pid, "fork");
}

static void *outlive(void *arg)
{
	int ready = (intptr_t)arg;
	char state[4096], name[64];
	int fd;

	/* until the first thread is a zombie */
	snprintf(name, sizeof(name), "/proc/self/task/%d/stat", getpid());
	for (;;) {
		fd = open(name, O_RDONLY);
		state[0] = 0;
		if (fd < 0 || read(fd, state, sizeof(state)) < 0)
			break;
		close(fd);
		if (strstr(state, ") Z "))
			break;
		usleep(1000);
	}
	map(8, 2, RX, 3);
	if (write(ready, "x", 1) != 1)
		_exit(1);
	wait_here(NULL);
	return NULL;
}

static int do_leader_exits(void)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		return fail("pipe");
	pid = fork();
	if (!pid) {
		pthread_t thread;

		close(to_wait[1]);
		pthread_create(&thread, NULL, outlive, (void *)(intptr_t)ready[1]);
		syscall(SYS_exit, 0);
	}
	if (read(ready[0], &c, 1) != 1)
		return fail("wait for thread");
	close(ready[0]);
	close(ready[1]);
	return left(pid, "fork");
}

/* in_root forks a child that has another root directory by then, and maps a file of that. */
static int in_root(int (*go)(void))
{
	int ready[2];
	pid_t pid;
	char c = 0;

	if (pipe(ready))
		return fail("pipe");
	pid = fork();
	if (!pid) {
		if (!go()) {
			text = open("/text", O_RDONLY);
			if (text < 0 || chdir("/"))
				_exit(1);
			map(0, 4, RX, 0);
			c = 'x';
		}
		if (write(ready[1], &c, 1) == 1 && c)
			wait_here(at);
		_exit(1);
	}
	if (read(ready[0], &c, 1) != 1)
		return fail("wait for child");
	close(ready[0]);
	close(ready[1]);
	if (!c) {
		waitpid(pid, NULL, 0);
		return 1;
	}
	return left(pid, "fork");
}

static int go_chroot(void)
{
	return chroot(dir);
}

static int do_chroot(void)
{
	return in_root(go_chroot);
}

/* A container's root: a file system of its own, in a mount namespace of its own. */
static int go_namespace(void)
{
	char where[4096], file[5000];
	int fd;

	snprintf(where, sizeof(where), "%s/mnt", dir);
	snprintf(file, sizeof(file), "%s/text", where);
	mkdir(where, 0755);
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", where, "tmpfs", 0, NULL))
		return -1;
	fd = open(file, O_CREAT | O_RDWR, 0755);
	if (fd < 0 || ftruncate(fd, 64 * page))
		return -1;
	close(fd);
	return chroot(where);
}

static int do_namespace(void)
{
	return in_root(go_namespace);
}

static int go_pivot(void)
{
	char where[4096], old[5000], file[5000];
	int fd;

	snprintf(where, sizeof(where), "%s/pivot", dir);
	snprintf(old, sizeof(old), "%s/old", where);
	snprintf(file, sizeof(file), "%s/text", where);
	mkdir(where, 0755);
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", where, "tmpfs", 0, NULL))
		return -1;
	mkdir(old, 0755);
	fd = open(file, O_CREAT | O_RDWR, 0755);
	if (fd < 0 || ftruncate(fd, 64 * page))
		return -1;
	close(fd);
	if (syscall(SYS_pivot_root, where, old) || chdir("/") || umount2("/old", MNT_DETACH))
		return -1;
	return 0;
}

static int do_pivot(void)
{
	return in_root(go_pivot);
}
