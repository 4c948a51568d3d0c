package bpfmmap

import _ "embed"

//go:embed objects/fentry_arm64.o
var fentryObject []byte

//go:embed objects/kprobe_arm64.o
var kprobeObject []byte
