//go:build !linux

package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/pflag"
)

// linuxOnly stands for a command that looks at the running machine.
func linuxOnly(name, summary string) command {
	return command{
		name:    name,
		summary: summary + " (on Linux)",
		setup: func(flags *pflag.FlagSet) action {
			flags.ParseErrorsAllowlist.UnknownFlags = true
			return func(context.Context, *streams, []string) error {
				return unsupported(fmt.Errorf("needs Linux, this is %s; recordings can be read here", runtime.GOOS))
			}
		},
	}
}

func recordCommand() command {
	return linuxOnly("record", "record what every process has mapped executable, and each later change")
}
func queryCommand() command {
	return linuxOnly("query", "ask the running kernel what is mapped at an address")
}
func doctorCommand() command { return linuxOnly("doctor", "tell what works here and what is missing") }

// held: nothing is recorded here, so no command waits to be.
func held([]string) (status int, held bool) { return 0, false }
