package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// This file puts into words what a recording followed and what it lost.

// followed is the word for a process that is known from live statements alone, where that of
// its walk would stand.
const followed = "followed"

// maxLossLines is how many windows of losses the head of a report lists.
const maxLossLines = 5

// walkWord says how the process is known.
func walkWord(p *replay.Process) string {
	if p.Followed() {
		return followed
	}
	return p.Status().String()
}

// walkText says how the process is known, and how far that can be trusted.
func walkText(p *replay.Process) string {
	text := walkWord(p)
	if p.Status() == format.WalkShared {
		text = fmt.Sprintf("shares %d", p.Walk.SharesPID)
	}
	return text + mark(p.UncertainSince != 0, ", uncertain")
}

// processTally counts the processes by how they are known.
func processTally(sum *replay.Summary) string {
	text := tally(sum.Processes)
	switch {
	case sum.Followed == 0:
		return text
	case text == "none":
		text = ""
	default:
		text += ", "
	}
	return text + count(sum.Followed) + " " + followed
}

// followedText counts live statements.
func followedText(st *replay.Stats) string {
	return fmt.Sprintf("%s mappings, %s removals, %s forks, %s execs, %s exits",
		count(int(st.Mmaps-st.Walked)), count(int(st.Clears)), count(int(st.Forks)), count(int(st.Execs)), count(int(st.Exits)))
}

// driftText says whether later walks found what had been followed.
func driftText(st *replay.Stats) string {
	switch {
	case st.Restated == 0:
		return "no later walk to compare with"
	case st.Drift == 0:
		return fmt.Sprintf("%s address spaces walked again, each as it was followed", count(int(st.Restated)))
	}
	return fmt.Sprintf("%s of %s address spaces walked again were not as followed, in %s intervals",
		count(int(st.DriftProcesses)), count(int(st.Restated)), count(int(st.Drift)))
}

// lossText says what was lost, when, and when it was repaired.
func lossText(l *replay.Loss, host *format.Host) string {
	number, from := "statements", "the start"
	switch {
	case l.Count == 1:
		number = "1 statement"
	case l.Count > 1:
		number = count(int(l.Count)) + " statements"
	}
	if l.From > 0 {
		from = sinceStart(l.From, host)
	}
	whose := ""
	if l.PID != 0 {
		whose = fmt.Sprintf(" about process %d", l.PID)
	}
	repaired := "not repaired"
	if l.Repaired > 0 {
		repaired = "repaired at " + sinceStart(l.Repaired, host)
	}
	return fmt.Sprintf("%s%s (%s) between %s and %s, %s", number, whose, l.Reason, from, sinceStart(l.Detected, host), repaired)
}

// sinceStart is a CLOCK_MONOTONIC time as a distance from the start of the recording.
func sinceStart(ns uint64, host *format.Host) string {
	if host == nil {
		return fmt.Sprint(ns)
	}
	return fmt.Sprintf("%.3fs", (time.Duration(ns) - time.Duration(host.Clocks.Monotonic)).Seconds())
}

// driftLine says over which interval a walk found something else than what was followed.
func driftLine(d *replay.Drift, host *format.Host) string {
	return fmt.Sprintf("process %d %s: drift at %s: %s", d.PID, printable(d.Comm), sinceStart(d.Time, host), describe(&d.Difference, "followed", "walked"))
}

// describe says in one line how two states, which have names, differ.
func describe(d *replay.Difference, a, b string) string {
	text := fmt.Sprintf("%s %#x-%#x", d.Verdict, d.Start, d.End)
	var was, is string
	if d.A.File != nil {
		was = " " + mappingText(&d.A, d.Start)
	}
	if d.B.File != nil {
		is = " " + mappingText(&d.B, d.Start)
	}
	if was == is { // so it is another file, or another build of it
		was, is = was+identityText(d.A.File), is+identityText(d.B.File)
	}
	if was != "" {
		text += " " + a + was
	}
	if is != "" {
		text += " " + b + is
	}
	return text
}

// identityText says what tells files of one name apart.
func identityText(f *replay.File) string {
	text := fmt.Sprintf(" (%s inode %d", format.Device(f.Major, f.Minor), f.Inode)
	if f.HasGeneration {
		text += fmt.Sprintf(" generation %d", f.Generation)
	}
	return text + " build ID " + cmp.Or(f.BuildID.String(), printable(f.GoBuildID), "unknown") + ")"
}

// mappingText says what m has at addr.
func mappingText(m *replay.Mapping, addr uint64) string {
	return fmt.Sprintf("%s %s+%#x%s", m.Perm(), printable(m.File.Path), m.FileOffset(addr), mark(m.File.Deleted, " (deleted)"))
}
