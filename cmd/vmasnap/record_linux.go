package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
	"github.com/vmasnap/vmasnap/recorder"
)

func recordCommand() command {
	return command{
		name:    "record",
		args:    "",
		summary: "take a snapshot of what every process has mapped executable",
		help: `Walks the executable, file-backed VMAs of every process and writes them, with build IDs, to
one compressed file. An existing vmasnap.data becomes vmasnap.data.old. Run as root, or with
CAP_SYS_PTRACE (and CAP_CHECKPOINT_RESTORE for the build IDs of some Go programs), to see
other users' processes; without, they are recorded as denied.`,
		setup: func(flags *pflag.FlagSet) action {
			var r record
			flags.StringVarP(&r.output, "output", "o", defaultFile, `file to write; "-" is standard output`)
			flags.BoolVar(&r.noFollow, "no-follow", false, "the snapshot alone: do not follow later changes")
			flags.VarP(&r.pids, "pid", "p", "only these processes")
			flags.TextVar(&r.options.Source, "source", procmap.SourceAuto, "auto, ioctl (Linux 6.11) or maps (the text of /proc/PID/maps)")
			flags.TextVar(&r.options.BuildID, "build-id", procmap.BuildIDAuto, "who is asked for build IDs: auto (the kernel, then the file), kernel, file or none")
			flags.BoolVar(&r.options.AllFile, "all-file", false, "record file-backed VMAs that are not executable too")
			flags.BoolVar(&r.options.AnonExec, "anon-exec", false, "record executable VMAs without a file (JIT code) too")
			flags.BoolVar(&r.options.VDSO, "vdso", false, "record the kernel's [vdso] too")
			flags.IntVarP(&r.options.Workers, "jobs", "j", 0, "processes to walk at once; 0 is one for each CPU")
			flags.DurationVar(&r.options.WalkTimeout, "walk-timeout", recorder.DefaultWalkTimeout, "how long a process may give no answer before it is recorded as timed out")
			flags.BoolVar(&r.strict, "strict", false, "exit with status 3 if anything was denied or incomplete")
			flags.BoolVarP(&r.quiet, "quiet", "q", false, "no summary and no progress")
			flags.BoolVarP(&r.verbose, "verbose", "v", false, "a longer summary")
			return func(ctx context.Context, s *streams, args []string) error {
				if len(args) > 0 {
					return usageError("takes no arguments, got %q", args[0])
				}
				return r.run(ctx, s)
			}
		},
	}
}

// record is one invocation of the command.
type record struct {
	output                           string
	pids                             pidsFlag
	noFollow, strict, quiet, verbose bool
	options                          recorder.Options
}

func (r *record) run(ctx context.Context, s *streams) error {
	if !r.noFollow {
		return unsupported(errors.New("following later changes is not built in yet; record --no-follow takes a snapshot"))
	}
	if r.quiet && r.verbose {
		return usageError("--quiet and --verbose: want one")
	}
	if r.options.Workers < 0 {
		return usageError("--jobs %d: want 0 or more", r.options.Workers)
	}
	if r.options.WalkTimeout <= 0 {
		return usageError("--walk-timeout %s: want more than 0", r.options.WalkTimeout)
	}
	r.options.Tool = "vmasnap " + toolVersion()
	r.options.Command = strings.Join(os.Args, " ")
	for _, pid := range r.pids {
		if err := checkProcess(int(pid)); err != nil {
			return fmt.Errorf("--pid: %w", err)
		}
		r.options.PIDs = append(r.options.PIDs, int(pid))
	}
	progress := newProgress(s.err, r.quiet)
	r.options.Progress = progress.show
	rec, err := recorder.New(r.options)
	if err != nil {
		return notPermitted(err)
	}
	out, err := createOutput(s, r.output)
	if err != nil {
		return err
	}
	// The heap of a snapshot is a few MiB. Collecting it at the usual pace takes a sixth of
	// all CPU time and gives back next to nothing.
	debug.SetGCPercent(400)
	cpu := cpuTime()
	ctx, stop := interruptible(ctx)
	defer stop()
	stats, written, err := save(ctx, rec, out)
	cpu = cpuTime() - cpu
	progress.clear()
	if err != nil {
		return fmt.Errorf("record to %s: %w", out.name, err)
	}
	if !r.quiet {
		r.summary(s.err, out.name, rec.Host(), &stats, &written, cpu)
	}
	if missing := stats.Incomplete(); r.strict && len(missing) > 0 {
		return &exitError{code: exitIncomplete, err: fmt.Errorf("incomplete: %s", strings.Join(missing, "; "))}
	}
	return nil
}

