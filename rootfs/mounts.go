// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"errors"
	"path"
	"slices"
	"strings"

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

// isBind reports whether the mount's source is a file of the host.
func isBind(m *specs.Mount, o *options) bool { return o.bind || m.Type == "bind" }

// sources adds an input for each bind mount.
func (r *Root) sources() error {
	for i := range r.spec.Mounts {
		m, at := &r.spec.Mounts[i], plan.At("/mounts").Index(i)
		r.inputs[i] = noSlot
		o := &r.options[i]
		var bad int
		if *o, bad = parseOptions(m.Options); bad >= 0 {
			return &plan.Error{At: at.Field("options").Index(bad), Err: errors.New(m.Options[bad] + " is not handled yet")}
		}
		if !isBind(m, o) || o.remount {
			continue
		}
		if m.Source == "" {
			return &plan.Error{At: at.Field("source"), Err: errors.New("a bind mount needs a source")}
		}
		for _, d := range o.data {
			if d.generic {
				continue
			}
			return &plan.Error{At: at.Field("options").Index(d.index),
				Err: errors.New("bind mounts cannot have any filesystem-specific options applied")}
		}
		r.inputs[i] = r.b.Input(plan.Input{At: at.Field("source"), Kind: plan.KindTree, Path: r.host(m.Source), Tree: o.recursive})
	}
	return r.cgroupInputs()
}

// Mounts compiles config.mounts, in their order.
func (r *Root) Mounts() error {
	for i := range r.spec.Mounts {
		m, at := &r.spec.Mounts[i], plan.At("/mounts").Index(i)
		o := &r.options[i]
		target := path.Clean("/" + m.Destination)
		if err := r.allowed(at, m, o, target); err != nil {
			return err
		}
		switch {
		case o.remount:
			if len(o.data) > 0 {
				return &plan.Error{At: at.Field("options").Index(o.data[0].index), Err: errors.New("remount changes the flags of a mount only")}
			}
			r.remount(at, o, target)
		case isBind(m, o):
			r.bind(at, o, r.inputs[i], target)
		case m.Type == "cgroup" || m.Type == "cgroup2":
			if err := r.cgroup(at, i, target); err != nil {
				return err
			}
		case m.Type == "":
			return &plan.Error{At: at.Field("type"), Err: errors.New("a mount that is no bind mount needs a type")}
		default:
			r.filesystem(at, m, o, target)
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

// filesystem mounts a new file system. Its attributes are set while it is
// detached: it is never visible without them.
func (r *Root) filesystem(at plan.Pointer, m *specs.Mount, o *options, target string) {
	b, fs, mnt := r.b, r.b.Slot(), r.b.Slot()
	b.Fsopen(at.Field("type"), m.Type, fs)
	if m.Source != "" {
		b.Fsconfig(at.Field("source"), fs, unix.FSCONFIG_SET_STRING, "source", m.Source)
	}
	for _, d := range o.data {
		fsconfig(b, at.Field("options").Index(d.index), fs, d)
	}
	attr := o.attrSet
	late := attr&unix.MOUNT_ATTR_RDONLY != 0 && (m.Type == "tmpfs" || target == "/dev")
	if late {
		// Read-only once the mountpoints and devices below it are made.
		attr &^= unix.MOUNT_ATTR_RDONLY
	} else if attr&unix.MOUNT_ATTR_RDONLY != 0 && ownSuperblock(m.Type) {
		b.Fsconfig(at.Field("options"), fs, unix.FSCONFIG_SET_FLAG, "ro", "")
	}
	b.Fsconfig(at.Field("type"), fs, unix.FSCONFIG_CMD_CREATE, "", "")
	b.Fsmount(at.Field("options"), fs, attr, mnt)
	b.Done(at, fs)
	r.finish(at, o, mnt)
	r.place(at.Field("destination"), m.Type, mnt, target)
	if late {
		r.late = append(r.late, mnt)
	}
	r.keep(target, mnt, late)
}

func fsconfig(b *plan.Builder, at plan.Pointer, fs plan.Slot, d datum) {
	if d.isFlag {
		b.Fsconfig(at, fs, unix.FSCONFIG_SET_FLAG, d.key, "")
		return
	}
	// One string holds at most 255 bytes; overlay takes its lower directories
	// one by one (since Linux 6.7, commit 24e16e385f22).
	if d.key == "lowerdir" && len(d.value) > 255 {
		for dir := range strings.SplitSeq(d.value, ":") {
			b.Fsconfig(at, fs, unix.FSCONFIG_SET_STRING, "lowerdir+", dir)
		}
		return
	}
	b.Fsconfig(at, fs, unix.FSCONFIG_SET_STRING, d.key, d.value)
}

// ownSuperblock reports whether mounting the type makes or opens a super block
// that read-only is a property of, too: not so for the kernel's own views.
func ownSuperblock(fsType string) bool {
	switch fsType {
	case "proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2":
		return false
	}
	return true
}

// bind attaches the detached clone in slot tree.
func (r *Root) bind(at plan.Pointer, o *options, tree plan.Slot, target string) {
	b := r.b
	attr, late := o.attrSet, false
	if target == "/dev" && attr&unix.MOUNT_ATTR_RDONLY != 0 {
		attr, late = attr&^unix.MOUNT_ATTR_RDONLY, true
	}
	// Slave unless asked otherwise: mounts made on the host below the source
	// appear, none goes back, and the host can unmount it.
	recursiveFlag := uint64(0)
	if o.recursive {
		recursiveFlag = unix.AT_RECURSIVE
	}
	propagation := o.propagation
	if propagation == 0 {
		propagation = unix.MS_SLAVE
	}
	b.MountSetattr(at.Field("options"), tree, unix.AT_EMPTY_PATH|recursiveFlag, 0, 0, unix.MS_SLAVE)
	if propagation == unix.MS_SHARED {
		b.Steps = b.Steps[:len(b.Steps)-1] // stays in the host's peer group: that is what shared asks for
	}
	if attr != 0 || o.attrClear != 0 {
		b.MountSetattr(at.Field("options"), tree, unix.AT_EMPTY_PATH, attr, o.attrClear, 0)
	}
	if propagation != unix.MS_SLAVE || o.propagationRec && !o.recursive {
		r.propagate(at.Field("options"), tree, propagation, o.propagationRec)
	}
	r.recursiveAttributes(at, o, tree)

	at = at.Field("destination")
	dir, name := r.from(target)
	directory, file, to := b.Slot(), b.Slot(), b.Slot()
	b.Fstat(at, tree, directory, file)
	b.When(directory, func() { b.Target(at, dir, name, unix.S_IFDIR|0o755, to) })
	b.When(file, func() { b.Target(at, dir, name, unix.S_IFREG|0o755, to) })
	r.outside(at, target, to)
	b.MoveMount(at, directory, to)
	b.MoveMount(at, file, to)
	b.Done(at, to, file)
	r.cover(target)
	if late {
		r.late = append(r.late, directory)
	} else {
		b.Done(at, directory)
	}
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

// remount changes the attributes of what is mounted at target.
func (r *Root) remount(at plan.Pointer, o *options, target string) {
	b, mnt := r.b, r.b.Slot()
	dir, name := r.from(target)
	b.Openat2(at.Field("destination"), dir, name, unix.O_PATH|unix.O_CLOEXEC, 0, inRoot, mnt)
	if o.attrSet|o.attrClear != 0 {
		b.MountSetattr(at.Field("options"), mnt, unix.AT_EMPTY_PATH, o.attrSet, o.attrClear, 0)
	}
	r.finish(at, o, mnt)
	b.Done(at, mnt)
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
