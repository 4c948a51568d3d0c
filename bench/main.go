// Command bench compares vmasnap with the other ways to learn what every process of a
// machine has mapped executable. README.md tells what it measures and how.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if beMapper() {
		return
	}
	procs := flag.Int("procs", defaultProcs(), "idle processes to start; also VMASNAP_BENCH_PROCS")
	rounds := flag.Int("n", 15, "rounds: how often each contender runs")
	also := flag.String("also", "", "another vmasnap binary to compare with")
	flag.Parse()
	if err := run(*procs, *rounds, *also); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func defaultProcs() int {
	if n, err := strconv.Atoi(os.Getenv("VMASNAP_BENCH_PROCS")); err == nil && n > 0 {
		return n
	}
	return 300
}

// tools are the programs that are run.
type tools struct {
	dir          string
	limit, usage string
	vmasnap      []string
	perf         string // "" = there is none
}

func prepare(also string) (*tools, error) {
	dir, err := os.MkdirTemp("", "vmasnap-bench")
	if err != nil {
		return nil, err
	}
	t := &tools{dir: dir, limit: filepath.Join(dir, "limit"), usage: filepath.Join(dir, "usage")}
	for _, c := range []string{t.limit, t.usage} {
		if err := compile(c); err != nil {
			return t, err
		}
	}
	binary := filepath.Join(dir, "vmasnap")
	build := exec.Command("go", "build", "-o", binary, "./cmd/vmasnap")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return t, fmt.Errorf("build vmasnap: %w: %s", err, out)
	}
	t.vmasnap = []string{binary}
	if also != "" {
		t.vmasnap = append(t.vmasnap, also)
	}
	t.perf, _ = exec.LookPath("perf")
	return t, nil
}

// compile makes a program of the file in limit/ that has its name. The build ID is for the
// processes with many VMAs, which map the program limit.
func compile(binary string) error {
	source := filepath.Join("limit", filepath.Base(binary)+".c")
	out, err := exec.Command("cc", "-O2", "-Wl,--build-id", "-o", binary, source).CombinedOutput()
	if err != nil {
		return fmt.Errorf("compile %s: %w: %s", source, err, out)
	}
	return nil
}

// settle waits until the machine has little else to do, a minute at most, and returns the
// share of its time that it spent on others in the last second.
func settle() float64 {
	busy := func() (idle, all float64) {
		line, _, _ := strings.Cut(readFile("/proc/stat"), "\n")
		for i, field := range strings.Fields(line)[1:] {
			ticks, _ := strconv.ParseFloat(field, 64)
			all += ticks
			if i == 3 || i == 4 { // idle, iowait
				idle += ticks
			}
		}
		return idle, all
	}
	share := 0.0
	for range 60 {
		idle, all := busy()
		time.Sleep(time.Second)
		idle2, all2 := busy()
		if share = 1 - (idle2-idle)/(all2-all); share < 0.05 {
			break
		}
	}
	return share
}

func run(procs, rounds int, also string) error {
	t, err := prepare(also)
	if t != nil {
		defer os.RemoveAll(t.dir)
	}
	if err != nil {
		return err
	}
	p, err := startPopulation(procs)
	if err != nil {
		return err
	}
	defer p.stop()
	share := settle()
	t.describe(p)
	fmt.Printf("disturbed  %.0f %% of the CPUs' time went to others before the start\n", 100*share)
	if err := t.walks(p, rounds); err != nil {
		return err
	}
	settle()
	if err := t.points(rounds); err != nil {
		return err
	}
	settle()
	if err := t.large(rounds); err != nil {
		return err
	}
	settle()
	return t.wholes(rounds)
}

// describe prints what the figures are of.
func (t *tools) describe(p *population) {
	first := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			return "none"
		}
		line, _, _ := strings.Cut(string(out), "\n")
		return line
	}
	load, _, _ := strings.Cut(readFile("/proc/loadavg"), "\n")
	fmt.Printf("machine    %d CPUs, %s, load %s\n", runtime.NumCPU(), cpuModel(), load)
	fmt.Printf("kernel     %s\n", first("uname", "-srv"))
	fmt.Printf("versions   %s, %s, %s, %s\n", runtime.Version(), first("perf", "--version"), first("python3", "--version"), first("cc", "--version"))
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/prometheus/procfs" {
				fmt.Printf("           %s %s\n", d.Path, d.Version)
			}
		}
	}
	fmt.Printf("population %d idle processes of ours among %d\n", len(p.own), len(p.all))
}

