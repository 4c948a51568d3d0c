/* A program that makes trouble with executable mappings, for tests of a recorder that follows
 * them. See trouble.c for how it is used. */
#ifndef TROUBLE_H
#define TROUBLE_H

#define _GNU_SOURCE
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	MAX_SLOTS = 512,
	MAX_OPS = 64,
	MAX_STACKS = 4,	 /* for processes that share an address space */
	MAX_LOOSE = 8,	 /* mappings for which the kernel chose the place */
	ARENAS = 4,	 /* of a process, where mappings are fixed */
	ARENA_PAGES = 64,
	FILES = 8,	 /* of each kind */
	FILE_PAGES = 64,
};

/* A slot is a process that goes on making trouble. Who creates a process claims its slot, who
 * reaps it frees the slot: so no process is in the middle of its birth or its end while
 * everybody is held. */
enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_LIVE, SLOT_LEAVING };

struct slot {
	_Atomic int state;
	_Atomic int pid;
	_Atomic uint64_t crew; /* threads << 32 | those of them that are parked */
};

#define ONE_THREAD (1ULL << 32)

/* What all processes share: a file, so that it is found again after exec. */
struct state {
	long slots, threads, logged, seed;
	long blinks;	   /* short-lived processes, and no others; 0 = the others */
	long steps;	   /* of a thread; 0 = no end */
	long pause, rest;  /* microseconds after each step; of a logged process */
	uint64_t left_out; /* operations, by number */
	char log[512];	   /* "" = none */

	_Atomic int hold, end;
	_Atomic int moved;  /* the directory of the files that do not hold still */
	_Atomic uint64_t births;
	_Atomic uint64_t crashes;
	_Atomic uint64_t tried[MAX_OPS], worked[MAX_OPS];
	struct slot slot[MAX_SLOTS];
};

extern struct state *state;
extern int state_fd;
extern int life_fd;  /* hangs up when the conductor is dead */
extern int life_end; /* its other end, which nobody else has */
extern long page;

/* A process. Those that share an address space have one each. */
struct proc {
	int slot;
	int logged;
	int raw;	       /* without a libc of its own: nothing but system calls */
	int stack;	       /* in the pool; -1 = not from there */
	_Atomic int creators;  /* threads that create a process; -1 = it ends or executes */
	_Atomic int reaping;
	_Atomic int heap;      /* locks brk, and whoever may allocate */
	_Atomic uintptr_t loose[MAX_LOOSE]; /* address | pages, 0 = none */
};

struct thread {
	struct proc *proc;
	uint64_t random;
	uint64_t seed;
	uint64_t births; /* that seeds were derived for */
	long left;
	int leader;
	/* What the step touched, of the log. */
	uintptr_t lo, hi;
	long result;
};

/* Draws. */
static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static inline unsigned draw(struct thread *th, unsigned n)
{
	th->random += 0x9e3779b97f4a7c15;
	return mix(th->random) % n;
}

/* The seed of what th creates. */
static inline uint64_t derive(struct thread *th)
{
	return mix(th->seed ^ mix(++th->births));
}

/* touch widens what the log says of the step. */
static inline void touch(struct thread *th, uintptr_t start, size_t length)
{
	if (th->lo == th->hi) {
		th->lo = start;
		th->hi = start + length;
		return;
	}
	if (start < th->lo)
		th->lo = start;
	if (start + length > th->hi)
		th->hi = start + length;
}

static inline void touch_all(struct thread *th)
{
	th->lo = 0;
	th->hi = UINTPTR_MAX;
}

/* An operation draws all it needs before it looks at anything that chance decides, so that a
 * seed gives one sequence. It returns a result as of a system call: -1 = failed. */
enum op_needs {
	NEEDS_LIBC = 1 << 0,  /* not for raw processes */
	NEEDS_CROWD = 1 << 1, /* not for logged processes, which are alone in their space */
};

struct op {
	const char *name;
	unsigned weight;
	unsigned needs;
	long (*run)(struct thread *th);
};

extern const struct op map_ops[], life_ops[], file_ops[];

/* conductor.c */
void make_state(const char *dir);
void share_state(void);
void begin(void);
void conduct(long seconds) __attribute__((noreturn));

/* steps.c */
int op_count(void);
const struct op *op_at(int i);
int op_find(const char *name);
void churn(struct thread *th);

/* life.c */
void start_worker(uint64_t seed, int logged);
void continue_worker(char **argv) __attribute__((noreturn));
void retire(struct thread *th);
int begin_create(struct proc *proc);
void end_create(struct proc *proc);

/* slots.c */
int claim_slot(void);
void fill_slot(int i);
void free_slot(int i);
struct slot *slot_of(const struct proc *proc);
void reap(struct proc *proc);

/* blinks.c */
extern const struct op blink_ops[];
int blink_main(char **argv);
void blinks(void);

/* files.c */
void make_files(void);
int open_some(unsigned kind, unsigned number);
const char *program(unsigned kind, char *buf, size_t size);

/* log.c */
uint64_t now(void);
void log_name(char *to, const char *name);
void log_open(int slot);
void log_drop(void);
void log_flush(void);
void log_step(const char *name, uint64_t before, uint64_t after, struct thread *th);
void log_blink(int pid, uint64_t before, uint64_t after, const char *way);
void die(const char *what) __attribute__((noreturn));

#endif
