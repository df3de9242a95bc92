// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"corten/nsenter"
	"corten/nsenter/plan"
)

// gateRecord is the failure the executor left in exec.fifo after the gate; nil
// if there is none. The fifo keeps it while its write end is open.
func (c *container) gateRecord() error {
	// By descriptor: the name is gone.
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(c.gate), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 512)
	n, err := unix.Read(fd, buf)
	switch {
	case err == unix.EAGAIN || n == 0:
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 1: // our own byte
		return errors.New("the container was ended before its program ran")
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
