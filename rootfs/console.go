// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// devptsMagic is DEVPTS_SUPER_MAGIC of linux/magic.h.
const devptsMagic = 0x1cd1

// Terminal makes a pseudo-terminal of the devpts mounted below the root in
// slot root, sends its master through socket, and leaves the peer's descriptor
// in the slot it returns. Defence against CVE-2025-52565: neither side is ever
// opened by a name that an image or a neighbour can exchange for a link.
func Terminal(b *plan.Builder, root plan.Slot, size *specs.Box, socket plan.Slot) plan.Slot {
	at := plan.At("/process/terminal")
	pts, ptmx, peer := b.Slot(), b.Slot(), b.Slot()
	const how = inRoot | unix.RESOLVE_NO_SYMLINKS
	b.Openat2(at, root, "dev/pts", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, how, pts)
	b.Check(at, pts, unix.S_IFDIR, 0, devptsMagic)
	b.Openat2(at, pts, "ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_XDEV, ptmx)
	b.Check(at, ptmx, unix.S_IFCHR, unix.Mkdev(5, 2), devptsMagic)
	b.Ioctl(at, ptmx, unix.TIOCSPTLCK, []byte{0, 0, 0, 0})
	b.IoctlTiocgptpeer(at, ptmx, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, peer)
	if size != nil && size.Height|size.Width != 0 {
		h, w := uint16(size.Height), uint16(size.Width)
		b.Ioctl(plan.At("/process/consoleSize"), ptmx, unix.TIOCSWINSZ, []byte{byte(h), byte(h >> 8), byte(w), byte(w >> 8), 0, 0, 0, 0})
	}
	b.SendFd(at, socket, ptmx, "/dev/ptmx")
	b.Done(at, pts, ptmx)
	b.Close(at, socket)
	return peer
}

// Console binds the terminal's peer at /dev/console. After all mounts, because
// it lies in one; before the masked paths, because it can have been exchanged
// for a link to one.
func (r *Root) Console(peer plan.Slot) {
	b, at := r.b, plan.At("/process/terminal")
	dev, kept := r.anchored("/dev")
	if !kept {
		dev = b.Slot()
		r.solid(at, r.root, "dev", dev)
	}
	node, tree := b.Slot(), b.Slot()
	b.Mknodat(at, dev, "console", unix.S_IFREG|0o600, 0)
	b.Tolerate("EEXIST")
	b.Openat2(at, dev, "console", unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_BENEATH, node)
	b.OpenTree(at, peer, "", unix.OPEN_TREE_CLONE|unix.AT_EMPTY_PATH, tree)
	b.MoveMount(at, tree, node)
	b.Done(at, node, tree)
	if !kept {
		b.Done(at, dev)
	}
}
