// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"corten/nsenter"
	"corten/nsenter/plan"
)

// clone starts the executor, with the plan in bytes.
func (s *spawn) clone(bytes []byte) (err error) {
	group := -1
	if s.group != nil && s.compiled.Cgroup.Into >= 0 && !s.compiled.Cgroup.Handed {
		group = s.group.FD()
	}
	s.r.Trace.Phase("clone")
	o := nsenter.Options{Plan: bytes, Inputs: s.stamps.behind(s.inputs), Stdio: [3]int{0, 1, 2},
		Cloneflags: uintptr(s.compiled.cloneFlags), CgroupFD: group, Apart: s.short()}
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

// short says whether the container's memory may not do for executing a program: that
// takes ten pages. (The executor takes more than thirty.)
func (s *spawn) short() bool {
	if s.spec.Linux == nil || s.spec.Linux.Resources == nil || s.spec.Linux.Resources.Memory == nil {
		return false
	}
	limit := s.spec.Linux.Resources.Memory.Limit
	return limit != nil && 0 <= *limit && *limit < int64(32*os.Getpagesize())
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
