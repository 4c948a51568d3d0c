package bpfmmap

import _ "embed"

// The compiled programs; bpf/build.sh makes them.

//go:embed objects/tracepoint_arm64.o
var tracepointObject []byte

//go:embed objects/iter_arm64.o
var iterObject []byte

//go:embed objects/iter_untyped_arm64.o
var iterUntypedObject []byte
