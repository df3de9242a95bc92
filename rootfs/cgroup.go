// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// cgroupInputs adds the container's own cgroup directories, which are bound
// where a mount of type cgroup cannot be a new one: on v1 without a cgroup
// namespace, and on v2 when the kernel refuses a new mount in a user namespace.
func (r *Root) cgroupInputs() error {
	for i := range r.spec.Mounts {
		m := &r.spec.Mounts[i]
		if m.Type != "cgroup" && m.Type != "cgroup2" {
			continue
		}
		at := plan.At("/mounts").Index(i)
		if len(r.facts.Hierarchies) == 0 && !(r.facts.Cgroupless && m.Type == "cgroup") {
			return &plan.Error{At: at.Field("type"), Err: errors.New("no cgroup hierarchy is mounted on this host")}
		}
		v2 := r.unified()
		if v2 != nil && !r.facts.Mapped && !r.facts.CgroupNS {
			r.inputs[i] = r.tree(plan.Input{At: at, Kind: plan.KindCgroup, Path: v2.Mount})
		}
		if v2 != nil && r.facts.Mapped && v2.Cgroup != "" {
			r.inputs[i] = r.tree(plan.Input{At: at, Kind: plan.KindCgroup, Path: v2.Cgroup, Or: v2.Or})
		}
		if v2 != nil || r.facts.CgroupNS && !r.facts.Mapped {
			continue
		}
		for _, h := range r.facts.Hierarchies {
			if !h.V2 {
				slot := r.tree(plan.Input{At: at, Kind: plan.KindCgroup, Path: h.Cgroup, Or: h.Or})
				if r.inputs[i] == noSlot {
					r.inputs[i] = slot // the others follow it
				}
			}
		}
	}
	return nil
}

// unified is the v2 hierarchy of a host that has no other.
func (r *Root) unified() *Hierarchy {
	for i := range r.facts.Hierarchies {
		if !r.facts.Hierarchies[i].V2 {
			return nil
		}
	}
	if len(r.facts.Hierarchies) == 0 {
		return nil
	}
	return &r.facts.Hierarchies[0]
}

// cgroup compiles a mount of type cgroup. It is read-only, asked or not, when
// the container has no cgroup namespace: defence against CVE-2023-25809.
func (r *Root) cgroup(at plan.Pointer, i int, target string) error {
	m, o := &r.spec.Mounts[i], &r.options[i]
	for _, d := range o.data {
		if !d.generic {
			return &plan.Error{At: at.Field("options").Index(d.index), Err: errors.New("cgroup mounts take no options of their own")}
		}
	}
	o.fold() // before it is made read-only, which rrw may not undo
	if !r.facts.CgroupNS {
		o.attrSet |= unix.MOUNT_ATTR_RDONLY
		o.attrClear &^= unix.MOUNT_ATTR_RDONLY
	}
	if r.unified() != nil {
		r.cgroup2(at, o, target, r.inputs[i])
		return nil
	}
	if m.Type == "cgroup2" {
		return &plan.Error{At: at.Field("type"), Err: errors.New("the host's cgroups are v1")}
	}
	r.cgroup1(at, o, target, r.inputs[i])
	return nil
}

