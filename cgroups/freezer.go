// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// freezeLimit is how long Freeze waits for every process to stop.
const freezeLimit = 10 * time.Second

var errNoFreezer = errors.New("no cgroup freezer")

// freezer is the cgroup that freezes: v1's, and where there is none, v2.
func (c *Cgroup) freezer() (*dir, error) {
	for i := range c.Paths {
		d, err := c.dir(i)
		if isGone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		file := "freezer.state"
		if d.v2 {
			file = "cgroup.freeze"
		}
		if err := unix.Faccessat(d.fd, file, unix.F_OK, 0); err == nil {
			return d, nil
		} else if !isGone(err) {
			return nil, os.NewSyscallError("faccessat "+file, err)
		}
	}
	return nil, errNoFreezer
}

// Frozen reports whether the container is frozen, by itself or from above, or
// about to be. Without a freezer, or when the cgroup is gone, it is not.
func (c *Cgroup) Frozen() (bool, error) {
	d, err := c.freezer()
	if err == errNoFreezer {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	is, err := frozen(d.fd, d.v2)
	if isGone(err) {
		return false, nil
	}
	return is, os.NewSyscallError("read the freezer", err)
}

// Freezing reports whether a process that is put into the cgroup now would be
// frozen: that is so before all have stopped, and by either version.
func (c *Cgroup) Freezing() (is bool, err error) {
	err = c.each(func(_ int, d *dir) error {
		if text, err := readFile(d.fd, "cgroup.freeze"); err == nil && strings.TrimSpace(text) == "1" {
			is = true
		}
		if frozen, err := frozen(d.fd, d.v2); err == nil && frozen {
			is = true
		}
		return nil
	})
	return is, err
}

// frozen is Frozen for one directory; ENOENT without a freezer there.
func frozen(fd int, v2 bool) (bool, error) {
	if v2 {
		text, err := readFile(fd, "cgroup.events")
		return has(text, "frozen"), err
	}
	text, err := readFile(fd, "freezer.state")
	return err == nil && strings.TrimSpace(text) != "THAWED", err
}

// Freeze stops every process of the container. When one does not stop within
// ten seconds, or anything else fails, all are thawed again.
func (c *Cgroup) Freeze() error { return c.freeze(freezeLimit) }

func (c *Cgroup) freeze(limit time.Duration) (err error) {
	d, err := c.freezer()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			d.thaw()
		}
	}()
	deadline := time.Now().Add(limit)
	if d.v2 {
		if err := writeFile(d.fd, "cgroup.freeze", "1"); err != nil {
			return os.NewSyscallError("write cgroup.freeze 1", err)
		}
		// Linux 6.18 has been seen not to call one frozen whose last task died
		// while it was about to be.
		err := d.waitEvent("frozen 1", func(text string) bool { return has(text, "frozen") || !has(text, "populated") }, deadline)
		if isErrno(err, unix.ETIMEDOUT) {
			err = explain(err, survivors(d.fd))
		}
		return err
	}
	return d.freezeV1(deadline)
}

// freezeV1 asks until the state is FROZEN. A task that forked while the cgroup
// was frozen can stay behind until it is asked again (cgroup-v1/
// freezer-subsystem.rst), and some only after a thaw.
func (d *dir) freezeV1(deadline time.Time) error {
	for try := 1; ; try++ {
		if try%50 == 0 {
			d.thaw()
			time.Sleep(10 * time.Millisecond)
		}
		if err := writeFile(d.fd, "freezer.state", "FROZEN"); err != nil {
			return os.NewSyscallError("write freezer.state FROZEN", err)
		}
		text, err := readFile(d.fd, "freezer.state")
		if err != nil {
			return os.NewSyscallError("read freezer.state", err)
		}
		if strings.TrimSpace(text) == "FROZEN" {
			return nil
		}
		if time.Now().After(deadline) {
			return explain(os.NewSyscallError("write freezer.state FROZEN", unix.ETIMEDOUT), survivors(d.fd))
		}
		if try > 5 {
			time.Sleep(time.Millisecond)
		}
	}
}

// Thaw lets the container go on.
func (c *Cgroup) Thaw() error {
	d, err := c.freezer()
	if err != nil {
		return err
	}
	return d.thaw()
}

// Release moves a process out of a frozen v1 cgroup, to the nearest above that
// is not frozen, where it can die. In v2 even the frozen die.
func (c *Cgroup) Release(pid int) error {
	d, err := c.freezer()
	if err != nil || d.v2 {
		return err
	}
	at := d.fd
	for {
		above, err := retry(func() (int, error) { return unix.Openat(at, "..", dirFlags, 0) })
		if at != d.fd {
			unix.Close(at)
		}
		if err != nil {
			return os.NewSyscallError("openat ..", err)
		}
		if v2, err := isV2(above); err != nil || v2 {
			unix.Close(above)
			return errNotCgroup
		}
		if is, _ := frozen(above, false); !is { // the root has no freezer.state
			defer unix.Close(above)
			return os.NewSyscallError("write cgroup.procs", writeFile(above, "cgroup.procs", strconv.Itoa(pid)))
		}
		at = above
	}
}

func (d *dir) thaw() error {
	if d.v2 {
		return os.NewSyscallError("write cgroup.freeze 0", writeFile(d.fd, "cgroup.freeze", "0"))
	}
	return os.NewSyscallError("write freezer.state THAWED", writeFile(d.fd, "freezer.state", "THAWED"))
}

// waitEvent waits until cgroup.events has what is wanted.
func (d *dir) waitEvent(want string, is func(text string) bool, deadline time.Time) error {
	fd, err := openBeneath(d.fd, "cgroup.events", unix.O_RDONLY)
	if err != nil {
		return os.NewSyscallError("openat2 cgroup.events", err)
	}
	defer unix.Close(fd)
	var buf [256]byte
	for {
		n, err := retry(func() (int, error) { return unix.Pread(fd, buf[:], 0) })
		if err != nil {
			return os.NewSyscallError("read cgroup.events", err)
		}
		if is(string(buf[:n])) {
			return nil
		}
		left := time.Until(deadline)
		if left <= 0 {
			return os.NewSyscallError("poll cgroup.events for "+want, unix.ETIMEDOUT)
		}
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}
		if _, err := unix.Poll(poll, int(left/time.Millisecond)+1); err != nil && err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
}
