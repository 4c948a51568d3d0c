//go:build linux && !amd64 && !arm64

package bpfmmap

// See tracepointObject.
var fentryObject, kprobeObject []byte
