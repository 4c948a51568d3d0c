//go:build !linux

package main

import "errors"

// canFollow says why changes cannot be followed here.
func canFollow() error { return errors.New("this is not Linux") }
