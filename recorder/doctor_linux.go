package recorder

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/procmap"
)

// Health is the verdict about one Finding.
type Health uint8

// The verdicts.
const (
	Works   Health = iota // as it should be
	Limited               // works in part, or only for some processes
	Missing               // does not work
)

// String returns the verdict in a word.
func (h Health) String() string {
	switch h {
	case Works:
		return "works"
	case Limited:
		return "limited"
	case Missing:
		return "missing"
	}
	return fmt.Sprintf("Health(%d)", uint8(h))
}

// Finding is one thing that the recorder needs or can use, and how it stands here.
type Finding struct {
	Topic   string // what it is for: "snapshot" or "follow"
	Name    string
	Health  Health
	Details string
	Remedy  string // what to grant or upgrade; "" if nothing helps or nothing is needed
}

// Examine tries what recording needs on this machine with these privileges, where proc is
// mounted on procfs; "" is "/proc". ready is whether a snapshot can be taken at all.
func Examine(procfs string) (findings []Finding, ready bool) {
	e := examination{procfs: cmp.Or(procfs, defaultProcFS)}
	e.kernel()
	mount, err := procmap.Mount(e.procfs)
	if err != nil {
		e.add("snapshot", "proc mount", Missing, "mount proc on "+e.procfs, "%v", err)
		return e.findings, false
	}
	e.query()
	pids, err := procmap.PIDs(e.procfs, nil)
	if err != nil {
		e.add("snapshot", "process list", Missing, "mount proc on "+e.procfs, "%v", err)
		return e.findings, false
	}
	ready = e.processes(pids)
	e.mount(mount)
	e.mapFiles()
	e.kernelBuildIDs(pids)
	e.sharing()
	e.clocks()
	e.lockdown()
	e.bpf()
	e.rungs()
	return e.findings, ready
}

type examination struct {
	procfs   string
	findings []Finding
}

func (e *examination) add(topic, name string, h Health, remedy, details string, args ...any) {
	if h == Works {
		remedy = ""
	}
	e.findings = append(e.findings, Finding{topic, name, h, fmt.Sprintf(details, args...), remedy})
}

func (e *examination) kernel() {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		e.add("snapshot", "kernel", Limited, "", "%v", err)
		return
	}
	e.add("snapshot", "kernel", Works, "", "Linux %s %s", unix.ByteSliceToString(uts.Release[:]), unix.ByteSliceToString(uts.Machine[:]))
}

func (e *examination) query() {
	switch err := procmap.SupportedAt(e.procfs); {
	case err == nil:
		e.add("snapshot", "PROCMAP_QUERY", Works, "", "the ioctl answers; --source=auto uses it")
	case errors.Is(err, procmap.ErrNotSupported):
		e.add("snapshot", "PROCMAP_QUERY", Limited, "Linux 6.11 or later", "%v; --source=auto reads the text instead", err)
	default:
		e.add("snapshot", "PROCMAP_QUERY", Limited, "allow ioctl on /proc/PID/maps in the sandbox", "%v; --source=auto reads the text instead", err)
	}
}

// processes tries to open every process's maps.
func (e *examination) processes(pids []int) bool {
	opened, denied := 0, 0
	for _, pid := range pids {
		m, err := procmap.Open(pid, procmap.Options{ProcFS: e.procfs, Source: procmap.SourceMaps})
		var v procmap.VMA
		switch {
		case err == nil:
			// Kernel threads and zombies open, and have nothing to read.
			if !errors.Is(m.Next(&v), procmap.ErrGone) {
				opened++
			}
			m.Close()
		case errors.Is(err, fs.ErrPermission):
			denied++
		}
	}
	health, remedy := Works, "run as root, or grant CAP_SYS_PTRACE"
	if denied > 0 {
		health = Limited
	}
	if opened == 0 {
		health = Missing
	}
	if os.Geteuid() == 0 {
		remedy = "refused even to root: they have a capability that this one lacks, CAP_SYS_PTRACE is missing, or a security module refuses"
	}
	e.add("snapshot", "other processes", health, remedy,
		"%d may be read, %d are denied", opened, denied)
	return opened > 0
}

func (e *examination) mount(m procmap.MountInfo) {
	health, text := Works, "hidepid="+m.HidePID.String()
	if m.Hidden {
		health, text = Limited, text+", processes of others are not listed"
	}
	if m.Restricted {
		health, text = Limited, text+", files of others are closed"
	}
	if !m.OwnPIDs {
		text += ", of another pid namespace"
	}
	e.add("snapshot", "proc mount", health, "run as root in the host's pid namespace, with the host's /proc", "%s", text)
}

