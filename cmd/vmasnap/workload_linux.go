package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The exit statuses of a shell for commands that do not run.
const (
	exitCannotRun = 126
	exitNotFound  = 127
	exitSignal    = 128 // plus the signal's number
)

// holdArg is the first argument of the process that becomes CMD once it is told to: this
// program, so that the recorder knows the process before its first instruction of CMD.
const holdArg = "__hold"

// holdFD is the pipe at which that process waits: the first of exec.Cmd.ExtraFiles.
const holdFD = 3

// held does what the hidden command says, if args are that.
func held(args []string) (status int, held bool) {
	if len(args) < 4 || args[1] != holdArg {
		return 0, false
	}
	return hold(args[2], args[3:]), true
}

// hold waits for a byte and then becomes the command argv, found at path. It returns the exit
// status if it does not.
func hold(path string, argv []string) int {
	syscall.CloseOnExec(holdFD)
	pipe := os.NewFile(holdFD, "pipe")
	if n, _ := pipe.Read(make([]byte, 1)); n == 0 {
		return exitFailure // the recorder has ended, and has said why
	}
	err := syscall.Exec(path, argv, os.Environ())
	return ended(os.Stderr, "vmasnap record", cannotRun(argv[0], err))
}

// cannotRun says why a command cannot be run, with a shell's exit status.
func cannotRun(name string, err error) error {
	code := exitCannotRun
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = exitNotFound
	}
	var bad *exec.Error
	if errors.As(err, &bad) {
		err = bad.Err // without the name
	}
	return &exitError{code: code, err: fmt.Errorf("run %s: %w", name, err)}
}

// workload is CMD.
type workload struct {
	cmd       *exec.Cmd
	pipe      *os.File      // what it waits for
	done      chan struct{} // closed when it has ended
	signalled atomic.Bool   // this program was told to end
	aborted   chan struct{} // closed when it was told a second time, by the signal last
	last      unix.Signal
	released  bool
	ended     sync.Once
}

// startWorkload starts the process that will be the command.
func startWorkload(s *streams, command []string) (*workload, error) {
	path, err := exec.LookPath(command[0])
	if err != nil && !errors.Is(err, exec.ErrDot) { // "." in PATH: as shells do
		return nil, cannotRun(command[0], err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	wait, tell, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	defer wait.Close()
	cmd := &exec.Cmd{
		Path: self, Args: append([]string{os.Args[0], holdArg, path}, command...),
		Stdin: s.in, Stdout: s.out, Stderr: s.err, ExtraFiles: []*os.File{wait},
	}
	if err := cmd.Start(); err != nil {
		tell.Close()
		return nil, cannotRun(command[0], err)
	}
	w := &workload{cmd: cmd, pipe: tell, done: make(chan struct{}), aborted: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // ProcessState tells
		close(w.done)
	}()
	return w, nil
}

func (w *workload) pid() int { return w.cmd.Process.Pid }

// release lets the command begin and calls ended at its end.
func (w *workload) release(ended func()) error {
	if _, err := w.pipe.Write([]byte{0}); err != nil {
		return fmt.Errorf("start command: %w", err)
	}
	w.released = true
	go func() {
		<-w.done
		ended()
	}()
	return w.pipe.Close()
}

// patience is how long the command may take to end once it was told to.
const patience = 2 * time.Second

// forward passes signals on to the command. One that asks this program to end ends the
// recording too, when the command has ended or a moment later; the next one ends it at once, and
// another one this program. It returns what undoes it.
func (w *workload) forward(cancel func(cause error)) (stop func()) {
	final := []os.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP}
	signals := make(chan os.Signal, 8)
	for _, sig := range append([]os.Signal{unix.SIGUSR1, unix.SIGUSR2}, final...) {
		if !signal.Ignored(sig) { // as under nohup
			signal.Notify(signals, sig)
		}
	}
	go func() {
		for sig := range signals {
			// The terminal has sent these to the command as well.
			if sig != unix.SIGINT && sig != unix.SIGQUIT || !foreground() {
				_ = w.cmd.Process.Signal(sig)
			}
			if sig == unix.SIGUSR1 || sig == unix.SIGUSR2 {
				continue
			}
			if w.signalled.Swap(true) {
				w.last, _ = sig.(unix.Signal)
				signal.Reset(final...)
				close(w.aborted)
				return
			}
			time.AfterFunc(patience, func() { cancel(errors.New(sig.String())) })
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

// foreground reports whether the terminal, if there is one, sends its signals to this program.
func foreground() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// end waits for the command, which is told to end if it has not yet. A second call does
// nothing.
func (w *workload) end() {
	w.ended.Do(func() {
		w.pipe.Close() // one that was never released ends
		select {
		case <-w.done:
			return
		default:
		}
		if w.released {
			_ = w.cmd.Process.Signal(unix.SIGTERM)
		}
		select {
		case <-w.done:
		case <-w.aborted:
		case <-time.After(patience):
		}
	})
}

// running reports whether the command has not ended.
func (w *workload) running() bool {
	select {
	case <-w.done:
		return false
	default:
		return true
	}
}

// status is the command's exit status as a shell puts it. It is called behind end; one that
// goes on all the same was told to end.
func (w *workload) status() int {
	if w.running() {
		select {
		case <-w.aborted:
			return exitSignal + int(w.last)
		default:
			return exitSignal + int(unix.SIGTERM)
		}
	}
	status, ok := w.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case !ok:
		return exitFailure
	case status.Signaled():
		return exitSignal + int(status.Signal())
	}
	return status.ExitStatus()
}
