// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"errors"
	"path"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// inRoot resolves a path below the root as the container would see it, and no
// magic link of a /proc in it (security.md P1).
const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

const noSlot = plan.None

// overProc are the files of /proc that may be mounted over: lxcfs does.
var overProc = [...]string{"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime",
	"/proc/loadavg", "/proc/slabinfo", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled"}

// networkless are the types that no network namespace matters to.
var networkless = [...]string{"", "proc", "tmpfs", "ramfs", "devpts", "mqueue", "cgroup", "cgroup2", "overlay"}

// Mounts compiles config.mounts, in their order.
func (r *Root) Mounts() error {
	handed := false
	for i := range r.spec.Mounts {
		m, at := &r.spec.Mounts[i], plan.At("/mounts").Index(i)
		o := &r.options[i]
		target := path.Clean("/" + m.Destination)
		made := r.Sysfs != nil && !handed && newSysfs(m, o)
		handed = handed || made
		if err := r.allowed(at, m, o, target); err != nil {
			return err
		}
		if r.Network != nil && !made && !isBind(m, o) && !slices.Contains(networkless[:], m.Type) {
			r.Network()
		}
		switch {
		case o.remount:
			if len(o.data) > 0 {
				return &plan.Error{At: at.Field("options").Index(o.data[0].index), Err: errors.New("remount changes the flags of a mount only")}
			}
			r.remount(at, o, target)
		case r.link(i) != "":
			r.symlink(at.Field("destination"), r.link(i), target)
		case isBind(m, o):
			r.bind(at, m, o, r.inputs[i], target)
		case m.Type == "cgroup" || m.Type == "cgroup2":
			if err := r.cgroup(at, i, target); err != nil {
				return err
			}
		case m.Type == "":
			return &plan.Error{At: at.Field("type"), Err: errors.New("a mount that is no bind mount needs a type")}
		default:
			if err := r.filesystem(at, i, target, made); err != nil {
				return err
			}
		}
	}
	return nil
}

// allowed refuses what would hide the real /proc or put something into it.
// Defence against CVE-2019-16884 and CVE-2019-19921: with another file system
// at /proc, labels and masks are written to files of the image.
func (r *Root) allowed(at plan.Pointer, m *specs.Mount, o *options, target string) error {
	if target == "/" {
		return &plan.Error{At: at.Field("destination"), Err: errors.New("the root itself cannot be mounted over")}
	}
	if !below(target, "/proc") || o.remount {
		return nil
	}
	if target == "/proc" {
		if bind := isBind(m, o); bind && path.Clean(m.Source) == "/proc" || !bind && m.Type == "proc" {
			return nil
		}
		return &plan.Error{At: at.Field("destination"), Err: errors.New("only a proc file system can be mounted at /proc")}
	}
	for _, file := range overProc {
		if target == file {
			return nil
		}
	}
	return &plan.Error{At: at.Field("destination"), Err: errors.New("nothing can be mounted inside /proc but over its statistics files")}
}

func (r *Root) propagate(at plan.Pointer, mnt plan.Slot, propagation uint64, rec bool) {
	flags := uint64(unix.AT_EMPTY_PATH)
	if rec {
		flags |= unix.AT_RECURSIVE
	}
	r.b.MountSetattr(at, mnt, flags, 0, 0, propagation)
}

func (r *Root) recursiveAttributes(at plan.Pointer, o *options, mnt plan.Slot) {
	if o.recSet != 0 || o.recClear != 0 {
		r.b.MountSetattr(at.Field("options"), mnt, unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, o.recSet, o.recClear, 0)
	}
}

// finish sets propagation and what is for all mounts below.
func (r *Root) finish(at plan.Pointer, o *options, mnt plan.Slot) {
	if o.propagation != 0 {
		r.propagate(at.Field("options"), mnt, o.propagation, o.propagationRec)
	}
	r.recursiveAttributes(at, o, mnt)
}

// place attaches the new file system mnt at target, which is made if missing.
func (r *Root) place(at plan.Pointer, fsType string, mnt plan.Slot, target string) {
	b, to := r.b, r.b.Slot()
	dir, name := r.from(target)
	if fsType == "proc" || fsType == "sysfs" {
		r.solid(at, dir, name, to)
	} else {
		b.Target(at, dir, name, unix.S_IFDIR|0o755, to)
		r.outside(at, target, to)
	}
	b.MoveMount(at, mnt, to)
	b.Done(at, to)
	r.cover(target)
}

// cover forgets the anchors that a mount at target hides.
func (r *Root) cover(target string) {
	r.anchors = slices.DeleteFunc(r.anchors, func(a anchor) bool { return below(a.target, target) })
}

// outside refuses a target that a link in the rootfs has moved into /proc.
func (r *Root) outside(at plan.Pointer, target string, to plan.Slot) {
	if !below(target, "/proc") {
		r.b.Check(at, to, 0, 0, plan.CheckNot|unix.PROC_SUPER_MAGIC)
	}
}

// solid opens the directory name, making it if it is missing, and refuses one
// reached through a symbolic link. Defence against CVE-2019-19921 and
// CVE-2023-27561: a link at /proc, exchanged while containers start, sent masks
// and labels elsewhere.
func (r *Root) solid(at plan.Pointer, dir plan.Slot, name string, to plan.Slot) {
	const how = inRoot | unix.RESOLVE_NO_SYMLINKS
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	b, made := r.b, r.b.Slot()
	b.Openat2(at, dir, name, flags, 0, how, to)
	b.Tolerate("ENOENT")
	b.Unless(to, func() { b.Target(at, dir, name, unix.S_IFDIR|0o755, made) })
	b.When(made, func() { b.Openat2(at, dir, name, flags, 0, how, to) })
	b.Done(at, made)
}

// keep leaves the descriptor open if paths below the mount are still to be
// looked up; else it closes it.
func (r *Root) keep(target string, mnt plan.Slot, late bool) {
	switch {
	case target == "/proc" || target == "/sys" || target == "/dev" || target == "/dev/pts":
		r.anchors = append(r.anchors, anchor{target, mnt})
	case !late:
		r.b.Done(plan.At("/mounts"), mnt)
	}
}

// anchored is the descriptor kept of the mount at target.
func (r *Root) anchored(target string) (plan.Slot, bool) {
	for i := len(r.anchors) - 1; i >= 0; i-- {
		if r.anchors[i].target == target {
			return r.anchors[i].slot, true
		}
	}
	return noSlot, false
}
