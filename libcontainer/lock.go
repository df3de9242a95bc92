// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lock waits for the commands that change the container. The one before may
// have removed it.
func (c *container) lock() error {
	if err := flock(c.dir); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(c.dir.Fd()), &st); err != nil || st.Nlink == 0 {
		return ErrNotExist
	}
	return nil
}

// awaitMade waits while a command holds the lock, at most ten seconds: create
// and run have it until the container is whole. Before, its root is the host's.
func (c *container) awaitMade() error {
	fd := int(c.dir.Fd())
	for range 1000 {
		err := unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
		if err == nil {
			return os.NewSyscallError("flock", unix.Flock(fd, unix.LOCK_UN))
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			return os.NewSyscallError("flock", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the container is still being made")
}

func flock(dir *os.File) error {
	for {
		if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != unix.EINTR {
			return os.NewSyscallError("flock", err)
		}
	}
}
