package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRecordIntoClosedPipe: a reader that has gone away has not got the recording. That is a
// failure, while a reader of a report that has seen enough is none.
func TestRecordIntoClosedPipe(t *testing.T) {
	for _, tc := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"record", "--no-follow", "-o", "-"}, exitFailure, "broken pipe"},
		{[]string{"doctor"}, exitDone, ""},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		var errs strings.Builder
		status := run(t.Context(), tc.args, &streams{in: strings.NewReader(""), out: w, err: &errs})
		w.Close()
		if status != tc.status || !strings.Contains(errs.String(), tc.says) || tc.says == "" && errs.Len() > 0 {
			t.Errorf("%v: status %d, want %d; %q, want %q", tc.args, status, tc.status, errs.String(), tc.says)
		}
	}
}

// full is an output that takes nothing.
type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

// TestOutputFails: whatever a command prints, a full disk is told once and as such, and a
// reader that has gone away is nobody's error.
func TestOutputFails(t *testing.T) {
	pid := fmt.Sprint(os.Getpid())
	file := filepath.Join(t.TempDir(), "self.data")
	runLive(t, exitDone, "record", "--no-follow", "-q", "-p", pid, "-o", file)
	question := pid + ":1000"
	// More than what is buffered.
	many := slices.Repeat([]string{question}, 3000)
	lines := strings.Repeat(question+"\n", 3000)
	for _, args := range [][]string{
		{"report", file},
		{"report", "--json", file},
		{"script", file},
		{"maps", file, "--pid", pid},
		append([]string{"lookup", file}, many...),
		{"lookup", file},
		append([]string{"query", "--source=maps", "-p", pid}, slices.Repeat([]string{"1000"}, 200)...),
		{"check", file},
		{"doctor"},
		{"version"},
		{"version", "--json"},
	} {
		for _, tc := range []struct {
			err    error
			status int
			says   string
		}{
			{unix.EPIPE, exitDone, ""},
			{unix.ENOSPC, exitFailure, "vmasnap " + args[0] + ": write output: no space left on device\n"},
		} {
			var errs strings.Builder
			status := run(t.Context(), args, &streams{in: strings.NewReader(lines), out: full{tc.err}, err: &errs})
			if status != tc.status || errs.String() != tc.says {
				t.Errorf("%.60q, %v: status %d, want %d; %q, want %q", args, tc.err, status, tc.status, errs.String(), tc.says)
			}
		}
	}
}

// TestRecordInterrupted: what was recorded up to the signal is a recording, which says so.
func TestRecordInterrupted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "half.data")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var errs strings.Builder
	if status := run(ctx, []string{"record", "--no-follow", "-o", file}, &streams{err: &errs}); status != exitFailure ||
		!strings.Contains(errs.String(), "interrupted; what was recorded before is in the file") {
		t.Errorf("status %d, %q", status, errs.String())
	}
	if out, _ := runLive(t, exitDone, "script", "--type=end", file); !strings.Contains(out, "reason=signal") {
		t.Errorf("the recording ends with %q", out)
	}
	if out, _ := runLive(t, exitDone, "report", file); !strings.Contains(out, "the rest of the snapshot: the recorder was interrupted") {
		t.Errorf("the report does not tell:\n%s", out)
	}
}