// mapFiles opens a file through /proc/self/map_files, which even for oneself takes the
// privilege that it takes for others.
func (e *examination) mapFiles() {
	const remedy = "grant CAP_CHECKPOINT_RESTORE (Linux 5.9) or CAP_SYS_ADMIN"
	m, err := procmap.Open(os.Getpid(), procmap.Options{ProcFS: e.procfs})
	if err != nil {
		e.add("snapshot", "map_files", Limited, "", "%v", err)
		return
	}
	defer m.Close()
	var v procmap.VMA
	if err := m.Next(&v); err != nil {
		e.add("snapshot", "map_files", Limited, "", "%v", err)
		return
	}
	f, err := os.Open(fmt.Sprintf("%s/self/map_files/%x-%x", e.procfs, v.Start, v.End))
	if err != nil {
		e.add("snapshot", "map_files", Limited, remedy, "build IDs of deleted files and of other namespaces may be missing: %v", err)
		return
	}
	f.Close()
	e.add("snapshot", "map_files", Works, "", "build IDs of deleted files and of other namespaces can be read")
}

// kernelBuildIDs looks for one file whose build ID the kernel tells.
func (e *examination) kernelBuildIDs(pids []int) {
	for _, pid := range pids {
		if name := firstBuildID(pid, e.procfs); name != "" {
			e.add("snapshot", "kernel build IDs", Works, "", "read with the mapping, for example of %s", name)
			return
		}
	}
	e.add("snapshot", "kernel build IDs", Limited, "Linux 6.12 or later", "the kernel told none; --build-id=auto reads the files")
}

// firstBuildID returns the path of a file that pid maps and whose build ID the kernel tells.
func firstBuildID(pid int, procfs string) string {
	m, err := procmap.Open(pid, procmap.Options{ProcFS: procfs, Source: procmap.SourceIoctl, BuildID: true})
	if err != nil {
		return ""
	}
	defer m.Close()
	var v procmap.VMA
	for m.Next(&v) == nil {
		if len(v.BuildID) > 0 {
			return string(v.Name)
		}
	}
	return ""
}

func (e *examination) sharing() {
	if _, err := procmap.SameSpace(os.Getpid(), os.Getpid()); err != nil {
		e.add("snapshot", "kcmp", Limited, "CONFIG_KCMP, or allow kcmp in the sandbox", "processes that share an address space are recorded twice: %v", err)
		return
	}
	e.add("snapshot", "kcmp", Works, "", "processes that share an address space are recognized")
}

func (e *examination) clocks() {
	if c, err := readClocks(); err != nil || c.Perf == 0 {
		e.add("snapshot", "perf clock", Limited, "CAP_PERFMON, or kernel.perf_event_paranoid 2 or less",
			"cannot be read (paranoid %s): profiles need perf record -k CLOCK_MONOTONIC", readLine(e.procfs+"/sys/kernel/perf_event_paranoid"))
		return
	}
	e.add("snapshot", "perf clock", Works, "", "profiles on perf's default clock can be aligned")
}

func (e *examination) lockdown() {
	text := readLine("/sys/kernel/security/lockdown")
	mode := "off or unknown"
	if _, after, ok := strings.Cut(text, "["); ok {
		mode, _, _ = strings.Cut(after, "]")
	}
	health := Works
	if mode == "confidentiality" {
		health = Limited
	}
	e.add("follow", "lockdown", health, "boot with lockdown=integrity or less", "%s", mode)
}

func (e *examination) bpf() {
	for _, f := range bpfmmap.Support() {
		if f.Err == nil {
			e.add("follow", f.Name, Works, "", "%s", f.Use)
			continue
		}
		e.add("follow", f.Name, Missing, followRemedy(f.Err), "%s: %v", f.Use, f.Err)
	}
}

// rungs loads the programs of each rung of the ladder, as a recording would, and says which of
// them --hooks=auto takes. It attaches nothing.
func (e *examination) rungs() {
	chosen, autoErr := loadRung(bpfmmap.HooksAuto)
	for _, h := range []bpfmmap.Hooks{bpfmmap.HooksKprobe, bpfmmap.HooksFentry, bpfmmap.HooksTracepoint} {
		name := "hooks " + h.String()
		if chosen != nil && chosen.Hooks() == h {
			e.add("follow", name, Works, "", "loads; --hooks=auto takes it")
			continue
		}
		f, err := loadRung(h)
		switch {
		case err != nil:
			e.add("follow", name, Missing, followRemedy(err), "%v", err)
		case len(f.Notes()) > 0:
			e.add("follow", name, Limited, "", "loads, but: %s", strings.Join(f.Notes(), "; "))
		default:
			e.add("follow", name, Works, "", "loads; --hooks=auto has a better one")
		}
	}
	if chosen == nil {
		e.add("follow", "following", Missing, followRemedy(autoErr), "record --no-follow takes a snapshot alone")
	}
}

// loadRung loads and closes; what it returns still tells what it was.
func loadRung(h bpfmmap.Hooks) (follower, error) {
	f, err := openFollower(bpfmmap.Options{Hooks: h, RingSize: os.Getpagesize()})
	if err != nil {
		return nil, err
	}
	return f, f.Close()
}

// followRemedy says what to do about programs that do not load.
func followRemedy(err error) string {
	lacking := lackingForBPF()
	switch {
	case !errors.Is(err, fs.ErrPermission):
		return "another kernel or configuration"
	case len(lacking) > 0:
		return "grant " + strings.Join(lacking, " and ") + ", or run as root"
	}
	return "refused by the kernel's policy, whoever asks"
}
