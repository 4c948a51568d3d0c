// Command vmasnap records which file, offset and build ID is mapped executable where, in
// every process of a machine, and answers questions from the recording.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

func main() {
	if status, held := held(os.Args); held {
		os.Exit(status)
	}
	os.Exit(run(context.Background(), os.Args[1:], &streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// interruptible returns a context that SIGINT and SIGTERM end. After the first signal the
// default action is back: a second one ends the program. Commands that have nothing to save
// leave signals alone.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// streams are a command's standard streams.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// command is one line of the table of subcommands: help and dispatch read nothing else.
type command struct {
	name    string
	args    string // the arguments after the flags, for the usage line
	summary string // one line
	help    string // paragraphs
	// setup declares the command's flags and returns what to do once they are parsed.
	setup func(*pflag.FlagSet) action
}

// action runs a command with its arguments after the flags.
type action func(ctx context.Context, s *streams, args []string) error

// commands is the table, in the order of the help text.
func commands() []command {
	return []command{
		recordCommand(), reportCommand(), diffCommand(), scriptCommand(), mapsCommand(),
		lookupCommand(), staleCommand(), queryCommand(), checkCommand(), doctorCommand(), versionCommand(),
	}
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, args []string, s *streams) int {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "", "-h", "--help":
		status := ended(s.err, "vmasnap", usage(s.out))
		if name == "" {
			return exitFailure
		}
		return status
	case "help":
		if len(args) == 1 {
			return ended(s.err, "vmasnap", usage(s.out))
		}
		args = []string{args[1], "--help"}
		name = args[0]
	case "-V", "--version":
		name = "version"
	}
	table := commands()
	i := slices.IndexFunc(table, func(c command) bool { return c.name == name })
	if i < 0 {
		fmt.Fprintf(s.err, "vmasnap: no command %q; vmasnap --help lists them\n", name)
		return exitFailure
	}
	c := &table[i]
	flags := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed here, once
	flags.SortFlags = false
	act := c.setup(flags)
	err := flags.Parse(args[1:])
	switch {
	case errors.Is(err, pflag.ErrHelp):
		err = c.usage(s.out, flags)
	case err != nil:
		err = flagError(err)
	default:
		err = act(ctx, s, flags.Args())
	}
	return ended(s.err, "vmasnap "+c.name, err)
}

// flagError is what pflag says about a command line; about a number it would quote strconv.
func flagError(err error) error {
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) && bad.GetFlag().Value.Type() == "int" {
		return usageError("--%s %q: want a whole number", bad.GetFlag().Name, bad.GetValue())
	}
	return usageError("%w", err)
}

// ended prints why the program, or one of its commands, has ended, if there is something to
// say, and returns the exit status.
func ended(w io.Writer, name string, err error) int {
	if err == nil {
		return exitDone
	}
	code := exitFailure
	var exit *exitError
	if errors.As(err, &exit) {
		code = exit.code
		if exit.err == nil {
			return code
		}
	}
	fmt.Fprintf(w, "%s: %s\n", name, printable(err.Error()))
	if exit != nil && exit.usage {
		fmt.Fprintf(w, "%s --help tells how it is used\n", name)
	}
	return code
}

// usage prints the overview.
func usage(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, `vmasnap records which file, offset and build ID is mapped executable where, in every
process of a machine, and answers questions from the recording, here or elsewhere.

usage: vmasnap COMMAND [FLAGS] [ARGUMENTS]

`)
	for _, c := range commands() {
		fmt.Fprintf(out, "  %-9s %s\n", c.name, c.summary)
	}
	fmt.Fprint(out, `
vmasnap COMMAND --help tells more about each.

exit status: 0 done; 1 the answer is "differs", "found" or "not sound"; 2 wrong usage, or
failed; 3 done, but something is missing (with --strict); 4 not supported or not permitted
here. record -- CMD passes on that of CMD, 128 and the number of a signal that ended it, or
127 or 126 if it cannot be run.
`)
	return finish(out, nil)
}

// usage prints the command's help.
func (c *command) usage(w io.Writer, flags *pflag.FlagSet) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "vmasnap %s: %s\n\nusage: vmasnap %s\n", c.name, c.summary, strings.TrimSpace(c.name+" [FLAGS] "+c.args))
	if c.help != "" {
		fmt.Fprintf(out, "\n%s\n", strings.TrimSpace(c.help))
	}
	if flags.HasFlags() {
		fmt.Fprintf(out, "\nflags:\n%s", flags.FlagUsagesWrapped(92))
	}
	return finish(out, nil)
}
