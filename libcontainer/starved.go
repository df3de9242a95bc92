// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"math"
	"strconv"

	"corten/cgroups"
	"corten/nsenter/plan"
)

// starved explains why a process was killed, if it was for its memory limit;
// nil if not. who is such as "container init", in runc's words.
func starved(group *cgroups.Cgroup, who string) error {
	if group == nil {
		return nil
	}
	limit, peak, killed := group.OutOfMemory()
	if !killed {
		return nil
	}
	hint := "the limit is " + strconv.FormatUint(limit, 10) + " bytes, of which " + strconv.FormatUint(peak, 10) + " were in use when more was needed"
	if limit == math.MaxUint64 {
		hint = "a cgroup above the container's has reached its limit"
	}
	return &plan.Error{At: plan.At("/linux/resources/memory/limit"), Err: errors.New(who + " was OOM-killed (memory limit too low?)"), Hint: hint}
}

// short explains why a process has ended by itself, if it was for want of memory: who
// executes a program is not always killed for it. nil if there is enough now.
func short(group *cgroups.Cgroup, who string) error {
	if group == nil {
		return nil
	}
	left := group.MemoryLeft()
	if left > 8*needed { // it has given back what it had
		return nil
	}
	return &plan.Error{At: plan.At("/linux/resources/memory/limit"), Err: errors.New(who + " found no memory (memory limit too low?)"),
		Hint: "the container's cgroup, or one above it, leaves " + strconv.FormatUint(left, 10) + " bytes"}
}

// who is what the executor is about to become.
func (s *spawn) who() string {
	if s.init >= 0 {
		return "the process"
	}
	return "container init"
}

// warnStarved notes that memory was what the payload died of, also in the
// journal: who watches the container may come too late to its cgroup.
func (r *Runtime) warnStarved(c *container) {
	group := cgroups.Open(c.Cgroups)
	defer group.Close()
	var why *plan.Error
	if errors.As(starved(group, "the payload"), &why) {
		r.warn("%v: %s", why, why.Hint)
		if err := c.appendJournal(oomKilled + "\n"); err != nil {
			r.warn("%v", err)
		}
	}
}
