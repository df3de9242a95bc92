// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"

	"golang.org/x/sys/unix"

	"corten/nsenter"
	"corten/nsenter/plan"
)

// needed is what a cgroup has to leave for executing a program, in bytes: ten pages
// of 4 KiB, and what others take meanwhile. (The executor takes more than thirty.) Who
// is killed for want of them takes along whom it shares memory with.
const needed = 128 << 10

// clone starts the executor, with the plan in bytes.
func (s *spawn) clone(bytes []byte) (err error) {
	group := -1
	if s.group != nil && s.compiled.Cgroup.Into >= 0 && !s.compiled.Cgroup.Handed {
		group = s.group.FD()
	}
	s.r.Trace.Phase("clone")
	o := nsenter.Options{Plan: bytes, Inputs: s.stamps.behind(s.inputs), Stdio: [3]int{0, 1, 2},
		Cloneflags: uintptr(s.compiled.cloneFlags), CgroupFD: group, Apart: group >= 0 && s.group.MemoryLeft() < needed}
	s.executor, err = nsenter.Start(o)
	if err == nil {
		return nil
	}
	if s.elsewhere != nil && (errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EOPNOTSUPP)) {
		// No process goes where controllers come from (cgroups(7), "no internal
		// processes"): to where the container's first one has gone.
		if other := s.elsewhere(); other != nil {
			s.group.Close()
			s.group, s.elsewhere = other, nil
			return s.clone(bytes)
		}
	}
	if why := starved(s.group, s.who()); why != nil {
		return why
	}
	if group >= 0 && errors.Is(err, unix.EACCES) {
		return &plan.Error{At: plan.At("/linux/cgroupsPath"), Op: "clone into the cgroup", Err: err,
			Hint: "to leave the runtime's own cgroup takes the right to write cgroup.procs of the innermost cgroup that both are in"}
	}
	return &plan.Error{At: plan.At("/linux/namespaces"), Op: "clone", Err: err, Hint: cloneHint(err)}
}

func cloneHint(err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return "making these namespaces needs CAP_SYS_ADMIN, or a user namespace among them"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		return "a limit on the number of namespaces is reached: see /proc/sys/user/max_*_namespaces"
	}
	return ""
}
