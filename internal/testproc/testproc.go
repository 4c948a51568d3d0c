// Package testproc runs the processes that tests look at: programs that say a line when they
// are ready, then do what they are told, and end with the test.
package testproc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Process is a running child.
type Process struct {
	Cmd  *exec.Cmd
	PID  int
	Line string // its first line, without the newline

	t   testing.TB
	in  io.WriteCloser
	out *bufio.Reader
}

// Start runs cmd and waits for its first line. When the test ends, so does the child's
// standard input, at which it has to exit.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Process{Cmd: cmd, PID: cmd.Process.Pid, t: t, in: in, out: bufio.NewReader(out)}
	t.Cleanup(p.End)
	p.Line = p.ReadLine()
	return p
}

// ReadLine returns the next line that the child says.
func (p *Process) ReadLine() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("%s says %q: %v", p.Cmd, line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// Tell writes text to the child and waits for the line that it answers.
func (p *Process) Tell(text string) string {
	p.t.Helper()
	if _, err := io.WriteString(p.in, text); err != nil {
		p.t.Fatalf("tell %s %q: %v", p.Cmd, text, err)
	}
	return p.ReadLine()
}

// End lets the child exit and waits for it. A second call does nothing.
func (p *Process) End() {
	p.in.Close()
	_ = p.Cmd.Wait() // an error when called again, and of children that were killed
}

// Build compiles a C program into the file exe. It needs cc: see package need.
func Build(exe, source string, flags ...string) error {
	args := append([]string{"-O1", "-Wall", "-Wextra", "-Werror", "-Wl,--build-id=sha1", "-o", exe, source}, flags...)
	if text, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("compile %s: %w\n%s", source, err, text)
	}
	return nil
}
