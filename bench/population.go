package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vmasnap/vmasnap/procmap"
)

// population is a set of idle processes, and whatever else the machine runs besides.
type population struct {
	own   []int // the processes started here
	all   []int // every process that /proc listed afterwards
	isOwn map[int]bool
	cmds  []*exec.Cmd
	toAll *os.File // closed, it ends them
	ready *os.File
}

// idle is what each process of the population runs.
const idle = `import sys; sys.stdout.write("r"); sys.stdout.flush(); sys.stdin.read()`

// readyTimeout is how long the population gets to start. Tests shorten it.
var readyTimeout = 5 * time.Minute

// startPopulation starts n idle processes of python3 and waits until each of them idles.
func startPopulation(n int) (*population, error) {
	// A wrapper of python3 would be executed n times.
	python, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return nil, fmt.Errorf("find python3: %w", err)
	}
	stdin, toAll, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ready, stdout, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &population{isOwn: make(map[int]bool), toAll: toAll, ready: ready}
	for range n {
		c := exec.Command(strings.TrimSpace(string(python)), "-c", idle)
		c.Stdin, c.Stdout = stdin, stdout
		if err := c.Start(); err != nil {
			stdin.Close()
			stdout.Close()
			p.stop()
			return nil, fmt.Errorf("start population: %w", err)
		}
		p.cmds = append(p.cmds, c)
		p.own = append(p.own, c.Process.Pid)
		p.isOwn[c.Process.Pid] = true
	}
	stdin.Close()
	stdout.Close()
	// One that dies leaves the pipe open at its siblings.
	err = ready.SetReadDeadline(time.Now().Add(readyTimeout))
	if err == nil {
		_, err = io.ReadFull(ready, make([]byte, n))
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("wait for population: %w", err)
	}
	if p.all, err = procmap.PIDs("/proc", nil); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// stop ends the processes and waits for them.
func (p *population) stop() {
	p.toAll.Close()
	for _, c := range p.cmds {
		_ = c.Wait()
	}
	p.ready.Close()
}

// mapper is a process with a chosen number of VMAs.
type mapper struct {
	pid   int
	cmd   *exec.Cmd
	stdin io.Closer
}

// startMapper runs this program once more, as a process that maps n VMAs beside its own, of
// which one in each `every` is an executable page of file.
func startMapper(n, every int, file string) (*mapper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s", mapperVariable, n, every, file))
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	m := &mapper{pid: c.Process.Pid, cmd: c, stdin: stdin}
	if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil {
		m.stop()
		return nil, fmt.Errorf("wait for process with %d VMAs: %w", n, err)
	}
	return m, nil
}

func (m *mapper) stop() {
	m.stdin.Close()
	_ = m.cmd.Wait()
}

// limit is a running bench/limit/limit.c.
type limit struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
}

var errNoIoctl = errors.New("kernel has no PROCMAP_QUERY")

func startLimit(binary, what string, p *population) (*limit, error) {
	args := []string{what, strconv.Itoa(len(p.own))}
	others := slices.DeleteFunc(slices.Clone(p.all), func(pid int) bool { return p.isOwn[pid] })
	for _, pid := range slices.Concat(p.own, others) {
		args = append(args, strconv.Itoa(pid))
	}
	l := &limit{cmd: exec.Command(binary, args...)}
	var err error
	if l.stdin, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.out = bufio.NewReader(out)
	return l, l.cmd.Start()
}

// pass makes one pass and returns what it measured itself.
func (l *limit) pass() (ns float64, t tally, err error) {
	if _, err := l.stdin.Write([]byte{1}); err != nil {
		return 0, t, err
	}
	if _, err := fmt.Fscan(l.out, &ns, &t.all, &t.own); err != nil {
		return 0, t, err
	}
	if t.all < 0 {
		return 0, t, errNoIoctl
	}
	return ns, t, nil
}

func (l *limit) stop() {
	l.stdin.Close()
	_ = l.cmd.Wait()
}
