package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/recorder"
	"github.com/vmasnap/vmasnap/replay"
)

// missing says in words what the recording misses; none when it is whole.
func (t *take) missing() []string {
	out := t.stats.Incomplete()
	if t.noFollow {
		return out
	}
	if !t.stats.Live.Begun {
		out = append(out, "the recording ended before its snapshot was complete")
	}
	live := &t.stats.Live
	if len(live.Lost) > 0 {
		repaired := "; walks have repaired that since"
		if live.Unrepaired {
			repaired = "; not repaired"
		}
		out = append(out, fmt.Sprintf("statements lost (%s)%s", tally(counts(live.Lost)), repaired))
	}
	return out
}

// counts makes a map fit for tally.
func counts(m map[format.LostReason]uint64) map[format.LostReason]int {
	out := make(map[format.LostReason]int, len(m))
	for k, n := range m {
		out[k] = int(n)
	}
	return out
}

// summary tells on standard error what happened.
func (t *take) summary(w io.Writer, name string, rec *recorder.Recorder, cpu time.Duration) {
	st, written, host := &t.stats, t.writer.Stats(), rec.Host()
	walked := st.Processes[format.WalkComplete] + st.Processes[format.WalkShared]
	note := func(text string, args ...any) { fmt.Fprintf(w, "[ vmasnap: "+text+" ]\n", args...) }
	file := fmt.Sprintf("%s to %s", bytesOf(written.FileBytes), printable(name))
	perMapping := ""
	if st.VMAs > 0 && t.noFollow {
		perMapping = fmt.Sprintf(", %.1f bytes a mapping", float64(written.FileBytes)/float64(st.VMAs))
	}
	if t.noFollow {
		file = "; " + file
	} else {
		file = ""
	}
	when := ""
	if !t.noFollow {
		when = "at the start "
	}
	if t.workload == nil || t.all { // else it is this program's own child, before it is CMD
		note("%s%s processes, %s mappings of %s files in %s%s%s",
			when, count(walked), count(st.VMAs), count(st.Files), roundDuration(st.Elapsed), file, perMapping)
	}
	if !t.noFollow {
		t.followed(note, name, host)
	}
	if t.verbose && !t.noFollow && !t.keepPriority {
		note("ran at the highest priority, nice -20, if that was permitted; --keep-priority leaves it alone")
	}
	for _, missing := range t.missing() {
		note("%s", missing)
	}
	if host.Source == format.SourceMaps && t.options.Source == recorder.SourceAuto {
		note("PROCMAP_QUERY is not available: read the text of /proc/PID/maps instead")
	}
	for _, text := range rec.Notes() {
		note("%s", printable(text))
	}
	if !t.verbose {
		return
	}
	fmt.Fprintf(w, "  source     %s, hooks %s\n", host.Source, host.Hooks)
	fmt.Fprintf(w, "  processes  %s\n", tally(st.Processes))
	fmt.Fprintf(w, "  build IDs  %s\n", tally(st.BuildIDs))
	notExecutable := "; VMAs that are not executable were not looked at"
	if t.options.AllFile {
		notExecutable = ""
	}
	fmt.Fprintf(w, "  left out   %d anonymous executable (JIT), %d [vdso]%s\n", st.ExcludedAnonExec, st.ExcludedVDSO, notExecutable)
	fmt.Fprintf(w, "  written    %s records, %s raw, %s in the file, %d frames\n",
		count(int(written.Records)), bytesOf(written.RawBytes), bytesOf(written.FileBytes), written.Frames)
	fmt.Fprintf(w, "  CPU time   %s\n", roundDuration(cpu))
}

// followed tells what following brought.
func (t *take) followed(note func(text string, args ...any), name string, host *format.Host) {
	live, written := &t.stats.Live, t.writer.Stats()
	note("followed by %s hooks: %s mappings and %s removals, %s forks, %s execs, %s exits; %s to %s",
		host.Hooks, count(int(live.Sets)), count(int(live.Clears)), count(int(live.Forks)), count(int(live.Execs)), count(int(live.Exits)),
		bytesOf(written.FileBytes), printable(name))
	if none := total(live.NoBuildID); none > 0 {
		note("%s of %s files that came later have no build ID (%s), nor do %s of their %s mappings",
			count(none), count(live.Files), tally(live.NoBuildID), count(int(live.SetsNoBuildID)), count(int(live.Sets)))
	}
	if live.Keyframes+live.Repairs > 0 {
		note("%d keyframes, %d repairs: %s", live.Keyframes, live.Repairs, drift(name, &written))
	}
}

func total[K comparable](m map[K]int) (n int) {
	for _, k := range m {
		n += k
	}
	return n
}

// maxReplay is how many records are read again at the end: about a second's worth.
const maxReplay = 1_000_000

// drift reads the recording again and tells whether what was followed agrees with the walks.
func drift(name string, written *format.WriterStats) string {
	const later = "vmasnap check compares them with what was followed"
	f, err := os.Open(name)
	if err != nil || written.Records > maxReplay {
		return later
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return later
	}
	r, err := format.NewReader(f, format.ReaderOptions{})
	if err != nil {
		return later
	}
	session, err := replay.Load(r)
	if err != nil {
		return later
	}
	return driftText(&session.Stats)
}
