// SPDX-License-Identifier: Apache-2.0

// Package cgroups places a container in the host's control groups, v1, v2 or
// both, and sets its limits. Compile is pure; Apply and the methods of Cgroup
// are what touches the kernel.
package cgroups

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// Mode is how a host mounts its hierarchies.
type Mode int

const (
	None    Mode = iota // no hierarchy is mounted
	Legacy              // v1 only
	Hybrid              // v1, and v2 beside it without most controllers
	Unified             // v2 only
)

func (m Mode) String() string {
	return [...]string{"none", "legacy", "hybrid", "unified"}[m]
}

const mountpoint = "/sys/fs/cgroup"

// Hierarchy is one mounted hierarchy.
type Hierarchy struct {
	Mount       string   // where, such as /sys/fs/cgroup/memory
	Controllers []string // of v1, the controllers bound to it
	Name        string   // of a named v1 hierarchy, without "name="
	V2          bool
	Own         string // the runtime's own cgroup in it, as /proc/self/cgroup has it
	Root        string // the cgroup that is the mount's root, "/" but in containers
}

// Dir is the directory of the runtime's own cgroup.
func (g *Hierarchy) Dir() string {
	if g.V2 {
		return path.Join(g.Mount, g.Own)
	}
	return path.Join(g.Mount, g.base())
}

// Host is what Compile knows of the host's cgroups. It is a plain value: a
// test writes one by hand.
type Host struct {
	Mode        Mode
	Hierarchies []Hierarchy // v1 with the freezer first, v2 last
	Controllers []string    // of the v2 hierarchy, those its root offers
	InUserNS    bool        // the runtime is in a user namespace that is not the initial one
	Rootless    bool        // without privilege: a cgroup nobody asked for may be refused
	Disabled    bool        // the caller wants none for containers
	Systemd     bool        // places containers, in units of theirs
	Manager     string      // the cgroup of the user's systemd; "" for the system's
	Outside     bool        // the runtime may move no process of its own to below Manager
}

// Probe finds the mounted hierarchies. Where v2 is all there is that takes a
// statfs and two small reads; else mountinfo is read.
func Probe() (*Host, error) {
	h := &Host{InUserNS: inUserNS()}
	h.Rootless = h.InUserNS || os.Geteuid() != 0
	if magic, err := magicOf(mountpoint); err == nil && magic == unix.CGROUP2_SUPER_MAGIC {
		own, err := readPath("/proc/self/cgroup")
		if err != nil {
			return nil, err
		}
		h.Mode = Unified
		h.Hierarchies = []Hierarchy{{Mount: mountpoint, V2: true, Own: ownUnified(own), Root: "/"}}
		return h, h.offered()
	}
	own, err := readPath("/proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil // a kernel without cgroups
	} else if err != nil {
		return nil, err
	}
	mounts, err := readPath("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	h.Mode, h.Hierarchies = hierarchies(own, mounts)
	return h, h.offered()
}

// offered reads the controllers of the v2 hierarchy, which is the last.
func (h *Host) offered() error {
	n := len(h.Hierarchies)
	if n == 0 || !h.Hierarchies[n-1].V2 {
		return nil
	}
	text, err := readPath(h.Hierarchies[n-1].Mount + "/cgroup.controllers")
	h.Controllers = strings.Fields(text)
	return err
}

// ownUnified is the path of the line "0::PATH".
func ownUnified(own string) string {
	for line := range strings.Lines(own) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(path, "\n")
		}
	}
	return "/"
}

