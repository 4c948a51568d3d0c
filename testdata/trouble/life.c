/* How processes and threads come to be, become something else, and end. */
#include "trouble.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#ifndef NO_DLOPEN
#include <dlfcn.h>
#endif

extern char **environ;

static struct proc self; /* of every process that does not share its address space */

/* Stacks of processes that share the address space of another. */
static struct stack {
	struct proc proc;
	uint64_t seed;
	int busy; /* the kernel clears it when the process is gone */
	char mem[64 << 10] __attribute__((aligned(64)));
} stacks[MAX_STACKS];

/* Who creates a process or a thread, or something else that must be completed, may not be killed by another thread's exec or exit in the
 * middle of it. Nobody waits: who cannot have it does something else. */

int begin_create(struct proc *proc)
{
	int n = atomic_load(&proc->creators);

	while (n >= 0)
		if (atomic_compare_exchange_weak(&proc->creators, &n, n + 1))
			return 1;
	return 0;
}

void end_create(struct proc *proc)
{
	atomic_fetch_sub(&proc->creators, 1);
}

static int begin_end(struct proc *proc)
{
	int none = 0;

	return atomic_compare_exchange_strong(&proc->creators, &none, -1);
}

/* Beginnings. */

static void begin_thread(struct thread *th, struct proc *proc, uint64_t seed)
{
	*th = (struct thread){ .proc = proc, .seed = seed, .random = mix(seed) };
	th->left = state->steps ? state->steps + 1 : 0;
}

/* The calling thread is now the only one of a process. */
static void life_begin(struct proc *proc, struct thread *th, int slot, uint64_t seed, int logged)
{
	proc->slot = slot;
	proc->logged = logged;
	atomic_store(&proc->creators, 0);
	atomic_store(&proc->reaping, 0);
	atomic_store(&proc->heap, 0);
	begin_thread(th, proc, seed);
	th->leader = 1;
	fill_slot(slot);
}

/* What a forked child must not have of its parent. */
static void after_fork(struct thread *th, int slot, uint64_t seed)
{
	struct proc *proc = th->proc;
	int low = state_fd < life_fd ? state_fd : life_fd, high = state_fd + life_fd - low;

	log_drop();
	/* Files that other threads of the parent had open. */
	syscall(SYS_close_range, 3, low - 1, 0);
	syscall(SYS_close_range, low + 1, high - 1, 0);
	syscall(SYS_close_range, high + 1, ~0U, 0);
	for (int i = 0; i < MAX_STACKS; i++)
		if (i != proc->stack)
			stacks[i].busy = 0;
	life_begin(proc, th, slot, seed, 0);
}

/* The conductor's way to start a worker. */
void start_worker(uint64_t seed, int logged)
{
	int slot = logged ? 0 : claim_slot();
	struct thread th;
	pid_t pid;

	if (logged) {
		while (slot < state->logged && atomic_load(&state->slot[slot].state) != SLOT_FREE)
			slot++;
		atomic_store(&state->slot[slot].state, SLOT_CLAIMED);
		atomic_store(&state->slot[slot].crew, ONE_THREAD);
	}
	if (slot < 0)
		return;
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid > 0)
		return;
	close(life_end);
	for (int fd = 0, null = open("/dev/null", O_RDWR | O_CLOEXEC); fd < 2; fd++)
		dup2(null, fd);
	self.stack = -1;
	life_begin(&self, &th, slot, seed, logged);
	if (logged) {
		uint64_t t = now();

		log_open(slot);
		touch_all(&th);
		log_step("begin", t, now(), &th);
	}
	churn(&th);
	_exit(71);
}

/* Endings. */

static void leave(struct thread *th, int killed)
{
	if (th->proc->logged)
		log_flush();
	atomic_store(&slot_of(th->proc)->state, SLOT_LEAVING);
	if (killed)
		syscall(SYS_kill, (pid_t)syscall(SYS_getpid), SIGKILL);
	syscall(SYS_exit_group, 0);
}

