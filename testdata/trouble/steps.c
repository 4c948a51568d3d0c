/* One step after the other, and the point at which everybody can be held. */
#include "trouble.h"

#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const struct op *const tables[] = { map_ops, life_ops, blink_ops, file_ops };

int op_count(void)
{
	int n = 0;

	for (unsigned i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct op *op = tables[i]; op->name; op++)
			n++;
	return n;
}

const struct op *op_at(int i)
{
	for (unsigned t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		for (const struct op *op = tables[t]; op->name; op++)
			if (i-- == 0)
				return op;
	return NULL;
}

int op_find(const char *name)
{
	for (int i = 0; i < op_count(); i++)
		if (strcmp(op_at(i)->name, name) == 0)
			return i;
	return -1;
}

static int allowed(const struct proc *proc, const struct op *op, int number)
{
	return !(state->left_out & 1ULL << number) && !(proc->raw && op->needs & NEEDS_LIBC) &&
	       !(proc->logged && op->needs & NEEDS_CROWD);
}

static void step(struct thread *th)
{
	unsigned sum = 0, pick;
	int count = op_count(), number;
	const struct op *op = NULL;
	uint64_t before;

	for (number = 0; number < count; number++)
		if (allowed(th->proc, op_at(number), number))
			sum += op_at(number)->weight;
	if (!sum)
		return;
	pick = draw(th, sum);
	for (number = 0; number < count; number++) {
		op = op_at(number);
		if (!allowed(th->proc, op, number))
			continue;
		if (pick < op->weight)
			break;
		pick -= op->weight;
	}
	th->lo = th->hi = 0;
	atomic_fetch_add(&state->tried[number], 1);
	before = now();
	th->result = op->run(th);
	if (th->proc->logged)
		log_step(op->name, before, now(), th);
	if (th->result != -1)
		atomic_fetch_add(&state->worked[number], 1);
}

static int orphaned(void)
{
	struct pollfd p = { .fd = life_fd, .events = 0 };

	return poll(&p, 1, 0) > 0;
}

/* Waits until nobody is held any more. Children are reaped meanwhile: the hold is not complete
 * before the last one that was about to end is gone. */
static void park(struct thread *th)
{
	struct slot *slot = &state->slot[th->proc->slot];
	struct timespec wait = { .tv_nsec = 2000000 };

	if (th->proc->logged)
		log_flush();
	atomic_fetch_add(&slot->crew, 1);
	while (atomic_load(&state->hold) && !atomic_load(&state->end)) {
		syscall(SYS_futex, &state->hold, FUTEX_WAIT, 1, &wait, NULL, 0);
		reap(th->proc);
		if (orphaned())
			break;
		if (wait.tv_nsec < 100000000)
			wait.tv_nsec *= 2;
	}
	atomic_fetch_sub(&slot->crew, 1);
}

void churn(struct thread *th)
{
	for (unsigned n = 0; !atomic_load(&state->end); n++) {
		long pause = th->proc->logged ? state->rest : state->pause;
		struct timespec t = { pause / 1000000, pause % 1000000 * 1000 };

		if (n % 16 == 0) {
			reap(th->proc);
			if (orphaned())
				break;
		}
		if (atomic_load(&state->hold))
			park(th);
		if (th->left && --th->left == 0)
			break;
		step(th);
		if (pause)
			nanosleep(&t, NULL);
	}
	retire(th);
}