func readFile(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}

func cpuModel() string {
	for line := range strings.Lines(readFile("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// cpuTime is what this process has used, in ns.
func cpuTime() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// walks compares passes over the whole machine.
func (t *tools) walks(p *population, rounds int) error {
	fmt.Printf("\nA walk of every process's executable file-backed VMAs, n = %d\n", rounds)
	return t.compareWalkers(p, walkers, rounds)
}

// loopKinds is what the two C loops ask for.
var loopKinds = []string{"names", "buildid"}

func (t *tools) compareWalkers(p *population, walkers []walker, rounds int) error {
	type result struct {
		wall, cpu, allocs samples
		last              tally
	}
	results := make([]result, len(walkers))
	passes := make([]func() (tally, error), len(walkers))
	for i, w := range walkers {
		passes[i] = w.open(p)
	}
	limits := make([]samples, 2)
	var loops []*limit
	for _, what := range loopKinds {
		l, err := startLimit(t.limit, what, p)
		if err != nil {
			return err
		}
		defer l.stop()
		loops = append(loops, l)
	}
	limitVMAs := 0
	for round := range rounds + 1 {
		for k := range walkers {
			i := (k + round) % len(walkers) // so that nobody always runs after the same one
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			cpu, begin := cpuTime(), time.Now()
			got, err := passes[i]()
			wall := time.Since(begin)
			cpu = cpuTime() - cpu
			runtime.ReadMemStats(&after)
			if err != nil {
				return fmt.Errorf("%s: %w", walkers[i].name, err)
			}
			if want := results[0].last.own; !walkers[i].blind && want != 0 && got.own != want {
				return fmt.Errorf("%s sees %d VMAs of the population, %s %d", walkers[i].name, got.own, walkers[0].name, want)
			}
			r := &results[i]
			r.last = got
			if round == 0 {
				continue // warming up
			}
			r.wall = append(r.wall, float64(wall.Nanoseconds()))
			r.cpu = append(r.cpu, cpu)
			r.allocs = append(r.allocs, float64(after.Mallocs-before.Mallocs))
		}
		for i, l := range loops {
			ns, got, err := l.pass()
			if err != nil {
				return err
			}
			if want := results[0].last.own; got.own != want {
				return fmt.Errorf("the C loop (%s) sees %d VMAs of the population, %s %d", loopKinds[i], got.own, walkers[0].name, want)
			}
			limitVMAs = got.all
			if round > 0 {
				limits[i] = append(limits[i], ns)
			}
		}
	}
	base := results[0]
	vmas := float64(base.last.all)
	rows := []string{"\tns/VMA\tVMAs/s\twall, times the first\tCPU, times the first\tallocations"}
	for i, w := range walkers {
		r := results[i]
		rows = append(rows, fmt.Sprintf("%s\t%.0f\t%.0f\t%s\t%s\t%.0f", w.name, r.wall.median()/vmas, vmas/r.wall.median()*1e9,
			r.wall.per(base.wall).spread("%.2f"), r.cpu.per(base.cpu).spread("%.2f"), r.allocs.median()))
	}
	for i, name := range []string{"bare C loop over the ioctl", "bare C loop, build ID of each VMA"} {
		rows = append(rows, fmt.Sprintf("%s\t%.0f\t%.0f\t%s\t\t", name, limits[i].median()/vmas, vmas/limits[i].median()*1e9,
			limits[i].per(base.wall).spread("%.2f")))
	}
	table(os.Stdout, rows)
	fmt.Printf("%d VMAs, %d of them the population's, which all agree on; the C loop saw %d.\n", base.last.all, base.last.own, limitVMAs)
	return nil
}

// points compares the ways to resolve addresses of one process.
func (t *tools) points(rounds int) error {
	m, err := startMapper(700, 3, t.limit)
	if err != nil {
		return err
	}
	defer m.stop()
	batches, err := makeBatches(m.pid)
	if err != nil {
		return err
	}
	lines := strings.Count(readFile(fmt.Sprintf("/proc/%d/maps", m.pid)), "\n")
	const repeat = 20 // passes in a sample
	for _, b := range batches {
		fmt.Printf("\nResolving %s of a process with %d, n = %d\n", b.name, lines, rounds)
		took := make([]samples, len(resolvers))
		calls := make([]int, len(resolvers))
		var want uint64
		for round := range rounds + 1 {
			for k := range resolvers {
				i := (k + round) % len(resolvers)
				begin := time.Now()
				for range repeat {
					sum, n, err := resolvers[i].resolve(m.pid, b.addrs)
					if err != nil {
						return fmt.Errorf("%s: %w", resolvers[i].name, err)
					}
					if want == 0 {
						want = sum
					}
					if sum != want {
						return errors.New(resolvers[i].name + ": another answer")
					}
					calls[i] = n
				}
				if round > 0 {
					took[i] = append(took[i], float64(time.Since(begin).Nanoseconds())/repeat/1000)
				}
			}
		}
		rows := []string{"\tus/batch\ttimes the first\tioctls or reads"}
		for i, r := range resolvers {
			rows = append(rows, fmt.Sprintf("%s\t%.1f\t%s\t%d", r.name, took[i].median(), took[i].per(took[0]).spread("%.2f"), calls[i]))
		}
		table(os.Stdout, rows)
	}
	return nil
}

// large compares walks of one process with 60,000 VMAs.
func (t *tools) large(rounds int) error {
	m, err := startMapper(60000, 20, t.limit)
	if err != nil {
		return err
	}
	defer m.stop()
	p := &population{own: []int{m.pid}, all: []int{m.pid}, isOwn: map[int]bool{m.pid: true}}
	var some []walker
	for _, w := range walkers {
		if !strings.HasPrefix(w.name, "recorder") {
			some = append(some, w)
		}
	}
	fmt.Printf("\nA walk of one process with 60,000 VMAs, 1 in 20 executable, n = %d\n", rounds)
	return t.compareWalkers(p, some, rounds)
}

// wholes compares whole commands.
func (t *tools) wholes(rounds int) error {
	m, err := t.measureProcesses(rounds)
	if err != nil {
		return err
	}
	fmt.Printf("\nWhole commands, n = %d\n", rounds)
	rows := []string{"\tms\ttimes perf's synthesis"}
	add := func(name string, us samples, ratio bool) {
		r := ""
		if ratio && len(m.synth) > 0 {
			r = us.per(m.synth).spread("%.2f")
		}
		ms := us.per(samples(repeated(1000, len(us))))
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s", name, ms.spread("%.1f"), r))
	}
	for i, runs := range m.records {
		name := "vmasnap record --no-follow"
		if i > 0 {
			name += " (the other binary)"
		}
		add(name+": CPU", of(runs, (*usage).cpu), true)
		add("  user", of(runs, func(u *usage) float64 { return u.user }), false)
		add("  system", of(runs, func(u *usage) float64 { return u.system }), false)
		add("  wall", of(runs, func(u *usage) float64 { return u.wall }), true)
	}
	if t.perf != "" {
		add("perf bench internals synthesize -t: its own average", m.synth, true)
		add("  CPU of one more iteration", m.rounds, true)
		full, none := of(m.perfFull, (*usage).cpu), of(m.perfNone, (*usage).cpu)
		add("perf record -a -e dummy: CPU", full, true)
		add("  of which not with --synth=no", full.minus(none), true)
	}
	table(os.Stdout, rows)
	for i, runs := range m.records {
		if i > 0 {
			cpu := func(j int) samples { return of(m.records[j], (*usage).cpu) }
			fmt.Printf("CPU of the other binary, times the first's: %s\n", cpu(i).per(cpu(0)).spread("%.2f"))
		}
		peak := of(runs, func(u *usage) float64 { return u.peak / 1024 })
		fmt.Printf("peak memory of vmasnap record, MiB: %s\n", peak.spread("%.1f"))
	}
	if len(m.events) > 0 {
		fmt.Printf("perf synthesized %.0f events.\n", m.events.median())
	}
	return nil
}

func repeated(x float64, n int) (s samples) {
	for range n {
		s = append(s, x)
	}
	return s
}
