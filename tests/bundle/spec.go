// SPDX-License-Identifier: Apache-2.0

package bundle

import specs "github.com/opencontainers/runtime-spec/specs-go"

// Edit changes the configuration a bundle begins with.
type Edit = func(*specs.Spec)

// Base is what `corten spec` writes, written down a second time so that the
// two can be compared, but without a terminal and with a root that can be
// written to.
func Base() *specs.Spec {
	caps := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	return &specs.Spec{
		Version: "1.0.2",
		Process: &specs.Process{
			Args: []string{"sh"},
			Env:  []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"},
			Cwd:  "/",
			Capabilities: &specs.LinuxCapabilities{
				Bounding: caps, Effective: caps, Permitted: caps,
			},
			Rlimits:         []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 1024}},
			NoNewPrivileges: true,
		},
		Root:     &specs.Root{Path: "rootfs"},
		Hostname: "box",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs",
				Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts",
				Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm",
				Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue",
				Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs",
				Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup",
				Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
		},
		Linux: &specs.Linux{
			Resources: &specs.LinuxResources{
				Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}},
			},
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.NetworkNamespace}, {Type: specs.IPCNamespace},
				{Type: specs.UTSNamespace}, {Type: specs.MountNamespace},
			},
			MaskedPaths: []string{"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
				"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

// Args sets the payload's words.
func Args(args ...string) Edit { return func(s *specs.Spec) { s.Process.Args = args } }

// Shell runs a script with the rootfs's sh.
func Shell(script string) Edit { return Args("sh", "-c", script) }

// Probe runs the probe with the given words; none: the report.
func Probe(words ...string) Edit { return Args(append([]string{"/bin/probe"}, words...)...) }

// Mount appends a mount.
func Mount(destination, kind, source string, options ...string) Edit {
	return func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: destination, Type: kind, Source: source, Options: options})
	}
}

// WithoutMount removes the mounts on the destinations.
func WithoutMount(destinations ...string) Edit {
	return func(s *specs.Spec) {
		kept := []specs.Mount{}
		for _, m := range s.Mounts {
			keep := true
			for _, d := range destinations {
				keep = keep && m.Destination != d
			}
			if keep {
				kept = append(kept, m)
			}
		}
		s.Mounts = kept
	}
}

// Capabilities sets bounding, effective and permitted.
func Capabilities(names ...string) Edit {
	return func(s *specs.Spec) {
		s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: names, Effective: names, Permitted: names}
	}
}

// Namespace adds a namespace, or gives one that is there another path.
func Namespace(kind specs.LinuxNamespaceType, path string) Edit {
	return func(s *specs.Spec) {
		for i := range s.Linux.Namespaces {
			if s.Linux.Namespaces[i].Type == kind {
				s.Linux.Namespaces[i].Path = path
				return
			}
		}
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: kind, Path: path})
	}
}

// WithoutNamespace leaves the container in the runtime's.
func WithoutNamespace(kind specs.LinuxNamespaceType) Edit {
	return func(s *specs.Spec) {
		kept := []specs.LinuxNamespace{}
		for _, n := range s.Linux.Namespaces {
			if n.Type != kind {
				kept = append(kept, n)
			}
		}
		s.Linux.Namespaces = kept
	}
}

// UserNamespace maps ids 0 to 65535 of a new user namespace to hostID onward.
func UserNamespace(hostID uint32) Edit {
	return func(s *specs.Spec) {
		Namespace(specs.UserNamespace, "")(s)
		s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: hostID, Size: 65536}}
		s.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: hostID, Size: 65536}}
	}
}

// Seccomp sets a filter that allows all but the rules given.
func Seccomp(rules ...specs.LinuxSyscall) Edit {
	return func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: rules}
	}
}

// Pointer is a pointer to its argument, for the spec's optional values.
func Pointer[T any](v T) *T { return &v }
