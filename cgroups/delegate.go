// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// delegated are the files that a cgroup's new owner gets with its directory
// (cgroups(7), "Cgroups delegation"): not those that limit it.
var delegated = [...]string{"cgroup.procs", "cgroup.threads", "cgroup.subtree_control"}

// Single refuses a name that is not that of one cgroup right below another.
func Single(at plan.Pointer, name string) error {
	if name != "" && name != "." && name != ".." && len(name) <= 255 &&
		!strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r < ' ' || r == 0x7f }) {
		return nil
	}
	return &plan.Error{At: at, Err: errors.New("want a single name, got " + strconv.Quote(name))}
}

// Delegate makes the v2 cgroup name below the container's, gives it to a user
// of the host and moves a process to it.
func (c *Cgroup) Delegate(name string, pid, uid, gid int) error {
	parent := c.FD()
	if parent < 0 {
		return unix.ENOENT
	}
	if err := unix.Mkdirat(parent, name, 0o755); err != nil {
		return os.NewSyscallError("mkdirat "+name, err)
	}
	fd, err := openBeneath(parent, name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return os.NewSyscallError("openat2 "+name, err)
	}
	defer unix.Close(fd)
	if err := writeFile(fd, "cgroup.procs", strconv.Itoa(pid)); err != nil {
		return os.NewSyscallError("write cgroup.procs", err)
	}
	if uid == 0 && gid == 0 {
		return nil
	}
	for _, file := range delegated {
		if err := unix.Fchownat(fd, file, uid, gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return os.NewSyscallError("fchownat "+file, err)
		}
	}
	return os.NewSyscallError("fchownat "+name, unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH))
}
