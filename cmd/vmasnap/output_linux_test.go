package main

import (
	"os"
	"strings"
	"testing"
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
