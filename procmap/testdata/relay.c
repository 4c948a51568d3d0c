/* A process whose first thread has exited and whose others are short-lived: each starts the
 * next one and exits after 150 us. It ends when standard input does. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_attr_t detached;

static void *leg(void *unused)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	pthread_t next;

	(void)unused;
	usleep(150);
	if (poll(&in, 1, 0) != 0 || pthread_create(&next, &detached, leg, NULL) != 0)
		_exit(0);
	return NULL;
}

int main(void)
{
	pthread_t first;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&first, &detached, leg, NULL) != 0)
		return 1;
	puts("ready");
	fflush(stdout);
	syscall(SYS_exit, 0);
}