/* Ends a thread; with the last one the process. A leader may go before the others. Returns in
 * a thread of pthread_create only. */
void retire(struct thread *th)
{
	struct slot *slot = slot_of(th->proc);
	uint64_t crew = atomic_load(&slot->crew);

	do {
		if (crew / ONE_THREAD == 1)
			leave(th, 0);
	} while (!atomic_compare_exchange_weak(&slot->crew, &crew, crew - ONE_THREAD));
	if (th->leader)
		syscall(SYS_exit, 0);
}

static long op_retire(struct thread *th)
{
	struct slot *slot = slot_of(th->proc);

	if (atomic_load(&slot->crew) / ONE_THREAD > 1)
		th->left = 1; /* the last step */
	return 0;
}

static long op_exit(struct thread *th)
{
	int killed = draw(th, 4) == 0;

	if (begin_end(th->proc))
		leave(th, killed);
	return -1;
}

/* Births. */

static long op_fork(struct thread *th)
{
	uint64_t seed = derive(th);
	long pid;
	int slot;

	if (!begin_create(th->proc))
		return -1;
	/* The child's loader must not be in the middle of something. */
	if (!th->proc->raw && atomic_exchange(&th->proc->heap, 1)) {
		end_create(th->proc);
		return -1;
	}
	slot = claim_slot();
	pid = -1;
	if (slot >= 0) {
		pid = th->proc->raw ? syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
		if (pid == 0) {
			after_fork(th, slot, seed);
			return 0;
		}
		if (pid < 0)
			free_slot(slot);
	}
	if (!th->proc->raw)
		atomic_store(&th->proc->heap, 0);
	end_create(th->proc);
	return pid;
}

static void *thread_main(void *seed)
{
	struct thread th;

	begin_thread(&th, &self, *(uint64_t *)seed);
	atomic_store(&self.heap, 0); /* the creator's hold on it: the seed is read */
	churn(&th);
	return NULL;
}

static long op_thread(struct thread *th)
{
	static uint64_t seed;
	uint64_t fresh = derive(th);
	struct slot *slot = slot_of(th->proc);
	pthread_attr_t attr;
	pthread_t thread;

	if ((int)(atomic_load(&slot->crew) / ONE_THREAD) >= state->threads || !begin_create(th->proc))
		return -1;
	if (atomic_exchange(&th->proc->heap, 1)) {
		end_create(th->proc);
		return -1;
	}
	seed = fresh;
	atomic_fetch_add(&slot->crew, ONE_THREAD);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 << 10);
	if (pthread_create(&thread, &attr, thread_main, &seed)) {
		atomic_fetch_sub(&slot->crew, ONE_THREAD);
		atomic_store(&th->proc->heap, 0);
	}
	end_create(th->proc);
	return 0;
}

static int share_main(void *arg)
{
	struct stack *stack = arg;
	struct thread th;

	life_begin(&stack->proc, &th, stack->proc.slot, stack->seed, 0);
	churn(&th);
	return 0;
}

/* A process, not a thread, in the same address space. It uses the thread-local memory of its
 * creator, which therefore is the leader: that memory stays. */
static long op_share(struct thread *th)
{
	uint64_t seed = derive(th);
	struct stack *stack = NULL;
	long pid = -1;
	int slot;

	if (!th->leader || !begin_create(th->proc))
		return -1;
	slot = claim_slot();
	for (int i = 0; slot >= 0 && i < MAX_STACKS && !stack; i++)
		if (!__atomic_exchange_n(&stacks[i].busy, 1, __ATOMIC_SEQ_CST)) {
			stack = &stacks[i];
			memset(&stack->proc, 0, sizeof(stack->proc));
			stack->proc.stack = i;
		}
	if (stack) {
		stack->proc.slot = slot;
		stack->proc.raw = 1;
		stack->seed = seed;
		pid = clone(share_main, stack->mem + sizeof(stack->mem), CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD,
			    stack, NULL, NULL, &stack->busy);
		if (pid < 0)
			stack->busy = 0;
	}
	if (pid < 0 && slot >= 0)
		free_slot(slot);
	end_create(th->proc);
	return pid;
}

