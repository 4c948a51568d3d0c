package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/procmap"
	"github.com/vmasnap/vmasnap/recorder"
)

func recordCommand() command {
	return command{
		name:    "record",
		args:    "[-- CMD [ARGS]]",
		summary: "record what every process has mapped executable, and each later change",
		help: `Writes to one compressed file which executable, file-backed VMAs every process has, with
build IDs, and then every change, until Ctrl-C, SIGTERM, SIGHUP or the end of --duration. A
second signal ends it at once; the file is sound either way. With CMD it records that command
and its descendants, from before its first instruction to its end (with --all the whole
machine for as long), and passes on its exit status, and signals to it. A CMD that is told to
end and has not two seconds later is left alone, which is said. An existing vmasnap.data becomes
vmasnap.data.old.

Following changes takes root, or CAP_BPF and CAP_PERFMON; --no-follow takes a snapshot alone.
Other users' processes take CAP_SYS_PTRACE (and CAP_CHECKPOINT_RESTORE for the build IDs of
some Go programs); without, they are recorded as denied. vmasnap doctor tells what works.`,
		setup: func(flags *pflag.FlagSet) action {
			r := record{ringSize: bpfmmap.DefaultRingSize}
			flags.StringVarP(&r.output, "output", "o", defaultFile, `file to write; "-" is standard output`)
			flags.DurationVarP(&r.duration, "duration", "d", 0, "end after this time, such as 10s; CMD, if it still runs then, gets SIGTERM")
			flags.BoolVarP(&r.all, "all", "a", false, "the whole machine: the default but for CMD")
			flags.VarP(&r.pids, "pid", "p", "only these processes, and those that they start")
			flags.StringVar(&r.follow.Cgroup, "cgroup", "", "only the processes in this cgroup v2 directory and below: its `PATH`, or that below /sys/fs/cgroup")
			flags.BoolVar(&r.noFollow, "no-follow", false, "the snapshot alone: do not follow later changes")
			flags.TextVar(&r.follow.Hooks, "hooks", bpfmmap.HooksAuto, "who tells of changes: auto, kprobe, fentry or tracepoint")
			flags.Var(&r.ringSize, "ring-size", "size of the ring buffer for changes, in bytes or with K, M or G behind")
			flags.DurationVar(&r.follow.Keyframe, "keyframe", 10*time.Minute, "how often to walk all processes again, to check what was followed, or sooner where much happens; 0 is never")
			flags.BoolVar(&r.keepPriority, "keep-priority", false, "do not raise the recorder's priority, though a busy machine may starve it then")
			flags.BoolVar(&r.keepCapabilities, "keep-capabilities", false, "do not give up the capabilities that are not needed any more")
			flags.TextVar(&r.options.Source, "source", recorder.SourceAuto, "who tells what is mapped: auto, ioctl (Linux 6.11), iter (BPF iterator) or maps (the text of /proc/PID/maps)")
			flags.TextVar(&r.options.BuildID, "build-id", procmap.BuildIDAuto, "who is asked for build IDs: auto (the kernel, then the file), kernel, file or none")
			flags.BoolVar(&r.options.AllFile, "all-file", false, "record file-backed VMAs that are not executable too (with --no-follow)")
			flags.BoolVar(&r.options.AnonExec, "anon-exec", false, "record executable VMAs without a file (JIT code) too (with --no-follow)")
			flags.BoolVar(&r.options.VDSO, "vdso", false, "record the kernel's [vdso] too (with --no-follow)")
			flags.IntVarP(&r.options.Workers, "jobs", "j", 0, "processes to walk at once; 0 is one for each CPU")
			flags.DurationVar(&r.options.WalkTimeout, "walk-timeout", recorder.DefaultWalkTimeout, "how long a process may give no answer before it is recorded as timed out")
			flags.BoolVar(&r.strict, "strict", false, "exit with status 3 if anything was denied, incomplete or lost")
			flags.BoolVarP(&r.quiet, "quiet", "q", false, "no summary and no progress")
			flags.BoolVarP(&r.verbose, "verbose", "v", false, "a longer summary")
			return func(ctx context.Context, s *streams, args []string) error {
				behind := flags.ArgsLenAtDash() // arguments before "--"; -1 without it
				switch {
				case behind < 0 && len(args) > 0:
					return usageError("takes no arguments, got %q; a command to record goes behind --", args[0])
				case behind > 0:
					return usageError("takes no arguments before --, got %q", args[0])
				case behind == 0 && len(args) == 0:
					return usageError("wants a command behind --")
				}
				if err := r.parse(flags.Changed, args); err != nil {
					return err
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
	all                              bool
	duration                         time.Duration
	ringSize                         sizeFlag
	keepPriority, keepCapabilities   bool
	noFollow, strict, quiet, verbose bool

	options recorder.Options
	follow  recorder.FollowOptions // for options.Follow
	command []string               // CMD and its arguments; nil = none
}

// parse checks the flags against each other. Changed reports whether one was given.
func (r *record) parse(changed func(flag string) bool, command []string) error {
	if r.quiet && r.verbose {
		return usageError("--quiet and --verbose: want one")
	}
	if r.options.Workers < 0 {
		return usageError("--jobs %d: want 0 or more", r.options.Workers)
	}
	if r.options.WalkTimeout <= 0 {
		return usageError("--walk-timeout %s: want more than 0", r.options.WalkTimeout)
	}
	if changed("duration") && r.duration <= 0 {
		return usageError("--duration %s: want more than 0", r.duration)
	}
	if r.follow.Keyframe < 0 {
		return usageError("--keyframe %s: want 0 or more", r.follow.Keyframe)
	}
	var some []string
	for _, flag := range []string{"all", "pid", "cgroup"} {
		if changed(flag) {
			some = append(some, "--"+flag)
		}
	}
	if len(some) > 1 {
		return usageError("%s: want one", strings.Join(some, " and "))
	}
	r.command = command
	if r.noFollow {
		for _, flag := range []string{"duration", "cgroup", "hooks", "ring-size", "keyframe", "keep-priority", "keep-capabilities"} {
			if changed(flag) {
				return usageError("--%s is about following changes: not with --no-follow", flag)
			}
		}
		if len(command) > 0 {
			return usageError("to record a command is to follow changes: not with --no-follow")
		}
		return nil
	}
	for _, flag := range []string{"all-file", "anon-exec", "vdso"} {
		if changed(flag) {
			return usageError("--%s: only executable, file-backed VMAs can be followed; --no-follow takes a snapshot with more", flag)
		}
	}
	if len(command) > 0 {
		if len(some) > 0 && !r.all {
			return usageError("%s and a command: want one; --all records the whole machine as long as the command runs", some[0])
		}
		if r.output == "-" {
			return usageError("--output -: standard output is the command's")
		}
	}
	if !changed("cgroup") {
		return nil
	}
	if r.follow.Cgroup == "" {
		return usageError("--cgroup: want a path, got nothing")
	}
	return r.findCgroup()
}

// findCgroup completes a cgroup that is given as systemd and /proc/PID/cgroup name it.
func (r *record) findCgroup() error {
	const mount = "/sys/fs/cgroup"
	path := r.follow.Cgroup
	// The last is where version 2 is mounted beside version 1.
	for _, dir := range []string{path, filepath.Join(mount, path), filepath.Join(mount, "unified", path)} {
		// Version 1 has no such file.
		if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err == nil {
			r.follow.Cgroup = dir
			return nil
		}
	}
	return fmt.Errorf("--cgroup: %s is no cgroup v2 directory, here or below %s", path, mount)
}

func (r *record) run(ctx context.Context, s *streams) error {
	r.options.Tool = "vmasnap " + toolVersion()
	r.options.Command = strings.Join(os.Args, " ")
	for _, pid := range r.pids {
		if err := checkProcess(int(pid)); err != nil {
			return fmt.Errorf("--pid: %w", err)
		}
		r.options.PIDs = append(r.options.PIDs, int(pid))
	}
	var load *workload
	if len(r.command) > 0 {
		var err error
		if load, err = startWorkload(s, r.command); err != nil {
			return err
		}
		defer load.end()
		if !r.all {
			r.options.PIDs = []int{load.pid()}
		}
	}
	t := take{record: r, workload: load, progress: newProgress(s.err, r.quiet || load != nil)}
	r.options.Progress = t.progress.show
	if !r.noFollow {
		r.follow.RingSize = int(r.ringSize)
		r.follow.RaisePriority, r.follow.DropCapabilities = !r.keepPriority, !r.keepCapabilities
		r.follow.Attached, r.follow.Status = t.attached, t.status
		r.options.Follow = &r.follow
	}
	rec, err := recorder.New(r.options)
	if err != nil {
		return r.refused(err)
	}
	defer rec.Close()
	out, err := createOutput(s, r.output)
	if err != nil {
		return err
	}
	// The heap is a few MiB. Collecting it at the usual pace takes a sixth of all CPU time of
	// a snapshot and gives back next to nothing.
	debug.SetGCPercent(400)
	cpu := cpuTime()
	err = t.save(ctx, rec, out)
	cpu = cpuTime() - cpu
	t.progress.clear()
	if err != nil {
		return r.refused(fmt.Errorf("record to %s: %w", out.name, err))
	}
	if load != nil {
		load.end()
		if load.running() {
			fmt.Fprintf(s.err, "vmasnap: %s (process %d) was told to end and has not: it is left alone\n", r.command[0], load.pid())
		}
	}
	missing := t.missing()
	if !r.quiet {
		t.summary(s.err, out.name, rec, cpu)
	}
	if load != nil && load.status() != exitDone {
		return &exitError{code: load.status()}
	}
	if r.strict && len(missing) > 0 {
		return &exitError{code: exitIncomplete, err: fmt.Errorf("incomplete: %s", strings.Join(missing, "; "))}
	}
	return nil
}

// refused gives what the kernel refuses, or does not have, its own exit status. About a
// recording that follows the recorder says itself what it takes.
func (r *record) refused(err error) error {
	if r.noFollow {
		return notPermitted(err)
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, procmap.ErrNotSupported) || errors.Is(err, bpfmmap.ErrNotSupported) {
		return unsupported(fmt.Errorf("%w (record --no-follow takes a snapshot alone; vmasnap doctor tells more)", err))
	}
	return err
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
