// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Users is a new user namespace, perhaps with a network namespace that it owns,
// in the making. A process does it that has this one's memory and descriptors and
// runs no program; it ends when they are made, and with this one.
type Users struct {
	PID int // whose id maps are to be written; until Take or Abort

	task *task
	wait [2]unix.PollFd // for what it waits: an event, the maps are written; a pidfd, this process has ended
}

var usersFile = [...]byte{'/', 'p', 'r', 'o', 'c', '/', 's', 'e', 'l', 'f', '/', 'n', 's', '/', 'u', 's', 'e', 'r', 0}

// NewUsers makes the user namespace, still without id maps. After Mapped, all
// is for Take; Abort is due in any case.
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
	u := &Users{wait: [2]unix.PollFd{{Fd: int32(mapped), Events: unix.POLLIN}, {Fd: int32(self), Events: unix.POLLIN}}}
	calls := []call{{nr: unix.SYS_PPOLL, arg: [6]uintptr{uintptr(unsafe.Pointer(&u.wait)), uintptr(len(u.wait))}}, opening(&usersFile[0])}
	if network {
		// Only now: the root of the user namespace, whoever that is, owns the
		// network's files in sysfs.
		calls = append(calls, call{nr: unix.SYS_UNSHARE, arg: [6]uintptr{unix.CLONE_NEWNET}}, opening(&networkFile[0]))
	}
	u.task = &task{calls: calls}
	if u.PID, err = u.task.launch(unix.CLONE_NEWUSER|unix.CLONE_FILES, -1); err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// opening is open(2) of a file of /proc, whose name ends with a 0.
func opening(file *byte) call {
	const cwd = ^uintptr(99) // AT_FDCWD
	return call{nr: unix.SYS_OPENAT, arg: [6]uintptr{cwd, uintptr(unsafe.Pointer(file)), unix.O_RDONLY | unix.O_CLOEXEC}}
}

// Mapped says that the id maps are written.
func (u *Users) Mapped() error {
	_, err := unix.Write(int(u.wait[0].Fd), []byte{1, 0, 0, 0, 0, 0, 0, 1}) // not 0, in either order of bytes
	return os.NewSyscallError("write to an eventfd", err)
}

// Take waits for what Mapped has allowed and returns the user namespace's
// descriptor.
func (u *Users) Take() (int, error) { return u.take(0) }

// TakeNetwork is Take for the network namespace.
func (u *Users) TakeNetwork() (int, error) { return u.take(2) }

// take returns what is made by the call at i and opened by the next.
func (u *Users) take(i int) (int, error) {
	u.end()
	made, opened := &u.task.calls[i], &u.task.calls[i+1]
	switch {
	case made.errno() != 0:
		return -1, made.errno()
	case opened.errno() != 0:
		return -1, os.NewSyscallError("open /proc/self/ns", opened.errno())
	case opened.result == 0:
		return -1, errors.New("the process that makes it was killed")
	}
	fd := int(opened.result)
	opened.result = 0
	return fd, nil
}

// Abort ends the process, if there still is one, and closes what was not taken.
func (u *Users) Abort() {
	if u == nil {
		return
	}
	if u.PID != 0 {
		_ = unix.Kill(u.PID, unix.SIGKILL)
	}
	for i := 0; i < len(u.task.calls); i += 2 {
		if fd, err := u.take(i); err == nil {
			unix.Close(fd)
		}
	}
}

// end waits for the process's end and reaps it.
func (u *Users) end() {
	if u.PID == 0 {
		return
	}
	for !u.task.wait(time.Minute) {
	}
	_, _ = wait(u.PID)
	u.PID = 0
	u.close()
}

func (u *Users) close() {
	for _, p := range u.wait {
		unix.Close(int(p.Fd))
	}
}
