package main

import (
	"cmp"
	"strings"

	"github.com/vmasnap/vmasnap/format"
)

// The tables that gather what the table of processes has one by one.

func (d *diff) fileTable() *table {
	t := newTable("PROCESSES", "BUILD ID", "FILE")
	for _, row := range d.Files() {
		t.row(tally(row.Processes), arrow(buildIDs(row.Was), buildIDs(row.Now)), pathName(row.Path))
	}
	return t
}

// buildIDs lists build IDs for a table.
func buildIDs(ids []format.BuildID) string {
	var out []string
	for _, id := range ids {
		out = append(out, id.String())
	}
	return cmp.Or(strings.Join(out, " "), "(none)")
}

func (d *diff) buildIDTable() *table {
	t := newTable("BUILD ID", "DIFFERENCE", ">PROCESSES", "FILES")
	for _, row := range d.BuildIDs() {
		var paths []string
		for _, p := range row.Paths {
			paths = append(paths, printable(p))
		}
		what := "gone"
		if row.Now > 0 {
			what = "new"
		}
		t.row(buildIDCell(row.BuildID, row.GoBuildID, 0), what, count(max(row.Was, row.Now)), strings.Join(paths, ", "))
	}
	return t
}

func (d *diff) cgroupTable() *table {
	t := newTable(">GONE", ">NEW", ">EXEC'ED", ">CHANGED", ">UNCLEAR", "FILES", "CGROUP")
	for _, row := range d.Cgroups() {
		t.row(count(row.Gone), count(row.New), count(row.Executed), count(row.Changed), count(row.Unclear),
			tally(row.Files), cmp.Or(printable(row.Cgroup), "(unknown)"))
	}
	return t
}
