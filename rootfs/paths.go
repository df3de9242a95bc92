// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// Masked hides paths: a file behind the host's /dev/null, a directory behind an
// empty one. What does not exist needs no hiding; that, and only that, is
// tolerated.
func (r *Root) Masked() {
	b, masked := r.b, r.spec.Linux.MaskedPaths
	if len(masked) == 0 {
		return
	}
	// The new tmpfs hides the first directory; from then on, attached to this
	// namespace, it can be cloned.
	attached, never := b.Slot(), b.Slot()
	for i, p := range masked {
		at := plan.At("/linux/maskedPaths").Index(i)
		target, directory, file, tree := b.Slot(), b.Slot(), b.Slot(), b.Slot()
		dir, name := r.from(p)
		b.Openat2(at, dir, name, unix.O_PATH|unix.O_CLOEXEC, 0, inRoot, target)
		b.Tolerate("ENOENT", "ENOTDIR")
		b.Fstat(at, target, directory, file)
		b.Release(target)
		b.When(directory, func() {
			r.clone(at, attached, tree)
			b.MoveMount(at, tree, directory)
			b.MoveMount(at, r.tmpfs, directory)
			b.Fstat(at, r.tmpfs, attached, never)
		})
		b.Close(at, tree)
		b.When(file, func() { r.clone(at, r.null, tree) })
		b.MoveMount(at, tree, file)
		b.Done(at, directory, file, tree)
	}
	b.Done(plan.At("/linux/maskedPaths"), r.null, r.tmpfs, attached, never)
}

// clone makes a detached copy of the mount in slot from, in no peer group.
func (r *Root) clone(at plan.Pointer, from, tree plan.Slot) {
	r.b.OpenTree(at, from, "", unix.OPEN_TREE_CLONE|unix.AT_EMPTY_PATH, tree)
	r.b.MountSetattr(at, tree, unix.AT_EMPTY_PATH, 0, 0, unix.MS_PRIVATE)
}

// Readonly makes paths read-only by mounting each over itself.
func (r *Root) Readonly() {
	b := r.b
	for i, p := range r.spec.Linux.ReadonlyPaths {
		at := plan.At("/linux/readonlyPaths").Index(i)
		target, tree := b.Slot(), b.Slot()
		dir, name := r.from(p)
		b.Openat2(at, dir, name, unix.O_PATH|unix.O_CLOEXEC, 0, inRoot, target)
		b.Tolerate("ENOENT", "ENOTDIR")
		b.OpenTree(at, target, "", unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH, tree)
		b.MountSetattr(at, tree, unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, unix.MOUNT_ATTR_RDONLY, 0, unix.MS_PRIVATE)
		b.MoveMount(at, tree, target)
		b.Done(at, target, tree)
	}
}
