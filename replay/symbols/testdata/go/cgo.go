//go:build cgo

package main

// int triple(int x) { return 3 * x; }
import "C"

import "fmt"

func init() { fmt.Println(C.triple(2)) }
