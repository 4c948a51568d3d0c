// Package symbols tells which function is at an offset of a file that a recording names, and
// how many bytes into it.
//
// A Finder looks for the file, or for a debug file that was split off it, on this machine and
// below the directories that Options name. Neither the name nor the place make it the file that
// was mapped: its build ID does. A file with another one is refused, and an *Error says so. The
// network is never asked.
//
// Offsets become addresses by the program headers of the file itself, because debug files made
// by objcopy have lost the offsets. Names come from the .symtab of the debug file or of the file
// itself, then for Go programs from the pclntab, which no strip removes, then from .dynsym. What
// is not a function is left out; so are functions that have no symbol of type FUNC, symbols of
// ELFv1 PowerPC (which are descriptors), compressed .gnu_debugdata, and the pclntab of Go before
// 1.18.
//
// # Hostile files
//
// Whatever a file says, opening it returns an error at worst, and memory is bounded: of one file
// at most 4,096 program headers, 65,536 sections, 8 Mi symbols and 256 MiB of strings for each
// symbol table, and 256 MiB of pclntab are read, and never more than the file has. A table
// beyond these bounds is taken for damaged. Names longer than 64 KiB are left out, and those
// longer than 8 KiB are not demangled.
//
// # Memory
//
// An open file takes 16 bytes for a function, its string tables, and what was demangled of them
// so far.
package symbols
