// Package recorder takes a snapshot of what every process has mapped executable, follows every
// later change if it is asked to, and hands it all, as records of package format, to a Sink:
// a file's writer, or a replay.Session in memory.
//
// A snapshot is not atomic: processes are walked one after the other, by several workers,
// and each walk asks the kernel for one VMA at a time. What it promises: every process that
// /proc listed gets a Process record that says how its walk went, a process is counted once
// even when two of them share one address space, and no record mixes the address spaces
// before and after an exec.
//
// Following (Options.Follow) makes of it the state at one point in the stream of changes, process
// by process: marks in the ring buffer of package bpfmmap before and after each walk say which
// changes it may have missed. From there on every change is a record, in the order in which
// the kernel made them. What is lost on the way becomes a Lost record, and another snapshot
// repairs it.
//
// The package holds the only translation from kernel state (procmap, bpfmmap) to records
// (format).
package recorder