/* Other programs. */

/* Becomes the program again, from whichever thread; under a name that may be gone, or else
 * under one that is not. */
static long op_exec(struct thread *th)
{
	char path[64], fds[32], slot[16], seed[24], logged[4], before[24], left[24];
	char *argv[] = { "worker", "--worker", fds, slot, seed, logged, before, left, NULL };
	unsigned kind = draw(th, 64);
	uint64_t fresh = derive(th);

	if (!begin_end(th->proc))
		return -1;
	snprintf(fds, sizeof(fds), "%d,%d", state_fd, life_fd);
	snprintf(slot, sizeof(slot), "%d", th->proc->slot);
	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)fresh);
	snprintf(logged, sizeof(logged), "%d", th->proc->logged);
	if (th->proc->logged)
		log_flush();
	snprintf(before, sizeof(before), "%llu", (unsigned long long)now());
	snprintf(left, sizeof(left), "%ld", th->left);
	execve(program(kind, path, sizeof(path)), argv, environ);
	execve(program(1, path, sizeof(path)), argv, environ);
	atomic_store(&th->proc->creators, 0);
	return -1;
}

/* The other side of op_exec. There is one thread now, which is the leader. */
void continue_worker(char **argv)
{
	struct thread th;
	int slot = atoi(argv[1]), logged = atoi(argv[3]);
	uint64_t before = strtoull(argv[4], NULL, 10);

	if (sscanf(argv[0], "%d,%d", &state_fd, &life_fd) != 2)
		die("worker");
	share_state();
	self.stack = -1;
	atomic_fetch_add(&state->worked[op_find("exec")], 1);
	atomic_store(&state->slot[slot].crew, ONE_THREAD);
	life_begin(&self, &th, slot, strtoull(argv[2], NULL, 10), logged);
	th.left = atol(argv[5]);
	if (logged) {
		uint64_t after = now();

		log_open(slot);
		touch_all(&th);
		log_step("exec", before, after, &th);
	}
	churn(&th);
	_exit(72);
}

static long op_name(struct thread *th)
{
	char name[16];

	snprintf(name, sizeof(name), "t %x", draw(th, 1 << 20));
	return prctl(PR_SET_NAME, name);
}

#ifndef NO_DLOPEN
/* Libraries that nothing else needs, most of which every libc has. */
static long op_library(struct thread *th)
{
	static const char *const names[] = { "libresolv.so.2", "libanl.so.1", "libBrokenLocale.so.1", "libutil.so.1" };
	static void *open[4];
	unsigned i = draw(th, 4);
	long result = -1;

	if (atomic_exchange(&th->proc->heap, 1))
		return -1;
	touch_all(th);
	if (open[i]) {
		result = dlclose(open[i]);
		open[i] = NULL;
	} else if ((open[i] = dlopen(names[i], RTLD_NOW | RTLD_LOCAL))) {
		result = 0;
	}
	atomic_store(&th->proc->heap, 0);
	return result;
}
#endif

const struct op life_ops[] = {
	{ "fork", 3, 0, op_fork },
	{ "thread", 3, NEEDS_LIBC | NEEDS_CROWD, op_thread },
	{ "retire", 1, NEEDS_CROWD, op_retire },
	{ "share", 2, NEEDS_CROWD, op_share },
	{ "exec", 1, 0, op_exec },
	{ "exit", 2, NEEDS_CROWD, op_exit },
	{ "name", 2, 0, op_name },
#ifndef NO_DLOPEN
	{ "library", 2, NEEDS_LIBC, op_library },
#endif
	{ 0 },
};
