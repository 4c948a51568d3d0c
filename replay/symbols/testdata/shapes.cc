// Prints where its functions are: a name, and the distance in bytes from the program's head.
#include <cstdint>
#include <cstdio>

extern "C" const char __ehdr_start[];

namespace shapes {
template <typename T> __attribute__((noinline)) T twice(T x) { return x + x; }

struct Shape {
	int side;
	__attribute__((noinline)) int area(int scale) const;
};

int Shape::area(int scale) const { return side * side * scale; }
} // namespace shapes

__attribute__((noinline)) static int hidden(int x)
{
	__asm__ volatile("nop; nop; nop");
	return x + 1;
}

static void print(const char *name, uintptr_t addr)
{
	std::printf("%s\t%jx\n", name, (uintmax_t)(addr - (uintptr_t)__ehdr_start));
}

int main(int argc, char **)
{
	shapes::Shape s = {argc};
	int (shapes::Shape::*area)(int) const = &shapes::Shape::area;
	print("main", (uintptr_t)&main);
	print("hidden(int)", (uintptr_t)&hidden);
	print("int shapes::twice<int>(int)", (uintptr_t)&shapes::twice<int>);
	print("shapes::Shape::area(int) const", *(uintptr_t *)&area);
	return hidden(s.area(2)) + shapes::twice(argc) < 0;
}
