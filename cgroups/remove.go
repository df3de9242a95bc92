// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// removeLimit is how long Remove waits for killed processes to be gone.
const removeLimit = 10 * time.Second

// sharedXattr marks a cgroup that Apply made above a container's, and that others
// used when the container went: the last of them removes it.
const sharedXattr = "user.corten.shared"

// Remove removes the cgroups, with those the container has made below, and what
// Apply made above them, or above others, if nobody uses it. What is gone already is no
// error; processes that do not end within ten seconds are, by pid and state.
func (c *Cgroup) Remove() error {
	deadline := time.Now().Add(removeLimit)
	for i := range c.Paths {
		if err := c.remove(i, deadline); err != nil {
			return err
		}
	}
	c.removeAbove()
	c.Close()
	return nil
}

// removeAbove removes what Apply made, deepest first, and what others made above
// the cgroups, if nobody uses it.
func (c *Cgroup) removeAbove() {
	for _, dir := range slices.Backward(c.Created) {
		if rmdir(dir) == unix.EBUSY && unix.Setxattr(dir, sharedXattr, nil, 0) == nil {
			rmdir(dir) // who used it may have gone before there was a mark to see
		}
	}
	for _, dir := range c.Paths {
		for {
			dir = path.Dir(dir)
			if _, err := unix.Getxattr(dir, sharedXattr, nil); err != nil || rmdir(dir) != nil {
				break
			}
		}
	}
}

func (c *Cgroup) remove(i int, deadline time.Time) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := rmdir(c.Paths[i])
		if err == nil || isGone(err) {
			return nil
		}
		if err != unix.EBUSY {
			return &os.PathError{Op: "rmdir", Path: c.Paths[i], Err: err}
		}
		d, err := c.dir(i)
		if isGone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := removeBelow(d.fd); err != nil {
			return err
		}
		if err := rmdir(c.Paths[i]); err == nil || isGone(err) {
			return nil
		}
		if d.v2 {
			err = d.waitEvent("populated 0", func(text string) bool { return !has(text, "populated") }, deadline)
		}
		if time.Now().After(deadline) || isErrno(err, unix.ETIMEDOUT) {
			return &os.PathError{Op: "rmdir", Path: c.Paths[i], Err: explain(unix.EBUSY, survivors(d.fd))}
		}
		time.Sleep(pause)
	}
}

// removeBelow removes the sub-cgroups of fd, deepest first, as far as they are
// empty.
func removeBelow(fd int) error {
	names, err := children(fd)
	if err != nil {
		if isGone(err) {
			return nil
		}
		return os.NewSyscallError("getdents64", err)
	}
	for _, name := range names {
		if err := unix.Unlinkat(fd, name, unix.AT_REMOVEDIR); err != unix.EBUSY {
			continue
		}
		child, err := openBeneath(fd, name, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			continue
		}
		err = removeBelow(child)
		unix.Close(child)
		if err != nil {
			return err
		}
		unix.Unlinkat(fd, name, unix.AT_REMOVEDIR)
	}
	return nil
}

func rmdir(path string) error {
	_, err := retry(func() (int, error) { return 0, unix.Rmdir(path) })
	return err
}

// survivors is such as "processes left: 12 (sleep, D), 13 (cat, S)".
func survivors(fd int) string {
	pids, err := procs(fd)
	if err != nil || len(pids) == 0 {
		return "no processes left"
	}
	var b strings.Builder
	b.WriteString("processes left: ")
	for i, pid := range pids {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == 10 {
			b.WriteString(strconv.Itoa(len(pids)-i) + " more")
			break
		}
		b.WriteString(strconv.Itoa(pid))
		stat, _ := readPath("/proc/" + strconv.Itoa(pid) + "/stat")
		if open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')'); open >= 0 && end > open && end+2 < len(stat) {
			b.WriteString(" (" + stat[open+1:end] + ", " + stat[end+2:end+3] + ")")
		}
	}
	return b.String()
}