func (r *Root) cgroup2(at plan.Pointer, o *options, target string, own plan.Slot) {
	if !r.facts.CgroupNS && !r.facts.Mapped {
		// DEFENCE: a new mount from the initial cgroup namespace would take options
		// such as nsdelegate and memory_recursiveprot from the host's mount too.
		r.b.MountSetattr(at.Field("options"), own, unix.AT_EMPTY_PATH, o.attrSet, o.attrClear, unix.MS_SLAVE)
		r.place(at.Field("destination"), "cgroup2", own, target)
		r.b.Close(at, own)
		return
	}
	b, fs, mnt := r.b, r.b.Slot(), r.b.Slot()
	b.Fsopen(at.Field("type"), "cgroup2", fs)
	b.Fsconfig(at.Field("type"), fs, unix.FSCONFIG_SET_STRING, "source", "cgroup")
	b.Fsconfig(at.Field("type"), fs, unix.FSCONFIG_CMD_CREATE, "", "")
	if own != noSlot {
		b.Tolerate("EPERM", "EBUSY", "EINVAL")
	}
	b.Fsmount(at.Field("options"), fs, o.attrSet, mnt)
	if own != noSlot {
		b.Tolerate("EPERM", "EBUSY", "EINVAL")
	}
	b.Done(at, fs)
	if own != noSlot {
		b.Unless(mnt, func() {
			b.MountSetattr(at.Field("options"), own, unix.AT_EMPTY_PATH, o.attrSet, o.attrClear, unix.MS_SLAVE)
			b.OpenTree(at, own, "", unix.AT_EMPTY_PATH, mnt)
		})
	}
	r.finish(at, o, mnt)
	r.place(at.Field("destination"), "cgroup2", mnt, target)
	b.Done(at, mnt)
	if own != noSlot {
		b.Close(at, own)
	}
}

// cgroup1 lays out a tmpfs with a directory for each v1 hierarchy and, for
// hierarchies of several controllers, a link for each controller.
func (r *Root) cgroup1(at plan.Pointer, o *options, target string, own plan.Slot) {
	b, fs, top := r.b, r.b.Slot(), r.b.Slot()
	typeAt, optionsAt := at.Field("type"), at.Field("options")
	b.Fsopen(typeAt, "tmpfs", fs)
	b.Fsconfig(typeAt, fs, unix.FSCONFIG_SET_STRING, "source", "tmpfs")
	b.Fsconfig(typeAt, fs, unix.FSCONFIG_SET_STRING, "mode", "755")
	r.label(fs, nil)
	b.Fsconfig(typeAt, fs, unix.FSCONFIG_CMD_CREATE, "", "")
	b.Fsmount(optionsAt, fs, o.attrSet&^unix.MOUNT_ATTR_RDONLY, top)
	b.Done(at, fs)
	r.finish(at, o, top)
	r.place(at.Field("destination"), "tmpfs", top, target)
	for _, h := range r.facts.Hierarchies {
		if h.V2 {
			continue
		}
		name := path.Base(h.Mount)
		dir := b.Slot()
		b.Mkdirat(at, top, name, 0o755)
		b.Openat2(at, top, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS, dir)
		if own != noSlot {
			b.MountSetattr(optionsAt, own, unix.AT_EMPTY_PATH, o.attrSet, o.attrClear, unix.MS_SLAVE)
			b.MoveMount(at, own, dir)
			b.Close(at, own)
			own++
		} else {
			mnt := b.Slot()
			fs := b.Slot()
			b.Fsopen(typeAt, "cgroup", fs)
			b.Fsconfig(typeAt, fs, unix.FSCONFIG_SET_STRING, "source", "cgroup")
			for _, c := range h.Controllers {
				b.Fsconfig(typeAt, fs, unix.FSCONFIG_SET_FLAG, c, "")
			}
			if h.Name != "" {
				b.Fsconfig(typeAt, fs, unix.FSCONFIG_SET_FLAG, "none", "")
				b.Fsconfig(typeAt, fs, unix.FSCONFIG_SET_STRING, "name", h.Name)
			}
			b.Fsconfig(typeAt, fs, unix.FSCONFIG_CMD_CREATE, "", "")
			b.Fsmount(optionsAt, fs, o.attrSet, mnt)
			b.MoveMount(at, mnt, dir)
			b.Done(at, fs, mnt)
		}
		b.Done(at, dir)
		if strings.Contains(name, ",") {
			for _, c := range h.Controllers {
				b.Symlinkat(at, name, top, c)
				b.Tolerate("EEXIST")
			}
		}
	}
	if o.attrSet&unix.MOUNT_ATTR_RDONLY != 0 {
		b.MountSetattr(optionsAt, top, unix.AT_EMPTY_PATH, unix.MOUNT_ATTR_RDONLY, 0, 0)
	}
	b.Done(at, top)
}
