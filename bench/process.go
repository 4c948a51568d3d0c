package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// usage is what one run of a command took.
type usage struct {
	wall, user, system float64 // microseconds
	peak               float64 // KiB of memory
	output             []byte
}

func (u *usage) cpu() float64 { return u.user + u.system }

// run runs a command under bench/limit/usage.c.
func (t *tools) run(args ...string) (*usage, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	c := exec.Command(t.usage, args...)
	c.ExtraFiles = []*os.File{w}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err = c.Run()
	w.Close()
	if err != nil {
		return nil, fmt.Errorf("run %v: %w: %s", args, err, out.Bytes())
	}
	u := &usage{output: out.Bytes()}
	if _, err := fmt.Fscan(r, &u.wall, &u.user, &u.system, &u.peak); err != nil {
		return nil, fmt.Errorf("read usage of %v: %w", args, err)
	}
	return u, nil
}

// wholes are the measurements of whole processes, one element a round in each.
type wholes struct {
	records  [][]*usage // of each vmasnap binary
	synth    samples    // microseconds by perf's own clock
	events   samples
	rounds   samples // CPU microseconds of one more iteration: 3 less 1, halved
	perfFull []*usage
	perfNone []*usage
}

var (
	perfTook   = regexp.MustCompile(`Average synthesis took: ([0-9.]+) usec`)
	perfEvents = regexp.MustCompile(`Average num\. events: ([0-9.]+)`)
)

// measureProcesses runs every contender once a round.
func (t *tools) measureProcesses(n int) (*wholes, error) {
	m := &wholes{records: make([][]*usage, len(t.vmasnap))}
	file := filepath.Join(t.dir, "recording")
	for range n {
		for i, binary := range t.vmasnap {
			u, err := t.run(binary, "record", "--no-follow", "--quiet", "-o", file)
			if err != nil {
				return nil, err
			}
			m.records[i] = append(m.records[i], u)
		}
		if t.perf == "" {
			continue
		}
		one, err := t.run(t.perf, "bench", "internals", "synthesize", "-t", "-M", "1", "-I", "1")
		if err != nil {
			return nil, err
		}
		three, err := t.run(t.perf, "bench", "internals", "synthesize", "-t", "-M", "1", "-I", "3")
		if err != nil {
			return nil, err
		}
		took, events := perfTook.FindSubmatch(one.output), perfEvents.FindSubmatch(one.output)
		if took == nil || events == nil {
			return nil, fmt.Errorf("understand perf bench: %s", one.output)
		}
		m.synth = append(m.synth, number(took[1]))
		m.events = append(m.events, number(events[1]))
		m.rounds = append(m.rounds, (three.cpu()-one.cpu())/2)
		full, err := t.run(t.perf, "record", "-a", "-e", "dummy", "-o", file+".perf", "--", "true")
		if err != nil {
			return nil, err
		}
		none, err := t.run(t.perf, "record", "-a", "-e", "dummy", "--synth=no", "-o", file+".perf", "--", "true")
		if err != nil {
			return nil, err
		}
		m.perfFull, m.perfNone = append(m.perfFull, full), append(m.perfNone, none)
	}
	return m, nil
}

func number(b []byte) float64 {
	f, _ := strconv.ParseFloat(string(b), 64)
	return f
}

// of collects one figure of each run.
func of(runs []*usage, figure func(*usage) float64) (s samples) {
	for _, u := range runs {
		s = append(s, figure(u))
	}
	return s
}
