//go:build !linux

package main

// terminalFD: a character device is good enough where nothing is recorded.
func terminalFD(uintptr) bool { return true }
