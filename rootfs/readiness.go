// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// NotifyDir is where the container finds the directory of its notify socket.
const NotifyDir = "/run/notify"

// notifyInput adds the directory that the runtime will bind the socket in. No
// field of config.json asks for it, so none is pointed to.
func (r *Root) notifyInput() {
	r.notify = noSlot
	if r.facts.Notify != "" {
		r.notify = r.tree(plan.Input{Kind: plan.KindTree, Path: r.facts.Notify})
	}
}

// Notify mounts it. Read-only: the container may connect to the socket, not
// put another in its place. After all other mounts, so that none hides it.
func (r *Root) Notify() {
	if r.notify == noSlot {
		return
	}
	var at plan.Pointer
	b, to := r.b, r.b.Slot()
	b.MountSetattr(at, r.notify, unix.AT_EMPTY_PATH, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC, 0, unix.MS_SLAVE)
	dir, name := r.from(NotifyDir)
	b.Target(at, dir, name, unix.S_IFDIR|0o755, to)
	r.outside(at, NotifyDir, to)
	b.MoveMount(at, r.notify, to)
	b.Done(at, r.notify, to)
	r.cover(NotifyDir)
}