// hierarchies joins /proc/self/cgroup (cgroups(7)) with the cgroup mounts of
// mountinfo (proc_pid_mountinfo(5)). A hierarchy mounted twice counts where it
// is below /sys/fs/cgroup.
func hierarchies(own, mountinfo string) (Mode, []Hierarchy) {
	mounted := cgroupMounts(mountinfo)
	var v1, named, v2 []Hierarchy
	for line := range strings.Lines(own) {
		number, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		list, path, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		h := Hierarchy{Own: path}
		switch {
		case number == "0" && list == "":
			h.V2 = true
		case strings.HasPrefix(list, "name="):
			h.Name = list[len("name="):]
		default:
			for name := range strings.SplitSeq(list, ",") {
				if name, ok := strings.CutPrefix(name, "name="); ok {
					h.Name = name
				} else {
					h.Controllers = append(h.Controllers, name)
				}
			}
		}
		if !h.find(mounted) {
			continue
		}
		switch {
		case h.V2:
			v2 = append(v2, h)
		case slices.Contains(h.Controllers, "freezer"):
			v1 = slices.Insert(v1, 0, h)
		case len(h.Controllers) > 0:
			v1 = append(v1, h)
		default:
			named = append(named, h)
		}
	}
	all := slices.Concat(v1, named, v2)
	switch {
	case len(all) == 0:
		return None, nil
	case len(v2) == 0:
		return Legacy, all
	case len(all) == 1:
		return Unified, all
	}
	return Hybrid, all
}

type cgroupMount struct {
	root, point string
	v2          bool
	options     string // of the super block, such as rw,cpu,cpuacct
}

func cgroupMounts(mountinfo string) (mounts []cgroupMount) {
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		if !strings.HasPrefix(after, "cgroup") {
			continue
		}
		fields, fs := strings.Fields(before), strings.Fields(after)
		if len(fields) < 6 || len(fs) < 3 || fs[0] != "cgroup" && fs[0] != "cgroup2" {
			continue
		}
		mounts = append(mounts, cgroupMount{Unescape(fields[3]), Unescape(fields[4]), fs[0] == "cgroup2", fs[2]})
	}
	return mounts
}

// find fills in where h is mounted and reports whether it is.
func (h *Hierarchy) find(mounts []cgroupMount) (found bool) {
	want := "name=" + h.Name
	if len(h.Controllers) > 0 {
		want = h.Controllers[0]
	}
	for _, m := range mounts {
		if m.v2 != h.V2 || !h.V2 && !hasOption(m.options, want) {
			continue
		}
		below := strings.HasPrefix(m.point, mountpoint+"/")
		if !found || below && !strings.HasPrefix(h.Mount, mountpoint+"/") {
			h.Mount, h.Root, found = m.point, m.root, true
		}
	}
	return found
}

func hasOption(options, want string) bool {
	for option := range strings.SplitSeq(options, ",") {
		if option == want {
			return true
		}
	}
	return false
}

// Unescape undoes the octal escapes of mountinfo: space, tab, newline,
// backslash.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// UseSystemd makes systemd the one who places containers: the system's, or the
// user's if the runtime is without privilege.
func (h *Host) UseSystemd() (err error) {
	if h.Systemd = true; h.Rootless {
		if h.Mode != Unified {
			return &plan.Error{At: placeAt(), Err: errors.New("the user's systemd makes cgroups for containers on cgroup v2 alone"), Hint: h.offers()}
		}
		if h.Manager, err = manager(); err == nil {
			h.Outside = h.MayNotEnter(mountpoint + h.Manager)
		}
	}
	return err
}

// MayNotEnter reports whether the kernel refuses the runtime to put a process
// of its own into a v2 cgroup, by its directory: that takes the right to write
// cgroup.procs of the innermost cgroup that both are in (cgroup-v2.rst,
// "Delegation Containment").
func (h *Host) MayNotEnter(dir string) bool {
	g := &h.Hierarchies[len(h.Hierarchies)-1]
	if !h.Rootless || !g.V2 || strings.HasPrefix(g.Own, "/..") {
		return false
	}
	common := g.Dir()
	for common != g.Mount && dir != common && !strings.HasPrefix(dir, common+"/") {
		common = path.Dir(common)
	}
	return unix.Faccessat(unix.AT_FDCWD, common+"/cgroup.procs", unix.W_OK, unix.AT_EACCESS) != nil
}
