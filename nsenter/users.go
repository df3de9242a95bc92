// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"fmt"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Users is a new user namespace, perhaps with a network namespace that it owns in
// the making. It is kept by a process that has this one's memory and descriptors
// and runs no program; that ends when both are made, and with this one.
type Users struct {
	PID int // whose id maps are to be written

	task *task
	ends bool           // the process is not reaped
	wait [2]unix.PollFd // for what it waits: an event, the maps are written; a pidfd, this process has ended
}

// NewUsers makes the user namespace, still without id maps. Abort is due in any
// case.
func NewUsers(network bool) (*Users, error) {
	mapped, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		unix.Close(mapped)
		return nil, fmt.Errorf("pidfd_open: %w", err)
	}
	u := &Users{ends: true, wait: [2]unix.PollFd{{Fd: int32(mapped), Events: unix.POLLIN}, {Fd: int32(self), Events: unix.POLLIN}}}
	calls := []call{{nr: unix.SYS_PPOLL, arg: [6]uintptr{uintptr(unsafe.Pointer(&u.wait)), uintptr(len(u.wait))}}}
	if network {
		// Only now: root of the user namespace, whoever that is, owns the network's
		// files in sysfs.
		calls = makeNetwork(calls)
	}
	u.task = &task{calls: calls}
	if u.PID, err = u.task.launch(unix.CLONE_NEWUSER|unix.CLONE_FILES, -1); err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// Open opens the user namespace, before TakeNetwork and Abort.
func (u *Users) Open() (int, error) {
	file := "/proc/" + strconv.Itoa(u.PID) + "/ns/user"
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: file, Err: err}
	}
	return fd, nil
}

// Mapped says that the id maps are written.
func (u *Users) Mapped() error {
	_, err := unix.Write(int(u.wait[0].Fd), []byte{1, 0, 0, 0, 0, 0, 0, 1}) // not 0, in either order of bytes
	return os.NewSyscallError("write to an eventfd", err)
}

// TakeNetwork waits, after Mapped, for the network namespace, and is Network.Take.
func (u *Users) TakeNetwork() (int, error) {
	u.end()
	return u.task.take(unix.SYS_OPENAT)
}

// Abort ends the process, if there still is one, and closes a network namespace
// that was not taken; u may be nil.
func (u *Users) Abort() {
	if u == nil {
		return
	}
	if u.ends {
		_ = unix.Kill(u.PID, unix.SIGKILL)
	}
	u.end()
	u.task.closeRest()
}

// end waits for the process's end and reaps it.
func (u *Users) end() {
	if !u.ends {
		return
	}
	for !u.task.wait(time.Minute) {
	}
	_, _ = wait(u.PID)
	u.ends = false
	u.close()
}

func (u *Users) close() {
	for _, p := range u.wait {
		unix.Close(int(p.Fd))
	}
}
