#!/bin/sh
# Compiles the BPF programs into ../objects, which are committed: building vmasnap needs no clang.
# The result depends on these sources, on clang's version and on libbpf's headers alone, so that
# it can be compared with what is committed.
set -eu
cd "$(dirname "$0")"
: "${CLANG:=clang}" "${STRIP:=llvm-strip}"
out=${1:-../objects}
mkdir -p "$out"

# asm/types.h, which is the same for every target of BPF, is where Debian has it.
for headers in /usr/include/*-linux-gnu /usr/include; do
	[ -e "$headers/asm/types.h" ] && break
done

# compile OBJECT SOURCE [FLAG...]: for each architecture whose registers the sources know.
compile() {
	object=$1 source=$2
	shift 2
	for arch in x86 arm64; do
		"$CLANG" -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror \
			-Wno-unused-parameter -Wno-missing-declarations -Wno-sign-compare -Wno-gnu-variable-sized-type-not-at-end \
			-idirafter "$headers" -D__TARGET_ARCH_$arch -fdebug-compilation-dir=. -ffile-prefix-map="$PWD"=. \
			"$@" -c "$source" -o "$out/${object}_$arch.o"
		# DWARF goes, BTF stays.
		"$STRIP" -g "$out/${object}_$arch.o"
	done
}

compile tracepoint tracepoint.bpf.c
compile fentry function.bpf.c -DFENTRY
compile kprobe function.bpf.c
compile iter iter.bpf.c -DTYPED
compile iter_untyped iter.bpf.c
