// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"math"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// OOM watches for processes that are killed for want of memory.
type OOM struct {
	fd      int    // to poll: memory.events of v2, or an eventfd
	control int    // memory.oom_control of v1; -1 on v2
	seen    uint64 // kills so far
	told    bool   // of v1: the kernel told of a kill that it has not counted yet
	tries   int    // how often that was looked for
}

// patience is how many times a kill is looked for.
const patience = 100

// Pending reports whether Killed is to be asked again soon, in some ten
// milliseconds.
func (o *OOM) Pending() bool { return o.told }

// WatchOOM begins to watch; nil without a memory controller.
func (c *Cgroup) WatchOOM() (o *OOM, err error) {
	err = c.each(func(_ int, d *dir) error {
		if o != nil {
			return nil
		}
		file := "memory.oom_control"
		if d.v2 {
			file = "memory.events"
		}
		fd, err := openBeneath(d.fd, file, unix.O_RDONLY)
		if err == unix.ENOENT {
			return nil
		} else if err != nil {
			return os.NewSyscallError("open "+file, err)
		}
		if !d.v2 {
			o, err = watchV1(d.fd, fd)
			return err
		}
		o = &OOM{fd: fd, control: -1}
		o.Counted()
		return nil
	})
	return o, err
}

// watchV1 has the kernel count on an eventfd (cgroup-v1/memory.rst, 10).
func watchV1(dir, control int) (*OOM, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(control)
		return nil, os.NewSyscallError("eventfd", err)
	}
	if err := writeFile(dir, "cgroup.event_control", strconv.Itoa(fd)+" "+strconv.Itoa(control)); err != nil {
		unix.Close(control)
		unix.Close(fd)
		return nil, os.NewSyscallError("write cgroup.event_control", err)
	}
	o := &OOM{fd: fd, control: control}
	o.seen = (&counters{fd: dir}).keyed("memory.oom_control")["oom_kill"]
	return o, nil
}

// Poll is what to poll; the answer is to ask Killed.
func (o *OOM) Poll() unix.PollFd {
	if o.control >= 0 {
		return unix.PollFd{Fd: int32(o.fd), Events: unix.POLLIN}
	}
	return unix.PollFd{Fd: int32(o.fd), Events: unix.POLLPRI}
}

// Killed reports whether somebody was killed since it was asked last.
func (o *OOM) Killed() bool {
	if o.control >= 0 {
		return o.killedV1()
	}
	more, _ := o.Counted()
	return more
}

// Counted is Killed of a container that has ended: a kill is counted before its
// victim dies. It is not known when the cgroup is gone.
func (o *OOM) Counted() (more, known bool) {
	fd := o.fd
	if o.control >= 0 {
		fd = o.control
	}
	text, err := o.read(fd)
	if err != nil {
		return false, false
	}
	was := o.seen
	o.seen = valueOf(text, "oom_kill")
	return o.seen > was, true
}

func (o *OOM) read(fd int) (string, error) {
	var buf [512]byte
	n, err := retry(func() (int, error) { return unix.Pread(fd, buf[:], 0) })
	return string(buf[:max(n, 0)]), err
}

// killedV1: the kernel tells of the lack of memory first and counts the kill
// afterwards, and tells several times of one. It tells once more when the cgroup
// goes.
func (o *OOM) killedV1() bool {
	var count [8]byte
	if n, err := unix.Read(o.fd, count[:]); err == nil && n == 8 {
		o.told, o.tries = true, 0
	}
	if !o.told {
		return false
	}
	text, err := o.read(o.control)
	kills := valueOf(text, "oom_kill")
	switch {
	case err != nil: // the cgroup is gone
		kills = o.seen
	case kills > o.seen:
	case valueOf(text, "oom_kill_disable") == 1 && valueOf(text, "under_oom") == 1:
		o.told = false
		return true // nobody is, but everybody waits
	case o.tries < patience:
		o.tries++
		return false
	}
	more := kills > o.seen
	o.told, o.seen = false, kills
	return more
}

// Close ends it.
func (o *OOM) Close() {
	unix.Close(o.fd)
	if o.control >= 0 {
		unix.Close(o.control)
	}
}

// HaveKilled reports whether a process of one of the cgroups was killed for want
// of memory.
func HaveKilled(paths []string) bool {
	for _, dir := range paths {
		for _, file := range [...]string{"/memory.events", "/memory.oom_control"} {
			if text, err := readPath(dir + file); err == nil && valueOf(text, "oom_kill") > 0 {
				return true
			}
		}
	}
	return false
}

// MemoryLeft is how many bytes the v2 cgroup, and those above it, leave to a new
// process; what the kernel could reclaim counts as used. The largest number: there
// is no limit.
func (c *Cgroup) MemoryLeft() uint64 {
	left := uint64(math.MaxUint64)
	for i, dir := range c.Paths {
		if d, err := c.dir(i); err != nil || !d.v2 {
			continue
		}
		for ; ; dir = path.Dir(dir) {
			limit, err := readPath(dir + "/memory.max")
			if err != nil { // of the root, or without the controller
				break
			}
			if n := parseCount(limit); n < math.MaxUint64 {
				current, _ := readPath(dir + "/memory.current")
				left = min(left, n-min(n, parseCount(current)))
			}
		}
	}
	return left
}

// OutOfMemory reports whether processes of the cgroup have failed for want of
// memory, with its limit and the most that was in use, in bytes.
func (c *Cgroup) OutOfMemory() (limit, peak uint64, killed bool) {
	_ = c.each(func(_ int, d *dir) error {
		f := counters{fd: d.fd}
		switch {
		case !d.v2 && f.has("memory.oom_control"):
			killed, limit, peak = f.keyed("memory.oom_control")["oom_kill"] > 0, f.number("memory.limit_in_bytes"), f.number("memory.max_usage_in_bytes")
		case d.v2 && f.has("memory.events"):
			// Who is about to execute is not killed: what it asks for fails.
			events := f.keyed("memory.events")
			killed, limit, peak = events["oom_kill"]+events["oom"] > 0, f.number("memory.max"), f.number("memory.peak")
			if peak == 0 { // before 5.19
				peak = f.number("memory.current")
			}
		}
		return nil
	})
	return limit, peak, killed
}
