/* The files that are mapped and executed. Those in still keep their names; those in moving are
 * renamed, removed and replaced, and so is the directory. */
#include "trouble.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODE 0755

static const char *moving(void)
{
	return atomic_load(&state->moved) ? "moved" : "moving";
}

static void copy_self(const char *to)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = open(to, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, MODE);
	static char buf[1 << 16];
	ssize_t n;

	if (in < 0 || out < 0)
		die(to);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, n) != n)
			die(to);
	if (n < 0)
		die(to);
	close(in);
	close(out);
}

/* A file of pages that nobody reads: a hole will do. */
static int make_pages(const char *name)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, MODE);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, FILE_PAGES * page)) {
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

/* Executables are written before there is anybody to fork: a child that has one open for
 * writing would keep others from executing it. */
void make_files(void)
{
	char name[64];

	if ((mkdir("still", MODE) && errno != EEXIST) || (mkdir("moving", MODE) && errno != EEXIST))
		die("mkdir");
	copy_self("still/prog");
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "still/p%d", i);
		if (make_pages(name))
			die(name);
		snprintf(name, sizeof(name), "moving/m%d", i);
		if (make_pages(name))
			die(name);
		snprintf(name, sizeof(name), "moving/e%d", i);
		unlink(name);
		if (link("still/prog", name))
			die(name);
	}
}

/* Opens a file to map; -1 if it has gone. Kind and number are draws. */
int open_some(unsigned kind, unsigned number)
{
	char name[64];

	switch (kind % 8) {
	case 0:
		return open("still/prog", O_RDONLY | O_CLOEXEC);
	case 1:
	case 2:
		snprintf(name, sizeof(name), "%s/m%u", moving(), number % FILES);
		break;
	default:
		snprintf(name, sizeof(name), "still/p%u", number % FILES);
	}
	return open(name, O_RDONLY | O_CLOEXEC);
}

/* A name of the program to execute, which may be gone by then. */
const char *program(unsigned kind, char *buf, size_t size)
{
	if (kind % 4 == 0)
		snprintf(buf, size, "%s/e%u", moving(), kind / 4 % FILES);
	else
		snprintf(buf, size, "still/prog");
	return buf;
}

static long op_rename(struct thread *th)
{
	unsigned from = draw(th, FILES), to = draw(th, FILES), which = draw(th, 4);
	char a[64], b[64];

	snprintf(a, sizeof(a), "%s/%c%u", moving(), which ? 'm' : 'e', from);
	snprintf(b, sizeof(b), "%s/%c%u", moving(), which ? 'm' : 'e', to);
	return rename(a, b);
}

static long op_unlink(struct thread *th)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/m%u", moving(), draw(th, FILES));
	return unlink(name);
}

/* Puts a new file under a name, over the old one if it is there. It is made where no directory
 * moves, and nobody is killed meanwhile, so that nothing is left behind. */
static long op_replace(struct thread *th)
{
	unsigned number = draw(th, FILES), which = draw(th, 4);
	char fresh[64], name[64];
	long result;

	snprintf(fresh, sizeof(fresh), "new-%d", (int)syscall(SYS_gettid));
	snprintf(name, sizeof(name), "%s/%c%u", moving(), which ? 'm' : 'e', number);
	if (!begin_create(th->proc))
		return -1;
	result = which ? make_pages(fresh) : link("still/prog", fresh);
	if (result == 0)
		result = rename(fresh, name);
	unlink(fresh); /* if the directory has moved, or both are the same file */
	end_create(th->proc);
	return result;
}

/* Two may do it at once: then the flag is wrong for a moment, and the next one puts it right. */
static long op_movedir(struct thread *th)
{
	(void)th;
	if (rename("moving", "moved") == 0) {
		atomic_store(&state->moved, 1);
		return 0;
	}
	if (rename("moved", "moving"))
		return -1;
	atomic_store(&state->moved, 0);
	return 0;
}

const struct op file_ops[] = {
	{ "rename", 3, 0, op_rename },
	{ "unlink", 1, 0, op_unlink },
	{ "replace", 4, 0, op_replace },
	{ "movedir", 1, 0, op_movedir },
	{ 0 },
};
