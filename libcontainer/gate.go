// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter"
	"corten/nsenter/plan"
)

// gateRecord reads what the executor left in exec.fifo after the gate: that it
// was about to execute the program, and perhaps that this failed. The fifo
// keeps it while its write end is open.
func (c *container) gateRecord() error {
	// By descriptor: the name is gone.
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(c.gate), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open", err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 3*4096) // a byte and two records
	n, err := unix.Read(fd, buf)
	if err != nil && err != unix.EAGAIN {
		return os.NewSyscallError("read", err)
	}
	// Nothing, or only the byte of start: it ended in a hook, or before.
	executed := false
	for rest := buf[:max(n, 0)]; len(rest) > 1; {
		size := min(len(rest), nsenter.RecordSize(rest))
		record, err := nsenter.ParseRecord(rest[:size])
		if err != nil {
			return err
		}
		if record.Kind == nsenter.RecordFail {
			return c.stepError(&record)
		}
		executed, rest = true, rest[size:]
	}
	if !executed {
		group := cgroups.Open(c.Cgroups)
		defer group.Close()
		if why := starved(group, "container init"); why != nil {
			return why
		}
		return errors.New("the container was ended before its program ran")
	}
	return nil
}

// stepError explains a failure by the plan that create has kept.
func (c *container) stepError(record *nsenter.Record) error {
	p, err := c.plan()
	if err != nil {
		return err
	}
	return c.explain(stepError(p, record))
}

// plan is what create has kept of it.
func (c *container) plan() (*plan.Plan, error) {
	b, err := readAt(c.dir, planFile)
	if err != nil {
		return nil, err
	}
	return plan.Decode(b)
}
