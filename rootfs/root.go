// SPDX-License-Identifier: Apache-2.0

// Package rootfs compiles what a container's processes see as their file
// system: the root, the mounts, the devices, the masked and read-only paths
// and the change of root. It only appends steps to a plan; nothing here asks
// or changes the kernel.
package rootfs

import (
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// Facts is what the compiler must know that config.json does not say.
type Facts struct {
	Bundle       string // absolute; relative paths of config.json begin here
	Unprivileged bool   // the runtime may clone no mount: the executor does
	UserNS       bool   // the container has a user namespace of its own
	Mapped       bool   // ... or the runtime is in one that is not the initial one
	CgroupNS     bool   // the container has a cgroup namespace
	Cgroupless   bool   // a host without hierarchies will do: the mount is empty
	NoPivot      bool   // --no-pivot: chroot(2), for roots that pivot_root(2) refuses
	Hierarchies  []Hierarchy
	UserNSPath   string         // of a user namespace that is joined; "" of a new one
	NewNetNS     bool           // the network namespace is a new one
	SELinux      bool           // ... is enabled on the host
	Notify       string         // directory of the notify socket; "": none
	Links        map[int]string // by mount with copy-symlink: the text of its source, if that is a link
}

// Hierarchy is a mounted cgroup hierarchy of the host.
type Hierarchy struct {
	Mount       string   // where, such as /sys/fs/cgroup/memory
	Controllers []string // of v1; its mount options
	Name        string   // of a named v1 hierarchy, without "name="
	V2          bool
	Cgroup      string // the container's own cgroup directory, absolute
	Or          string // the runtime's, where the container may have no own; ""
}

// Root compiles one container's root. Its methods are called in the order in
// which libcontainer/compile.go lists them.
type Root struct {
	b     *plan.Builder
	trees []unopened // without privilege
	spec  *specs.Spec
	facts Facts

	root    plan.Slot // the root's mount: every path below it is looked up from here
	inputs  []plan.Slot
	options []options // of each mount, read once
	devices []device

	Network func()                          // enters the network namespace, before what shows it or uses it; nil: it is entered
	Sysfs   func(at plan.Pointer) plan.Slot // receives the mount of NewSysfs; nil: it is not made yet

	anchors []anchor    // mounts whose descriptor is kept
	tmpfs   plan.Slot   // an empty read-only directory, for the masked ones
	null    plan.Slot   // the host's /dev/null
	notify  plan.Slot   // see notifyInput
	late    []plan.Slot // mounts that become read-only when all is in place
}

// anchor is a mount of the container whose descriptor stays open, so that what
// is below it is reached through it and not through a name in the rootfs that
// may have been exchanged meanwhile.
type anchor struct {
	target string // such as /proc
	slot   plan.Slot
}

// New adds the inputs: the root and the sources of bind mounts. Establishes:
// every lookup of a host path is finished before the clone (security.md C5).
func New(b *plan.Builder, spec *specs.Spec, facts Facts) (*Root, error) {
	r := &Root{b: b, spec: spec, facts: facts, inputs: make([]plan.Slot, len(spec.Mounts)), options: make([]options, len(spec.Mounts))}
	at := plan.At("/root/path")
	r.root = r.tree(plan.Input{At: at, Kind: plan.KindTree, Path: r.host(spec.Root.Path), Tree: true})
	if err := r.checkLabel(); err != nil {
		return nil, err
	}
	if err := r.sources(); err != nil {
		return nil, err
	}
	return r, r.deviceInputs()
}

// tree adds what is mounted of the host. The runtime opens it before the clone,
// or else, without privilege, the executor in the container's user namespace,
// where alone it may (see openTrees).
func (r *Root) tree(in plan.Input) plan.Slot {
	if !r.facts.Unprivileged {
		return r.b.Input(in)
	}
	slot := r.b.Slot()
	r.trees = append(r.trees, unopened{in, slot})
	return slot
}

type unopened struct {
	in   plan.Input
	slot plan.Slot
}

func (r *Root) openTrees() {
	for _, t := range r.trees {
		flags := uint64(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
		if t.in.Tree {
			flags |= unix.AT_RECURSIVE
		}
		if t.in.NoFollow {
			flags |= unix.AT_SYMLINK_NOFOLLOW
		}
		r.b.OpenTree(t.in.At, plan.Cwd, t.in.Path, flags, t.slot)
		if t.in.Or != "" {
			r.b.Tolerate("ENOENT")
			r.b.OpenTree(t.in.At, plan.Cwd, t.in.Or, flags, t.slot)
			r.b.Else()
		}
	}
}

// host is a path of config.json on the host: relative ones begin in the bundle.
func (r *Root) host(name string) string {
	if !path.IsAbs(name) {
		name = path.Join(r.facts.Bundle, name)
	}
	return path.Clean(name)
}

// Attach makes the mount namespace the container's own and puts the root on
// top of the host's. Host lookups go on underneath until Pivot.
func (r *Root) Attach() {
	b, at := r.b, plan.At("/linux/rootfsPropagation")
	// First of all mounts, because nothing may propagate to the host (I8).
	b.Mount(at, "/", unix.MS_REC|unix.MS_SLAVE)
	r.openTrees()

	at = plan.At("/root/path")
	masks := plan.At("/linux/maskedPaths")
	if len(r.spec.Linux.MaskedPaths) > 0 {
		r.hostNull(masks)
		fs := b.Slot()
		r.tmpfs = b.Slot()
		b.Fsopen(masks, "tmpfs", fs)
		b.Fsconfig(masks, fs, unix.FSCONFIG_SET_STRING, "source", "tmpfs")
		b.Fsconfig(masks, fs, unix.FSCONFIG_SET_STRING, "size", "0")
		b.Fsconfig(masks, fs, unix.FSCONFIG_SET_STRING, "nr_inodes", "1")
		b.Fsconfig(masks, fs, unix.FSCONFIG_SET_STRING, "mode", "0555")
		r.label(fs, nil)
		b.Fsconfig(masks, fs, unix.FSCONFIG_CMD_CREATE, "", "")
		b.Fsmount(masks, fs, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC, r.tmpfs)
		b.Done(masks, fs)
	}
	// A clone keeps its peer group: without this, mounts made in the container
	// would appear on the host.
	b.MountSetattr(at, r.root, unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, 0, 0, unix.MS_SLAVE)
	top := b.Slot()
	b.Openat2(at, plan.Cwd, "/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, 0, top)
	b.MoveMount(at, r.root, top)
	b.Done(at, top)
}

// hostNull opens the host's /dev/null, the source of masked files. Defence
// against CVE-2025-31133: with the container's /dev/null as source, an image
// chose what was mounted over a masked path. Opened before any mount of the
// container, verified by type and number.
func (r *Root) hostNull(at plan.Pointer) {
	r.null = r.b.Slot()
	r.b.Openat2(at, plan.Cwd, "/dev/null", unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS, r.null)
	r.b.Check(at, r.null, unix.S_IFCHR, unix.Mkdev(1, 3), 0)
}

// from is where to look target up: the descriptor of the innermost anchor, or
// the root, and the path that remains. The path is never empty.
func (r *Root) from(target string) (plan.Slot, string) {
	target = path.Clean("/" + target)
	slot, rest := r.root, target[1:]
	for _, a := range r.anchors {
		if below(target, a.target) && target != a.target && len(target)-len(a.target)-1 < len(rest) {
			slot, rest = a.slot, target[len(a.target)+1:]
		}
	}
	if rest == "" {
		rest = "."
	}
	return slot, rest
}

// Slot is the descriptor of the root's mount.
func (r *Root) Slot() plan.Slot { return r.root }

// below reports whether target is dir or below it, by path components.
func below(target, dir string) bool {
	return target == dir || strings.HasPrefix(target, dir) && target[len(dir)] == '/'
}

// Pivot makes the root the root of the namespace and lets the host's go.
func (r *Root) Pivot() {
	b, at := r.b, plan.At("/root")
	b.Fchdir(at, r.root)
	if r.facts.NoPivot {
		// chroot(2) leaves the host's mounts reachable for a process that
		// gets out: take the ones that show the kernel away first.
		for _, fs := range [...]string{"/proc", "/sys"} {
			b.Umount2(at, fs, unix.MNT_DETACH)
			b.Tolerate("EINVAL", "ENOENT", "EPERM")
		}
		b.Chroot(at, ".")
	} else {
		// pivot_root(".", ".") stacks the host's root on the new one, where
		// umount2 finds it: no directory for it is needed (pivot_root(2), NOTES).
		b.PivotRoot(at)
		b.Umount2(at, ".", unix.MNT_DETACH)
	}
	b.Chdir(at, "/")

	// After pivot_root, because before it the change would reach the host.
	if p := r.spec.Linux.RootfsPropagation; p != "" {
		at := plan.At("/linux/rootfsPropagation")
		row := lookup(p)
		b.Mount(at, "/", row.set|row.clear)
	}
	for _, slot := range r.late {
		b.MountSetattr(plan.At("/mounts"), slot, unix.AT_EMPTY_PATH, unix.MOUNT_ATTR_RDONLY, 0, 0)
	}
	if r.spec.Root.Readonly {
		b.MountSetattr(plan.At("/root/readonly"), r.root, unix.AT_EMPTY_PATH, unix.MOUNT_ATTR_RDONLY, 0, 0)
	}
}
