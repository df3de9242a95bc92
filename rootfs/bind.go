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

// isBind reports whether the mount's source is a file of the host.
func isBind(m *specs.Mount, o *options) bool { return o.bind || m.Type == "bind" }

// HasOption reports whether a mount has the option name.
func HasOption(m *specs.Mount, name string) bool { return slices.Contains(m.Options, name) }

// sources adds an input for each bind mount.
func (r *Root) sources() error {
	for i := range r.spec.Mounts {
		m, at := &r.spec.Mounts[i], plan.At("/mounts").Index(i)
		o := &r.options[i]
		*o, r.inputs[i] = parseOptions(m.Options), noSlot
		ids, err := r.idmap(at, m, o)
		if err != nil {
			return err
		}
		if err := r.words(at, m, o); err != nil {
			return err
		}
		switch {
		case o.remount:
		case isBind(m, o):
			if err := r.source(at, i, ids); err != nil {
				return err
			}
		case r.sysfsMayFail(m):
			// The host's own, in case that the kernel refuses a new one.
			r.inputs[i] = r.tree(plan.Input{At: at.Field("type"), Kind: plan.KindTree, Path: "/sys", Tree: true})
		}
	}
	r.notifyInput()
	return r.cgroupInputs()
}

// words refuses the options that make no sense for the mount.
func (r *Root) words(at plan.Pointer, m *specs.Mount, o *options) error {
	for _, w := range [...]struct {
		is   word
		name string
		ok   bool
		want string
	}{
		{copyUp, "tmpcopyup", m.Type == "tmpfs" && !o.bind && !o.remount, "only a tmpfs can begin with a copy of what it covers"},
		{copySymlink, "copy-symlink", isBind(m, o) && !o.remount, "for bind mounts only"},
		{srcNofollow, "src-nofollow", isBind(m, o) && !o.remount, "for bind mounts only"},
		{destNofollow, "dest-nofollow", isBind(m, o) && !o.remount, "for bind mounts only"},
		{copySymlink, "copy-symlink", o.words&(srcNofollow|destNofollow) == 0, "excludes src-nofollow and dest-nofollow"},
	} {
		if o.words&w.is != 0 && !w.ok {
			return &plan.Error{At: at.Field("options").Index(slices.Index(m.Options, w.name)), Err: errors.New(w.want)}
		}
	}
	return nil
}

func (r *Root) source(at plan.Pointer, i int, ids *plan.IDMap) error {
	m, o := &r.spec.Mounts[i], &r.options[i]
	if m.Source == "" {
		return &plan.Error{At: at.Field("source"), Err: errors.New("a bind mount needs a source")}
	}
	for _, d := range o.data {
		if !d.generic {
			return &plan.Error{At: at.Field("options").Index(d.index),
				Err: errors.New("bind mounts cannot have any filesystem-specific options applied")}
		}
	}
	if r.link(i) != "" {
		return nil // nothing is mounted
	}
	r.inputs[i] = r.tree(plan.Input{At: at.Field("source"), Kind: plan.KindTree, Path: r.host(m.Source), Tree: o.recursive,
		NoFollow: o.words&srcNofollow != 0, IDMap: ids})
	return nil
}

// link is the text of mount i's source, if that is a link to make anew.
func (r *Root) link(i int) string {
	if r.options[i].words&copySymlink == 0 {
		return ""
	}
	return r.facts.Links[i]
}

// symlink makes the link text at target; one that is there already must say
// the same.
func (r *Root) symlink(at plan.Pointer, text, target string) {
	b, parent := r.b, r.b.Slot()
	dir, name := r.from(path.Dir(target))
	b.Target(at, dir, name, unix.S_IFDIR|0o755, parent)
	r.outside(at, target, parent)
	b.Symlinkat(at, text, parent, path.Base(target))
	b.Tolerate("EEXIST")
	b.CheckLink(at, parent, path.Base(target), text)
	b.Done(at, parent)
}

// bind attaches the detached clone in slot tree.
func (r *Root) bind(at plan.Pointer, m *specs.Mount, o *options, tree plan.Slot, target string) {
	b := r.b
	attr, late := o.attrSet, false
	if target == "/dev" && attr&unix.MOUNT_ATTR_RDONLY != 0 {
		attr, late = attr&^unix.MOUNT_ATTR_RDONLY, true
	}
	// DEFENCE (CVE-2023-25809): a read-only /sys has no cgroups that can be
	// written to, unless they are the container's own.
	if attr&unix.MOUNT_ATTR_RDONLY != 0 && o.recursive && below(r.host(m.Source), "/sys") && (r.facts.Mapped || !r.facts.CgroupNS) {
		o.recSet |= unix.MOUNT_ATTR_RDONLY
	}
	// Slave unless asked otherwise: mounts made on the host below the source
	// appear, none goes back, and the host can unmount it.
	propagation := o.propagation
	if propagation == 0 {
		propagation = unix.MS_SLAVE
	}
	first := uint64(unix.MS_SLAVE)
	if propagation == unix.MS_SHARED { // that stays in the host's peer group: it is what shared asks for
		first = 0
	}
	if o.recursive && first != 0 { // the attributes are those of the mount itself
		b.MountSetattr(at.Field("options"), tree, unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, 0, 0, first)
		first = 0
	}
	if attr != 0 || o.attrClear != 0 || first != 0 {
		b.MountSetattr(at.Field("options"), tree, unix.AT_EMPTY_PATH, attr, o.attrClear, first)
	}
	if propagation != unix.MS_SLAVE || o.propagationRec && !o.recursive {
		r.propagate(at.Field("options"), tree, propagation, o.propagationRec)
	}
	r.recursiveAttributes(at, o, tree)

	at = at.Field("destination")
	nofollow := uint64(0)
	if o.words&destNofollow != 0 {
		nofollow = plan.TargetNoFollow
	}
	dir, name := r.from(target)
	to := b.Slot()
	b.TargetFor(at, dir, name, tree, nofollow, to)
	r.outside(at, target, to)
	b.MoveMount(at, tree, to)
	b.Done(at, to)
	r.cover(target)
	if late {
		r.late = append(r.late, tree)
	} else {
		b.Done(at, tree)
	}
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
