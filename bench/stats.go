package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// samples are measurements in the order in which they were taken: those with equal indexes
// in two of them were taken one right after the other.
type samples []float64

func (s samples) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// per returns the pairs' quotients.
func (s samples) per(base samples) samples {
	q := make(samples, len(s))
	for i := range s {
		q[i] = s[i] / base[i]
	}
	return q
}

// minus returns the pairs' differences.
func (s samples) minus(base samples) samples {
	d := make(samples, len(s))
	for i := range s {
		d[i] = s[i] - base[i]
	}
	return d
}

// spread formats the median and the extremes.
func (s samples) spread(format string) string {
	if len(s) == 0 {
		return "-"
	}
	return fmt.Sprintf(format+" ("+format+"-"+format+")", s.median(), slices.Min(s), slices.Max(s))
}

// table prints rows of cells separated by tabs.
func table(w io.Writer, rows []string) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(rows, "\n"))
	t.Flush()
}
