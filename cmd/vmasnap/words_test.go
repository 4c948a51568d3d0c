package main

import (
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -999: "-999", -1000: "-1,000"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) is %q, want %q", n, got, want)
		}
	}
	for n, want := range map[uint64]string{
		0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 1<<64 - 1: "16.0 EiB",
	} {
		if got := bytesOf(n); got != want {
			t.Errorf("bytesOf(%d) is %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		1234: "1µs", 1234567: "1.2ms", 1234567890: "1.23s", 12345678901: "12.3s",
	} {
		if got := roundDuration(d).String(); got != want {
			t.Errorf("roundDuration(%d) is %s, want %s", d, got, want)
		}
	}
}
