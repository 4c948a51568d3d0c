// Functions that nm and a Table must agree about: weak, static, aliased, resolved at run time.
#include <stdio.h>

int data = 42;

__attribute__((noinline)) static int hidden(int x) { return x * 3 + data; }

__attribute__((noinline)) int visible(int x) { return hidden(x) - 1; }

int visible_alias(int x) __attribute__((alias("visible")));

__attribute__((weak, noinline)) int optional(int x) { return x + 2; }

static int fast(int x) { return x; }

static int (*choose(void))(int) { return fast; }

int chosen(int x) __attribute__((ifunc("choose")));

int main(int argc, char **argv)
{
	(void)argv;
	printf("%d\n", visible(argc) + visible_alias(argc) + optional(argc) + chosen(argc));
	return 0;
}
