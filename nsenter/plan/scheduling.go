// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// The names the specification has, each at its number in the kernel; those of
// flags at the number of their bit, of MemoryFlags less FirstMemoryFlag.
var (
	SchedulerPolicies = [...]string{"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"}
	SchedulerFlags    = [...]string{"SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY",
		"SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"}
	IOClasses   = [...]string{"", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"}
	MemoryModes = [...]string{"MPOL_DEFAULT", "MPOL_PREFERRED", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED_MANY",
		"MPOL_WEIGHTED_INTERLEAVE"}
	MemoryFlags = [...]string{"MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"}
)

const (
	// FirstMemoryFlag is the bit of MemoryFlags[0] in set_mempolicy's mode.
	FirstMemoryFlag = 13
	// IOClassShift is where the class begins in ioprio_set's priority.
	IOClassShift = 13
)

// schedulingWord prints the number of a scheduling step; "" if op is none.
func schedulingWord(op Op, n uint64) string {
	switch op {
	case OpSetpriority:
		return strconv.FormatInt(int64(n), 10)
	case OpIoprioSet:
		return nameAt(IOClasses[:], n>>IOClassShift) + " " + strconv.FormatUint(n&(1<<IOClassShift-1), 10)
	case OpSetMempolicy:
		return flagged(nameAt(MemoryModes[:], n&(1<<FirstMemoryFlag-1)), MemoryFlags[:], n>>FirstMemoryFlag)
	}
	return ""
}

func nameAt(names []string, n uint64) string {
	if n < uint64(len(names)) && names[n] != "" {
		return names[n]
	}
	return strconv.FormatUint(n, 10)
}

func flagged(text string, names []string, flags uint64) string {
	for i, name := range names {
		if flags&(1<<i) != 0 {
			text += "|" + name
		}
	}
	return text
}

// schedulingBlob prints struct sched_attr, or a set of CPUs or nodes.
func schedulingBlob(op Op, b []byte) string {
	if op != OpSchedSetattr {
		return numberSet(b)
	}
	if len(b) < 48 {
		return "<" + strconv.Itoa(len(b)) + " bytes>"
	}
	text := flagged(nameAt(SchedulerPolicies[:], uint64(le.Uint32(b[4:]))), SchedulerFlags[:], le.Uint64(b[8:]))
	if nice := int32(le.Uint32(b[16:])); nice != 0 {
		text += fmt.Sprintf(" nice %d", nice)
	}
	if priority := le.Uint32(b[20:]); priority != 0 {
		text += fmt.Sprintf(" priority %d", priority)
	}
	if runtime := le.Uint64(b[24:]); runtime != 0 {
		text += fmt.Sprintf(" runtime %d deadline %d period %d ns", runtime, le.Uint64(b[32:]), le.Uint64(b[40:]))
	}
	return text
}

// numberSet prints the bits of mask as a list such as 0-3,7.
func numberSet(mask []byte) string {
	has := func(n int) bool { return n < 8*len(mask) && mask[n/8]&(1<<(n%8)) != 0 }
	var parts []string
	for n := 0; n < 8*len(mask); n++ {
		if !has(n) {
			continue
		}
		first := n
		for has(n + 1) {
			n++
		}
		if n > first {
			parts = append(parts, strconv.Itoa(first)+"-"+strconv.Itoa(n))
		} else {
			parts = append(parts, strconv.Itoa(first))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}
