// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"path"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// device is a node to make: a default one or one of linux.devices.
type device struct {
	at    plan.Pointer
	path  string
	mode  uint64 // type and permissions
	dev   uint64
	uid   uint64
	gid   uint64
	input plan.Slot // in a user namespace: the host's node, bound
}

// defaults are the devices every container has (runtime-spec, config-linux.md,
// "Default Devices").
var defaults = [...]struct {
	path         string
	major, minor uint32
}{{"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7}, {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}}

// deviceInputs lists the devices and, in a user namespace, where mknod(2) is
// not permitted, adds the host's nodes as inputs.
func (r *Root) deviceInputs() error {
	if r.hostDev() {
		return nil
	}
	at := plan.At("/linux/devices")
	for i, d := range r.spec.Linux.Devices {
		r.devices = append(r.devices, configured(at.Index(i), &d))
	}
	for _, d := range defaults {
		given := false
		for _, c := range r.devices {
			given = given || c.path == d.path
		}
		if !given {
			r.devices = append(r.devices, device{at: at, path: d.path, mode: unix.S_IFCHR | 0o666, dev: unix.Mkdev(d.major, d.minor), input: noSlot})
		}
	}
	return r.bindDevices()
}

func configured(at plan.Pointer, d *specs.LinuxDevice) device {
	n := device{at: at, path: path.Clean(d.Path), mode: 0o666, dev: unix.Mkdev(uint32(d.Major), uint32(d.Minor)), input: noSlot}
	if d.FileMode != nil {
		n.mode = uint64(*d.FileMode) & 0o7777
	}
	switch d.Type {
	case "b":
		n.mode |= unix.S_IFBLK
	case "p":
		n.mode, n.dev = n.mode|unix.S_IFIFO, 0
	default: // "c" and "u"
		n.mode |= unix.S_IFCHR
	}
	if d.UID != nil {
		n.uid = uint64(*d.UID)
	}
	if d.GID != nil {
		n.gid = uint64(*d.GID)
	}
	return n
}

func (r *Root) bindDevices() error {
	if !r.facts.Mapped {
		return nil
	}
	for i := range r.devices {
		d := &r.devices[i]
		if d.mode&unix.S_IFMT != unix.S_IFIFO {
			d.input = r.tree(plan.Input{At: d.at, Kind: plan.KindTree, Path: d.path})
		}
	}
	return nil
}

// hostDev reports whether a bind mount covers /dev: then it is the user's, and
// nothing is made in it.
func (r *Root) hostDev() bool {
	covered := false
	for i := range r.spec.Mounts {
		m := &r.spec.Mounts[i]
		if path.Clean("/"+m.Destination) == "/dev" {
			if o := &r.options[i]; !o.remount {
				covered = isBind(m, o)
			}
		}
	}
	return covered
}

// Devices makes the nodes and the links of /dev, through the descriptor of its
// directory. Defence against CVE-2026-41579: with a link at /dev in the image,
// they were made, and /dev/ptmx removed, on the host.
func (r *Root) Devices() {
	b, at := r.b, plan.At("/linux/devices")
	if r.hostDev() {
		return
	}
	dev, kept := r.anchored("/dev")
	if !kept {
		dev = b.Slot()
		r.solid(at, r.root, "dev", dev)
	}
	for i := range r.devices {
		r.device(&r.devices[i], dev)
	}
	for _, link := range [...][2]string{{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
		{"/proc/self/fd/2", "stderr"}, {"/proc/kcore", "core"}} {
		b.Symlinkat(at, link[0], dev, link[1])
		b.Tolerate("EEXIST")
	}
	b.Unlinkat(at, dev, "ptmx", 0)
	b.Tolerate("ENOENT")
	b.Symlinkat(at, "pts/ptmx", dev, "ptmx")
	if !kept {
		b.Done(at, dev)
	}
}

func (r *Root) device(d *device, dev plan.Slot) {
	b, dir, name := r.b, dev, path.Base(d.path)
	if path.Dir(d.path) != "/dev" {
		dir = b.Slot()
		defer b.Done(d.at, dir)
		parent, rest := r.from(path.Dir(d.path))
		b.Target(d.at, parent, rest, unix.S_IFDIR|0o755, dir)
	}
	if d.input != noSlot {
		to := b.Slot()
		b.Check(d.at, d.input, d.mode&unix.S_IFMT, d.dev, 0)
		b.Mknodat(d.at, dir, name, unix.S_IFREG|0o666, 0)
		b.Tolerate("EEXIST")
		b.Openat2(d.at, dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_BENEATH, to)
		b.MoveMount(d.at, d.input, to)
		b.Close(d.at, d.input)
		b.Done(d.at, to)
		return
	}
	b.Mknodat(d.at, dir, name, d.mode, d.dev)
	b.Tolerate("EEXIST")
	// One that is there already must be the same device.
	node := b.Slot()
	b.Openat2(d.at, dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_BENEATH, node)
	b.Else()
	b.Check(d.at, node, d.mode&unix.S_IFMT, d.dev, 0)
	b.Done(d.at, node)
	if d.uid != 0 || d.gid != 0 {
		b.Fchownat(d.at, dir, name, d.uid, d.gid)
	}
}
