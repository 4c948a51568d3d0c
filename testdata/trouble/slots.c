/* Who is there: a slot for each process that goes on making trouble. */
#include "trouble.h"

#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct slot *slot_of(const struct proc *proc)
{
	return &state->slot[proc->slot];
}

int claim_slot(void)
{
	for (int i = state->logged; i < state->slots; i++) {
		int free = SLOT_FREE;

		if (!atomic_compare_exchange_strong(&state->slot[i].state, &free, SLOT_CLAIMED))
			continue;
		atomic_fetch_add(&state->births, 1);
		atomic_store(&state->slot[i].pid, 0);
		atomic_store(&state->slot[i].crew, ONE_THREAD);
		return i;
	}
	return -1;
}

/* The process itself does it: when its parent gets to run, it may be dead and reaped. */
void fill_slot(int i)
{
	atomic_store(&state->slot[i].pid, syscall(SYS_getpid));
	atomic_store(&state->slot[i].state, SLOT_LIVE);
}

void free_slot(int i)
{
	atomic_store(&state->slot[i].pid, 0);
	atomic_store(&state->slot[i].state, SLOT_FREE);
}

/* Frees the slots of children that have ended. Looks before it reaps: afterwards the number may
 * belong to another process. */
void reap(struct proc *proc)
{
	siginfo_t info;

	if (atomic_exchange(&proc->reaping, 1))
		return;
	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
			break;
		if (info.si_code != CLD_EXITED && info.si_status != SIGKILL) {
			atomic_fetch_add(&state->crashes, 1);
			dprintf(2, "trouble: process %d: signal %d\n", info.si_pid, info.si_status);
		}
		for (int i = 0; i < state->slots; i++)
			if (atomic_load(&state->slot[i].pid) == info.si_pid)
				free_slot(i);
		waitpid(info.si_pid, NULL, WNOHANG);
	}
	atomic_store(&proc->reaping, 0);
}
