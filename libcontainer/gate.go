// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"os"

	"golang.org/x/sys/unix"

	"corten/nsenter"
	"corten/nsenter/plan"
)

// gateRecord is the failure the executor left in exec.fifo after the gate; nil
// if there is none. The fifo keeps it while its write end is open.
func (c *container) gateRecord() error {
	fd, err := unix.Openat(int(c.dir.Fd()), fifoFile, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("openat", err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 512)
	n, err := unix.Read(fd, buf)
	if err == unix.EAGAIN || n <= 1 {
		return nil // nothing, or our own byte: it was killed before it read it
	}
	if err != nil {
		return os.NewSyscallError("read", err)
	}
	record, err := nsenter.ParseRecord(buf[:n])
	if err != nil {
		return err
	}
	b, err := readAt(c.dir, planFile)
	if err != nil {
		return err
	}
	p, err := plan.Decode(b)
	if err != nil {
		return err
	}
	return stepError(p, &record)
}
