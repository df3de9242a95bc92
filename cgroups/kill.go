// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"cmp"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Kill sends SIGKILL to every process of the container, frozen or not, and
// leaves none frozen. It does not wait for their end; Remove does.
func (c *Cgroup) Kill() error {
	killed := false
	err := c.each(func(_ int, d *dir) error {
		if !d.v2 {
			return nil
		}
		err := writeFile(d.fd, "cgroup.kill", "1") // 5.14, commit 661ee6280931; also kills what is frozen
		if err == unix.ENOENT || err == unix.EOPNOTSUPP {
			return nil
		}
		killed = err == nil
		return os.NewSyscallError("write cgroup.kill 1", err)
	})
	if err != nil {
		return err
	}
	if killed && len(c.Paths) == 1 {
		return nil
	}
	return c.killEach(killed)
}

// killEach kills pid by pid. A v1 cgroup is frozen meanwhile, so that none
// forks away, and thawed on every way out: a frozen one would not even die.
func (c *Cgroup) killEach(killed bool) (err error) {
	if killed {
		// cgroup.kill has reached all that did not move in the v2 hierarchy.
		if err := c.thawQuiet(); err != nil {
			return err
		}
		for range 20 {
			if pids, err := c.Procs(); err != nil || len(pids) == 0 {
				return err
			}
			time.Sleep(500 * time.Microsecond)
		}
	}
	for range 10 {
		pids, err := c.Procs()
		if err != nil || len(pids) == 0 {
			return cmp.Or(err, c.thawQuiet())
		}
		frozen := c.freeze(time.Second) == nil
		err = c.killPIDs()
		if thaw := c.thawQuiet(); err != nil || thaw != nil {
			return cmp.Or(err, thaw)
		}
		if frozen {
			return nil
		}
		time.Sleep(time.Millisecond) // unfrozen, one may have forked meanwhile
	}
	return nil
}

// thawQuiet thaws where there is something to thaw.
func (c *Cgroup) thawQuiet() error {
	d, err := c.freezer()
	if err == errNoFreezer {
		return nil
	}
	if err == nil {
		err = d.thaw()
	}
	if isGone(err) {
		return nil
	}
	return err
}

// killPIDs signals through descriptors of the processes that are in the cgroup
// before and after these were opened: no pid that was reused meanwhile.
func (c *Cgroup) killPIDs() error {
	pids, err := c.Procs()
	if err != nil {
		return err
	}
	fds := make([]int, len(pids))
	for i, pid := range pids {
		if fds[i], err = unix.PidfdOpen(pid, 0); err != nil {
			fds[i] = -1
		}
	}
	defer func() {
		for _, fd := range fds {
			if fd >= 0 {
				unix.Close(fd)
			}
		}
	}()
	still, err := c.Procs()
	if err != nil {
		return err
	}
	slices.Sort(still)
	for i, pid := range pids {
		if _, found := slices.BinarySearch(still, pid); !found || fds[i] < 0 {
			continue
		}
		if err := unix.PidfdSendSignal(fds[i], unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
			return os.NewSyscallError("pidfd_send_signal", err)
		}
	}
	return nil
}
