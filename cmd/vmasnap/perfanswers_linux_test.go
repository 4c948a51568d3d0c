package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
)

// busySource is a program that is sampled in many functions, of its own and of libraries, and that
// maps and unmaps a library all the time.
const busySource = `
#include <dlfcn.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) double work(int n)
{
	volatile double sum = 0;
	for (int i = 1; i < n; i++)
		sum += sin(i) * exp(-i);
	return sum;
}

__attribute__((noinline)) size_t text(char *buffer, int n)
{
	size_t sum = 0;
	for (int i = 0; i < n; i++) {
		sprintf(buffer, "%d %g", i, i * 0.5);
		sum += strlen(buffer);
		free(malloc(sum % 4096 + 1));
	}
	return sum;
}

int main(int argc, char **argv)
{
	struct pollfd end = { 0, POLLIN, 0 };
	char buffer[100];

	puts("ready");
	fflush(stdout);
	for (;;) {
		void *h = dlopen(argv[1], RTLD_NOW);
		int (*spin)(int) = (int (*)(int))dlsym(h, "spin");
		if (work(2000) + text(buffer, 300) + spin(20000) == 42)
			return 1;
		dlclose(h);
		if (argc > 2 || poll(&end, 1, 0) > 0) /* the end of standard input */
			return 0;
	}
}
`

// perfSample matches a sample as perf script -F pid,time,ip,sym,symoff,dso prints it.
var perfSample = regexp.MustCompile(`^ *(\d+) +(\d+\.\d+): +([0-9a-f]+) (.*) \((.*)\)$`)

// TestPerfAnswers samples the machine with perf while it is recorded. Wherever perf says which file
// and function a sample was in, lookup says the same. What else there is has its reason.
func TestPerfAnswers(t *testing.T) {
	if err := canFollow(); err != nil {
		need.Skip(t, need.BPF, err.Error())
	}
	need.Root(t, "perf events of the machine")
	perf := need.Tool(t, "perf")
	need.Tool(t, "cc")
	dir := t.TempDir()
	exe, library := filepath.Join(dir, "busy"), filepath.Join(dir, "libspin.so")
	source := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	spin := "int spin(int n) { volatile int sum = 0; for (int i = 0; i < n; i++) sum += i; return sum; }\n"
	if err := testproc.Build(library, source("spin.c", spin), "-shared", "-fPIC"); err != nil {
		t.Fatal(err)
	}
	if err := testproc.Build(exe, source("busy.c", busySource), "-ldl", "-lm"); err != nil {
		t.Fatal(err)
	}
	testproc.Start(t, exec.Command(exe, library))
	shell := testproc.Start(t, exec.Command("sh", "-c", "echo ready; while :; do ls /usr/lib >/dev/null; done"))
	t.Cleanup(func() { _ = shell.Cmd.Process.Kill() })

	recording, samples := filepath.Join(dir, "recording"), filepath.Join(dir, "perf.data")
	ctx, stop := context.WithCancel(t.Context())
	status := make(chan int)
	var errs bytes.Buffer
	go func() {
		status <- run(ctx, []string{"record", "-d", "1m", "--keep-priority", "--keep-capabilities", "-o", recording}, &streams{in: strings.NewReader(""), out: os.Stdout, err: &errs})
	}()
	waitForFrame(t, recording)
	record := exec.Command(perf, "record", "-q", "-a", "-k", "CLOCK_MONOTONIC", "-e", "cpu-clock:u", "-F", "499", "-o", samples, "--", "sleep", "3")
	if out, err := record.CombinedOutput(); err != nil {
		t.Fatalf("perf record: %v\n%s", err, out)
	}
	time.Sleep(500 * time.Millisecond)
	stop()
	if code := <-status; code != exitDone {
		t.Fatalf("record: status %d: %s", code, &errs)
	}
	script := exec.Command(perf, "script", "-i", samples, "--ns", "-G", "-F", "pid,time,ip,sym,symoff,dso")
	printed, err := script.Output()
	if err != nil {
		t.Fatalf("perf script: %v", err)
	}
	comparePerf(t, recording, string(printed))
}

// waitForFrame waits until a recorder has told of the beginning of its recording.
func waitForFrame(t *testing.T, name string) {
	t.Helper()
	for range 300 {
		if info, err := os.Stat(name); err == nil && info.Size() > 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the recorder has not begun")
}

// comparePerf asks lookup what perf has printed.
func comparePerf(t *testing.T, recording, printed string) {
	t.Helper()
	type sample struct{ pid, time, ip, symbol, dso string }
	var all []sample
	var questions strings.Builder
	for line := range strings.Lines(printed) {
		m := perfSample.FindStringSubmatch(strings.Replace(strings.TrimSuffix(line, "\n"), " (deleted))", ")", 1))
		if m == nil {
			t.Fatalf("perf script says %q", line)
		}
		if m[1] == "0" || strings.HasPrefix(m[5], "[kernel") {
			continue
		}
		all = append(all, sample{m[1], m[2], m[3], m[4], m[5]})
		fmt.Fprintf(&questions, "%s %s: %s\n", m[1], m[2], m[3])
	}
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"lookup", recording, "--symbols", "--json", "--fields", "pid,time,addr"},
		&streams{in: strings.NewReader(questions.String()), out: &out, err: &errs}); status != exitDone {
		t.Fatalf("lookup: status %d: %s", status, &errs)
	}
	answers := json.NewDecoder(&out)
	counts := make(map[string]int)
	for _, s := range all {
		var a struct {
			Path       string
			Function   string
			Offset     string `json:"function_offset"`
			NoFunction string `json:"no_function"`
			Miss, Why  string
			Uncertain  bool
		}
		if err := answers.Decode(&a); err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("%s:%s@%s: perf says %s in %s, lookup %+v", s.pid, s.ip, s.time, s.symbol, s.dso, a)
		switch {
		case a.Uncertain:
			counts["uncertain"]++
		case s.dso == "[unknown]":
			counts["perf does not know"]++
		case strings.HasPrefix(s.dso, "/tmp/perf-"), strings.HasPrefix(s.dso, "["), strings.HasPrefix(s.dso, "//anon"), s.dso == "inlined":
			// JIT code, for which perf expects a file, and the kernel's pages: not recorded by default.
			counts["not a file"]++
			if a.Path != "" {
				t.Error(what)
			}
		case a.Path != s.dso:
			counts["other file"]++
			t.Error(what)
		case s.symbol == "[unknown]" || a.Function == "":
			counts["same file, one has no function"]++
			if a.NoFunction == "" && a.Function == "" {
				t.Error(what)
			}
		case s.symbol == a.Function+"+"+a.Offset:
			counts["same function"]++
		case strings.HasSuffix(s.symbol, "+"+a.Offset):
			counts["same place under another name"]++ // of several symbols
		default:
			counts["other function"]++
			t.Log(what)
		}
	}
	t.Logf("%d samples: %v", len(all), counts)
	if counts["same function"] < 500 || counts["same function"] < len(all)/3 {
		t.Errorf("of %d samples %d are in the same function", len(all), counts["same function"])
	}
	if n := counts["other function"]; n*50 > len(all) {
		t.Errorf("%d of %d samples are in another function", n, len(all))
	}
}
