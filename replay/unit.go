package replay

import (
	"path"
	"strings"
)

// Unit names what a process belongs to, by its cgroup: a container, as "docker:0123456789ab", or else
// a systemd unit, as "ssh.service"; "" if it says neither.
func Unit(cgroup string) string {
	unit := ""
	for name := range strings.SplitSeq(cgroup, "/") {
		if c := container(name, unit); c != "" {
			return c
		}
		switch path.Ext(name) {
		case ".service", ".scope", ".slice", ".socket", ".mount":
			unit = name
		case "":
			if name == "docker" || name == "lxc" || strings.HasPrefix(name, "lxc.payload") || name == "machine" {
				unit = name
			}
		}
	}
	if unit == "-.slice" || !strings.Contains(unit, ".") {
		return ""
	}
	return unit
}

// container names the container that a directory of a cgroup's path is of, behind that of before.
func container(name, before string) string {
	id := strings.TrimSuffix(name, ".scope")
	kind := "container"
	for prefix, runtime := range map[string]string{
		"docker-": "docker", "libpod-": "podman", "cri-containerd-": "containerd", "crio-": "cri-o", "nerdctl-": "containerd",
	} {
		if rest, ok := strings.CutPrefix(id, prefix); ok {
			id, kind = rest, runtime
		}
	}
	switch {
	case len(id) == 64 && strings.Trim(id, "0123456789abcdef") == "":
		if before == "docker" {
			kind = "docker"
		}
		return kind + ":" + id[:12]
	case strings.HasPrefix(name, "lxc.payload."):
		return "lxc:" + strings.TrimPrefix(name, "lxc.payload.")
	case before == "lxc" && name != "":
		return "lxc:" + name
	}
	return ""
}
