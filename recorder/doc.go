// Package recorder takes a snapshot of what every process has mapped executable and hands
// it, as records of package format, to a Sink: a file's writer, or a replay.Session in
// memory.
//
// A snapshot is not atomic: processes are walked one after the other, by several workers,
// and each walk asks the kernel for one VMA at a time. What it promises: every process that
// /proc listed gets a Process record that says how its walk went, a process is counted once
// even when two of them share one address space, and no record mixes the address spaces
// before and after an exec.
//
// The package holds the only translation from kernel state (procmap) to records (format).
package recorder