// checkProcess returns an error unless pid is a process, as opposed to one of its threads.
func checkProcess(pid int) error {
	p, err := procmap.OpenProcess("/proc", pid)
	if err != nil {
		return err
	}
	defer p.Close()
	group, err := p.Group()
	if err != nil {
		return err
	}
	if group != pid {
		return fmt.Errorf("%d is a thread of process %d: give that", pid, group)
	}
	return nil
}

// save takes the snapshot into out and closes it. After an error what was written up to
// then is a readable recording, as far as out still takes it.
func save(ctx context.Context, rec *recorder.Recorder, out *output) (recorder.Stats, format.WriterStats, error) {
	w, err := format.NewWriter(out, rec.Host(), format.WriterOptions{})
	if err != nil {
		return recorder.Stats{}, format.WriterStats{}, errors.Join(err, out.Close())
	}
	// The head of the recording is on its way before anything can go wrong: whatever kills
	// the recorder, the file opens.
	if err := w.Flush(); err != nil {
		return recorder.Stats{}, w.Stats(), errors.Join(err, out.Close())
	}
	stats, err := rec.Run(ctx, w)
	if err != nil {
		reason := format.EndError
		if ctx.Err() != nil {
			reason, err = format.EndSignal, errors.New("interrupted; what was recorded before is in the file")
		}
		// The first error is the one to tell. This is the attempt to save the rest.
		if w.Write(&format.End{Common: format.Common{Time: recorder.Now()}, Reason: reason}) == nil {
			_ = w.Close()
		}
		_ = out.Close()
		return stats, w.Stats(), err
	}
	err = w.Write(&format.End{Common: format.Common{Time: recorder.Now()}})
	if err == nil {
		err = w.Close()
	}
	return stats, w.Stats(), errors.Join(err, out.Close())
}

// summary tells on standard error what happened.
func (r *record) summary(w io.Writer, name string, host *format.Host, st *recorder.Stats, written *format.WriterStats, cpu time.Duration) {
	walked := st.Processes[format.WalkComplete] + st.Processes[format.WalkShared]
	perMapping := ""
	if st.VMAs > 0 {
		perMapping = fmt.Sprintf(", %.1f bytes a mapping", float64(written.FileBytes)/float64(st.VMAs))
	}
	fmt.Fprintf(w, "[ vmasnap: %s processes, %s mappings of %s files in %s; %s to %s%s ]\n",
		count(walked), count(st.VMAs), count(st.Files), roundDuration(st.Elapsed), bytesOf(written.FileBytes), printable(name), perMapping)
	for _, missing := range st.Incomplete() {
		fmt.Fprintf(w, "[ vmasnap: %s ]\n", missing)
	}
	if host.Source == format.SourceMaps && r.options.Source == procmap.SourceAuto {
		fmt.Fprintln(w, "[ vmasnap: PROCMAP_QUERY is not available: read the text of /proc/PID/maps instead ]")
	}
	if !r.verbose {
		return
	}
	fmt.Fprintf(w, "  source     %s\n", host.Source)
	fmt.Fprintf(w, "  processes  %s\n", tally(st.Processes))
	fmt.Fprintf(w, "  build IDs  %s\n", tally(st.BuildIDs))
	notExecutable := "; VMAs that are not executable were not looked at"
	if r.options.AllFile {
		notExecutable = ""
	}
	fmt.Fprintf(w, "  left out   %d anonymous executable (JIT), %d [vdso]%s\n", st.ExcludedAnonExec, st.ExcludedVDSO, notExecutable)
	fmt.Fprintf(w, "  written    %s records, %s raw, %s in the file, %d frames\n",
		count(int(written.Records)), bytesOf(written.RawBytes), bytesOf(written.FileBytes), written.Frames)
	fmt.Fprintf(w, "  CPU time   %s\n", roundDuration(cpu))
}
