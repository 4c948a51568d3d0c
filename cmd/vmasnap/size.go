package main

import (
	"fmt"
	"strconv"
	"strings"
)

// sizeFlag is a number of bytes: 65536, 64K, 16M, 1G.
type sizeFlag int

// maxSize keeps a size an int everywhere.
const maxSize = 1 << 30

// String implements pflag.Value.
func (f *sizeFlag) String() string {
	n := int(*f)
	for i, unit := range []string{"G", "M", "K"} {
		if size := 1 << (30 - 10*i); n >= size && n%size == 0 {
			return strconv.Itoa(n/size) + unit
		}
	}
	return strconv.Itoa(n)
}

// Set implements pflag.Value.
func (f *sizeFlag) Set(s string) error {
	number, unit := s, 1
	for i, suffix := range []string{"K", "M", "G"} {
		if before, ok := strings.CutSuffix(strings.ToUpper(s), suffix); ok {
			number, unit = before, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n == 0 || n > maxSize/uint64(unit) {
		return fmt.Errorf("want a number of bytes up to 1G, such as 16M")
	}
	*f = sizeFlag(int(n) * unit)
	return nil
}

// Type implements pflag.Value.
func (f *sizeFlag) Type() string { return "SIZE" }
