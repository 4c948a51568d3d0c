//go:build linux && !amd64 && !arm64

package bpfmmap

// There are programs for amd64 and arm64 only: which registers a system call's arguments are in
// differs.
var tracepointObject, iterObject, iterUntypedObject []byte
