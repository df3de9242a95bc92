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
			return c.unlock()
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			return os.NewSyscallError("flock", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the container is still being made")
}

// unlock lets other commands at the container.
func (c *container) unlock() error { return lockFile(c.dir, unix.LOCK_UN) }

func flock(dir *os.File) error { return lockFile(dir, unix.LOCK_EX) }

func lockFile(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return os.NewSyscallError("flock", err)
		}
	}
}
