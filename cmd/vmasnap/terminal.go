package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// printable makes a name safe for a terminal and for a table: what is not a printable
// character, bytes that are not UTF-8 among them, is written as in a Go string. Whoever
// needs the exact bytes uses script or --json.
func printable(s string) string {
	unsafe := func(r rune) bool { return !unicode.IsPrint(r) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unsafe) {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// isTerminal reports whether f is a terminal: a character device that is not /dev/null.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && terminalFD(file.Fd())
}

// colorFlag is --color: auto, always or never.
type colorFlag struct{ mode string }

func (c *colorFlag) declare(flags *pflag.FlagSet) {
	flags.Var(c, "color", "colour: auto, always or never; auto is on for a terminal without NO_COLOR")
}

// String implements pflag.Value.
func (c *colorFlag) String() string {
	if c.mode == "" {
		return "auto"
	}
	return c.mode
}

// Set implements pflag.Value.
func (c *colorFlag) Set(s string) error {
	switch s {
	case "auto", "always", "never":
		c.mode = s
		return nil
	}
	return fmt.Errorf("want auto, always or never")
}

// Type implements pflag.Value.
func (c *colorFlag) Type() string { return "when" }

// style is how output is painted.
type style struct{ color bool }

func (c *colorFlag) style(w io.Writer) style {
	switch c.mode {
	case "always":
		return style{true}
	case "never":
		return style{}
	}
	return style{os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)}
}

func (s style) paint(code, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string { return s.paint("1", text) }
func (s style) warn(text string) string { return s.paint("33", text) }
func (s style) bad(text string) string  { return s.paint("31", text) }
func (s style) good(text string) string { return s.paint("32", text) }
