package bpfmmap

import _ "embed"

// The compiled programs; bpf/build.sh makes them.

//go:embed objects/tracepoint_x86.o
var tracepointObject []byte

//go:embed objects/iter_x86.o
var iterObject []byte

//go:embed objects/iter_untyped_x86.o
var iterUntypedObject []byte
