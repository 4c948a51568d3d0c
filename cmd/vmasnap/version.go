package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/format"
)

// toolVersion returns the version of this binary.
func toolVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// formatVersion returns the version of the file format that this binary writes.
func formatVersion() string { return fmt.Sprintf("%d.%d", format.VersionMajor, format.VersionMinor) }

func versionCommand() command {
	return command{
		name:    "version",
		summary: "print the versions of the program and of the file format",
		setup: func(flags *pflag.FlagSet) action {
			asJSON := flags.Bool("json", false, "print JSON")
			return func(_ context.Context, s *streams, args []string) error {
				if len(args) > 0 {
					return usageError("takes no arguments, got %q", args[0])
				}
				if *asJSON {
					return outputError(writeJSON(s.out, map[string]string{
						"version": toolVersion(), "format": formatVersion(), "go": runtime.Version(),
						"os": runtime.GOOS, "arch": runtime.GOARCH,
					}))
				}
				_, err := fmt.Fprintf(s.out, "vmasnap %s, file format %s, %s %s/%s\n",
					toolVersion(), formatVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return outputError(err)
			}
		},
	}
}
