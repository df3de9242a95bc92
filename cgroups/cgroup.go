// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Cgroup is a container's cgroup in every hierarchy.
type Cgroup struct {
	Paths   []string // absolute, v1 with the freezer first, v2 last; all the later commands need
	Created []string // those that Apply made, the ones above Paths included, in that order
	dirs    []dir    // of Paths; shorter until used

	unit   *Unit        // whose cgroup it is
	handed bool         // Plan.Handed
	holder *placeholder // in it until Close
}

type dir struct {
	fd int // O_PATH; -1: not opened yet
	v2 bool
}

// Open is the cgroup that Apply made, for a later command. Without created,
// Remove leaves what Apply had to make above paths.
func Open(paths []string, created ...string) *Cgroup {
	c := &Cgroup{Paths: slices.Clone(paths), Created: created, dirs: make([]dir, len(paths))}
	for i := range c.dirs {
		c.dirs[i].fd = -1
	}
	return c
}

// Close closes the descriptors; they come back when needed. What held the
// place of the container in a new unit goes.
func (c *Cgroup) Close() {
	for i := range c.dirs {
		if c.dirs[i].fd >= 0 {
			unix.Close(c.dirs[i].fd)
		}
		c.dirs[i].fd = -1
	}
	c.holder.release()
	c.holder = nil
}

func (c *Cgroup) add(path string, fd int, v2 bool) {
	if n := len(c.Paths); n > 0 && c.Paths[n-1] == path { // a second try
		unix.Close(c.dirs[n-1].fd)
		c.dirs[n-1] = dir{fd, v2}
		return
	}
	c.Paths, c.dirs = append(c.Paths, path), append(c.dirs, dir{fd, v2})
}

// dir opens Paths[i] and makes sure that it is a cgroup.
func (c *Cgroup) dir(i int) (*dir, error) {
	d := &c.dirs[i]
	if d.fd >= 0 {
		return d, nil
	}
	fd, err := retry(func() (int, error) { return unix.Open(c.Paths[i], dirFlags|unix.O_NOFOLLOW, 0) })
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: c.Paths[i], Err: err}
	}
	if d.v2, err = isV2(fd); err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "fstatfs", Path: c.Paths[i], Err: err}
	}
	d.fd = fd
	return d, nil
}

// each calls do for every cgroup that still exists. A cgroup that goes while do
// is at it is not an error.
func (c *Cgroup) each(do func(i int, d *dir) error) error {
	for i := range c.Paths {
		d, err := c.dir(i)
		if err == nil {
			err = do(i, d)
		}
		if err != nil && !isGone(err) {
			return err
		}
	}
	return nil
}

// FD is the descriptor of the v2 cgroup, for CLONE_INTO_CGROUP; -1 without one.
// It is valid until Close.
func (c *Cgroup) FD() int {
	for i := len(c.Paths) - 1; i >= 0; i-- {
		if d, err := c.dir(i); err == nil && d.v2 {
			return d.fd
		}
	}
	return -1
}

// Hand has systemd move processes into the v2 cgroup, which is that of u or
// below it: see Plan.Handed.
func (c *Cgroup) Hand(u *Unit) { c.unit, c.handed = u, true }

// Attach moves a process to the v1 cgroups. The v2 cgroup is where FD let it be
// cloned, or where systemd puts it.
func (c *Cgroup) Attach(pid int) error {
	value := strconv.Itoa(pid)
	for i := range c.Paths {
		d, err := c.dir(i)
		if err != nil {
			return err
		}
		if d.v2 {
			if c.handed {
				_, below := c.unit.parts(c.Paths[i])
				err = c.unit.attach(pid, below)
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := writeFile(d.fd, "cgroup.procs", value); err != nil {
			return &os.PathError{Op: "write " + value, Path: c.Paths[i] + "/cgroup.procs", Err: err}
		}
	}
	// The process keeps the unit from now on, and the other counts for its limits.
	c.holder.release()
	c.holder = nil
	return nil
}

// Attaches reports whether Attach does anything: a process that was cloned into a
// v2 cgroup is there. A nil cgroup has nothing to attach to.
func (c *Cgroup) Attaches() bool {
	if c == nil || c.handed {
		return c != nil
	}
	for i := range c.Paths {
		if d, err := c.dir(i); err != nil || !d.v2 {
			return true
		}
	}
	return false
}

// Procs are the pids in the cgroup and all below it; none if it is gone.
func (c *Cgroup) Procs() ([]int, error) {
	for i := range c.Paths {
		d, err := c.dir(i)
		if isGone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return procs(d.fd)
	}
	return nil, nil
}

// procs reads the cgroup at fd and those below.
func procs(fd int) ([]int, error) {
	text, err := readFile(fd, "cgroup.procs")
	if err != nil && err != unix.EOPNOTSUPP { // threaded: its domain lists them
		if isGone(err) {
			return nil, nil
		}
		return nil, os.NewSyscallError("read cgroup.procs", err)
	}
	pids := parsePIDs(text)
	names, err := children(fd)
	if err != nil && !isGone(err) {
		return pids, os.NewSyscallError("getdents64", err)
	}
	for _, name := range names {
		child, err := openBeneath(fd, name, unix.O_PATH|unix.O_DIRECTORY)
		if isGone(err) {
			continue
		} else if err != nil {
			return pids, os.NewSyscallError("openat2", err)
		}
		below, err := procs(child)
		unix.Close(child)
		if pids = append(pids, below...); err != nil {
			return pids, err
		}
	}
	return pids, nil
}

// vacant refuses a cgroup that was there before and is in use.
func (c *Cgroup) vacant() error {
	pids, err := c.Procs()
	if err != nil {
		return err
	}
	if len(pids) > 0 {
		return ErrNotEmpty{len(pids)}
	}
	if frozen, err := c.Frozen(); err != nil || !frozen {
		return err
	}
	return ErrFrozen
}

func isErrno(err error, errno unix.Errno) bool { return errors.Is(err, errno) }

// isGone reports an error that says that a cgroup is no more: ENOENT for its
// path, ENODEV from a file of it. Every start asks; errors.Is would have Go find out
// first which methods these types have, at a hundredth of its time.
func isGone(err error) bool {
	if e, ok := err.(*os.PathError); ok {
		if errno, ok := e.Err.(unix.Errno); ok {
			return errno == unix.ENOENT || errno == unix.ENODEV
		}
	}
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}
