// tiny.so is made of this file, for tests that need an ELF file wherever they run:
//
//	g++ -O1 -fcf-protection=none -fno-asynchronous-unwind-tables -nostdlib -shared -fPIC \
//	    -Wl,--build-id=sha1 -Wl,-z,noseparate-code -Wl,-z,norelro -Wl,--hash-style=gnu -o tiny.so tiny.cc
struct Shape {
	int side;
	__attribute__((noinline)) int area(int scale) const;
};

int Shape::area(int scale) const { return side * side * scale; }

__attribute__((noinline)) static int hidden(int x)
{
	__asm__ volatile("nop; nop; nop");
	return x + 1;
}

extern "C" int exported(int x)
{
	Shape s = {x};
	return hidden(s.area(2)) + hidden(x);
}

extern "C" __attribute__((weak)) int optional(int x) { return x - 1; }

int data = 42;
