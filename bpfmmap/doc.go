// Package bpfmmap follows the changes of address spaces with eBPF.
//
// It finds out, so far, what this kernel and these privileges allow: Support tries each
// mechanism for real, by loading a program that does nothing, because versions and
// configurations say too little (distributions backport, and a policy may refuse what the
// kernel has).
package bpfmmap
