/* Makes trouble with executable mappings: many processes and threads that at random map, unmap,
 * protect, move, fork, execute, end; reproducible from a seed as far as chance in the kernel
 * allows (the sequence of a process of one thread is).
 *
 *   trouble --seed N --procs P --threads T --dir DIR [--seconds S] [--steps N] [--log FILE]
 *           [--logged L] [--pause US] [--rest US] [--no-OPERATION]... [--only OPERATION]...
 *   trouble --blinks N --dir DIR [--log FILE]
 *   trouble --list
 *
 * The first process is the conductor. It says "ready" and then does what standard input says:
 *
 *   hold   all stop between two steps, nobody is being born or about to end: "held N PID..."
 *   go     all go on: "going"
 *   count  "count STEPS CRASHES NAME=TRIED/WORKED..."
 *   end    all end: "ended STEPS CRASHES". So does the end of standard input, and --seconds.
 *   blink  with --blinks: N short-lived processes, one after the other: "blinked N"
 *
 * P limits the processes, T the threads of each, --steps the steps of each thread, after which
 * it ends. L processes, 2 by default, are logged if there is a log: FILE.0 and so on; see log.c.
 * They rest between steps, so that there are moments to look at. */
#include "trouble.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

long page;

static int usage(const char *what)
{
	fprintf(stderr, "trouble: what is %s? Read testdata/trouble/trouble.c.\n", what);
	return 64;
}

static uint64_t op_bit(const char *name)
{
	int i = op_find(name);

	if (i < 0)
		exit(usage(name));
	return 1ULL << i;
}

static long number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 0);

	if (end == text || *end || n < 0)
		exit(usage(text));
	return n;
}

/* options reads the command line and returns 0, or the status to exit with. */
static int options(char **argv, struct state *wanted, char **dir, long *seconds)
{
	const struct {
		const char *name;
		long *value;
	} numbers[] = {
		{ "--procs", &wanted->slots }, { "--threads", &wanted->threads }, { "--logged", &wanted->logged },
		{ "--steps", &wanted->steps }, { "--pause", &wanted->pause }, { "--rest", &wanted->rest },
		{ "--blinks", &wanted->blinks }, { "--seed", &wanted->seed }, { "--seconds", seconds },
	};
	int only = 0;

	for (; *argv; argv++) {
		char *name = argv[0], *value = argv[1];
		unsigned i;

		if (strncmp(name, "--no-", 5) == 0) {
			wanted->left_out |= op_bit(name + 5);
			continue;
		}
		if (!value)
			return usage(name);
		argv++;
		for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
			if (strcmp(name, numbers[i].name) == 0)
				break;
		if (i < sizeof(numbers) / sizeof(*numbers))
			*numbers[i].value = number(value);
		else if (strcmp(name, "--only") == 0)
			wanted->left_out = (only++ ? wanted->left_out : ~0ULL) & ~op_bit(value);
		else if (strcmp(name, "--dir") == 0)
			*dir = value;
		else if (strcmp(name, "--log") == 0)
			log_name(wanted->log, value);
		else
			return usage(name);
	}
	if (!*wanted->log)
		wanted->logged = 0;
	if (wanted->logged > wanted->slots)
		wanted->logged = wanted->slots;
	return !*dir || wanted->slots < 1 || wanted->slots > MAX_SLOTS || wanted->threads < 1 ? usage("this") : 0;
}

static int list(void)
{
	for (int i = 0; i < op_count(); i++)
		printf("%s %u\n", op_at(i)->name, op_at(i)->weight);
	return 0;
}

int main(int argc, char **argv)
{
	struct state wanted = { .slots = 8, .threads = 3, .logged = 2, .rest = 300, .seed = 1 };
	char *dir = NULL;
	long seconds = 0;
	int status;

	page = sysconf(_SC_PAGESIZE);
	if (argc > 2 && strcmp(argv[1], "--blink") == 0)
		return blink_main(argv + 2);
	if (argc == 8 && strcmp(argv[1], "--worker") == 0)
		continue_worker(argv + 2);
	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list();
	if ((status = options(argv + 1, &wanted, &dir, &seconds)))
		return status;
	make_state(dir);
	*state = wanted;
	begin();
	printf("ready\n");
	fflush(stdout);
	conduct(seconds);
}
