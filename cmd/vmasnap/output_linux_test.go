package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

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

// TestFullDisk: a status that is the answer is none where the text could not be written, and
// help is output too.
func TestFullDisk(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.data")
	if err := os.WriteFile(bad, []byte("\x28\xb5\x2f\xfd"), 0o600); err != nil {
		t.Fatal(err)
	}
	runLive(t, exitFound, "check", bad)
	for _, args := range [][]string{{"check", bad}, {"--help"}, {"help"}, {"report", "--help"}, {"help", "report"}} {
		var errs strings.Builder
		status := run(t.Context(), args, &streams{out: full{unix.ENOSPC}, err: &errs})
		if status != exitFailure || !strings.Contains(errs.String(), "write output: no space left on device") {
			t.Errorf("%v: status %d, %q", args, status, errs.String())
		}
	}
}

// short is an output that takes n bytes.
type short struct{ n int }

func (s *short) Write(p []byte) (int, error) {
	n := min(s.n, len(p))
	if s.n -= n; n < len(p) {
		return n, unix.ENOSPC
	}
	return n, nil
}

// TestReportCutShort: no byte of a report is lost in silence.
func TestReportCutShort(t *testing.T) {
	file := filepath.Join(t.TempDir(), "small.data")
	if err := compile(`host time=1 page_size=4096 source=maps content=exec-file
mmap time=3 pid=10 tid=10 start=0x1000 len=0x1000 dev=08:01 ino=7 prot=r-xp kind=exec-file build_id=aa path="/a"
mmap time=3 pid=11 tid=11 start=0x1000 len=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file build_id=bb path="/b"
`, file); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"--json=false", "--json"} {
		args := []string{"report", form, "--limit=1", file, file}
		whole, _ := runLive(t, exitDone, args...)
		for n := range len(whole) {
			var errs strings.Builder
			if status := run(t.Context(), args, &streams{out: &short{n}, err: &errs}); status != exitFailure {
				t.Fatalf("%s cut short after %d of %d bytes: status %d, %q", form, n, len(whole), status, errs.String())
			}
		}
	}
}

// TestReportNameOfFile: a FILE whose name is not UTF-8 is named exactly.
func TestReportNameOfFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "\xff.data")
	if err := compile("host time=1 page_size=4096 source=maps content=exec-file\n", file); err != nil {
		t.Fatal(err)
	}
	out, _ := runLive(t, exitDone, "report", "--json", file)
	var got struct {
		File  string `json:"file"`
		Bytes []byte `json:"file_bytes"`
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || string(got.Bytes) != file || !strings.HasSuffix(got.File, "/\ufffd.data") {
		t.Errorf("%q, %q, %v", got.File, got.Bytes, err)
	}
}

// TestCheckOfBadDisk: an input that cannot be read is a failure, not a verdict on the recording.
func TestCheckOfBadDisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "self.data")
	runLive(t, exitDone, "record", "--no-follow", "-q", "-p", fmt.Sprint(os.Getpid()), "-o", file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in := io.MultiReader(bytes.NewReader(b[:len(b)-1]), iotest.ErrReader(unix.EIO))
	var out, errs strings.Builder
	status := run(t.Context(), []string{"check", "-"}, &streams{in: in, out: &out, err: &errs})
	if status != exitFailure || out.Len() > 0 || !strings.Contains(errs.String(), "read standard input: ") || !strings.Contains(errs.String(), unix.EIO.Error()) {
		t.Errorf("status %d, %q, %q", status, out.String(), errs.String())
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
