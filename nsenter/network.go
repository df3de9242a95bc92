// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Network is a network namespace in the making, by a thread of its own: that takes
// longer than all else of a container. Without a process, descriptor or mount it
// is no more, so that there is nothing to undo.
type Network struct {
	thread *task
	source []byte // of the sysfs; the thread uses it
}

// Sysfs is a sysfs that shows the network namespace. The more there are, the longer
// the kernel takes: it compares a new one with all others.
type Sysfs struct {
	Source     string // "": none
	Attributes uint64 // MOUNT_ATTR_*
}

// LoopbackUp is the struct ifreq that SIOCSIFFLAGS brings lo up with: its name, then
// the flags, little-endian.
var LoopbackUp = [40]byte{0: 'l', 1: 'o', unix.IFNAMSIZ: unix.IFF_UP}

// What the calls point to; strings end with a 0.
var (
	networkFile = [...]byte{'/', 'p', 'r', 'o', 'c', '/', 't', 'h', 'r', 'e', 'a', 'd', '-', 's', 'e', 'l', 'f', '/', 'n', 's', '/', 'n', 'e', 't', 0}
	sysfsType   = [...]byte{'s', 'y', 's', 'f', 's', 0}
	sourceKey   = [...]byte{'s', 'o', 'u', 'r', 'c', 'e', 0}
)

// NewNetwork begins to make one, with lo up, and a sysfs unless that is nil. The
// thread is none of Go's: those would want a processor of Go's for it, and another
// to start it. Abort is due.
func NewNetwork(sysfs *Sysfs) (*Network, error) {
	n := &Network{thread: &task{calls: makeNetwork(nil)}}
	if sysfs != nil {
		n.source = append([]byte(sysfs.Source), 0)
		n.thread.calls = makeSysfs(n.thread.calls, n.source, sysfs.Attributes)
	}
	const thread = unix.CLONE_THREAD | unix.CLONE_SIGHAND | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SYSVSEM
	if _, err := n.thread.launch(thread, -1); err != nil {
		return nil, fmt.Errorf("clone of a thread: %w", err)
	}
	return n, nil
}

// makeNetwork appends the calls that make a network namespace, bring up its lo and
// open it.
func makeNetwork(calls []call) []call {
	const cwd = ^uintptr(99) // AT_FDCWD
	return append(calls,
		call{nr: unix.SYS_UNSHARE, arg: [6]uintptr{unix.CLONE_NEWNET}},
		call{nr: unix.SYS_SOCKET, arg: [6]uintptr{unix.AF_INET, unix.SOCK_DGRAM | unix.SOCK_CLOEXEC}},
		call{nr: unix.SYS_IOCTL, first: resultOf(1), arg: [6]uintptr{1: unix.SIOCSIFFLAGS, 2: uintptr(unsafe.Pointer(&LoopbackUp))}},
		call{nr: unix.SYS_OPENAT, arg: [6]uintptr{cwd, uintptr(unsafe.Pointer(&networkFile)), unix.O_RDONLY | unix.O_CLOEXEC}})
}

// makeSysfs appends those that make a sysfs, detached.
func makeSysfs(calls []call, source []byte, attributes uint64) []call {
	calls = append(calls, call{nr: unix.SYS_FSOPEN, arg: [6]uintptr{uintptr(unsafe.Pointer(&sysfsType)), unix.FSOPEN_CLOEXEC}})
	n := 1 // calls since then
	if len(source) > 1 {
		calls = append(calls, call{nr: unix.SYS_FSCONFIG, first: resultOf(n), arg: [6]uintptr{1: unix.FSCONFIG_SET_STRING,
			2: uintptr(unsafe.Pointer(&sourceKey)), 3: uintptr(unsafe.Pointer(&source[0]))}})
		n++
	}
	return append(calls,
		call{nr: unix.SYS_FSCONFIG, first: resultOf(n), arg: [6]uintptr{1: unix.FSCONFIG_CMD_CREATE}},
		call{nr: unix.SYS_FSMOUNT, first: resultOf(n + 1), arg: [6]uintptr{1: unix.FSMOUNT_CLOEXEC, 2: uintptr(attributes)}})
}

// name is what the call is called where it has failed.
func (c *call) name() string {
	switch c.nr {
	case unix.SYS_UNSHARE:
		return "unshare CLONE_NEWNET"
	case unix.SYS_SOCKET:
		return "socket AF_INET"
	case unix.SYS_IOCTL:
		return "ioctl SIOCSIFFLAGS"
	case unix.SYS_FSOPEN:
		return `fsopen "sysfs"`
	case unix.SYS_FSCONFIG:
		if c.arg[1] == unix.FSCONFIG_SET_STRING {
			return `fsconfig SET_STRING "source"`
		}
		return "fsconfig CREATE"
	case unix.SYS_FSMOUNT:
		return "fsmount"
	case unix.SYS_OPENAT:
		return "open /proc/thread-self/ns/net"
	}
	return fmt.Sprint("system call ", c.nr)
}

// Take waits for it and returns its descriptor, the caller's then. An error of one
// of its system calls is an *os.SyscallError.
func (n *Network) Take() (int, error) { return n.take(unix.SYS_OPENAT) }

// TakeSysfs is Take for the sysfs.
func (n *Network) TakeSysfs() (int, error) { return n.take(unix.SYS_FSMOUNT) }

func (n *Network) take(nr uintptr) (int, error) {
	for !n.thread.wait(time.Minute) {
	}
	return n.thread.take(nr)
}

// Abort closes what was not taken; n may be nil.
func (n *Network) Abort() {
	if n != nil {
		for !n.thread.wait(time.Minute) {
		}
		n.thread.closeRest()
	}
}
