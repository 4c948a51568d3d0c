package bpfmmap

import _ "embed"

//go:embed objects/fentry_x86.o
var fentryObject []byte

//go:embed objects/kprobe_x86.o
var kprobeObject []byte
