// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"math"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The v1 files: Documentation/admin-guide/cgroup-v1, Documentation/scheduler.

func memoryV1(m *specs.LinuxMemory) []limit {
	swap, flags, clear := amount(m.Swap), uint8(0), ""
	if value(m.Swap) != 0 {
		clear = "-1" // memory.limit may not pass an old memory.memsw limit
	} else if value(m.Limit) == -1 {
		swap, flags, clear = "-1", ifThere, "-1"
	}
	swappiness, oomKiller := "", ""
	if m.Swappiness != nil && *m.Swappiness != math.MaxUint64 {
		swappiness = number(m.Swappiness)
	}
	oomFlags := uint8(0)
	if m.DisableOOMKiller != nil {
		if oomKiller = "1"; !*m.DisableOOMKiller {
			oomKiller, oomFlags = "0", reused
		}
	}
	return []limit{
		{"memory", "useHierarchy", "memory", "memory.use_hierarchy", hierarchical(m), Exact, 0},
		{"memory", "checkBeforeUpdate", "memory", "memory.usage_in_bytes", inUse(m), AtMost, reused},
		{"memory", "swap", "memory", "memory.memsw.limit_in_bytes", clear, Bytes, reused | ifThere},
		{"memory", "limit", "memory", "memory.limit_in_bytes", amount(m.Limit), Bytes, 0},
		// After memory.limit: the kernel wants the sum never below it.
		{"memory", "swap", "memory", "memory.memsw.limit_in_bytes", swap, Bytes, flags},
		{"memory", "reservation", "memory", "memory.soft_limit_in_bytes", amount(m.Reservation), Bytes, 0},
		{"memory", "disableOOMKiller", "memory", "memory.oom_control", oomKiller, NoReadBack, oomFlags},
		{"memory", "swappiness", "memory", "memory.swappiness", swappiness, Exact, 0},
	}
}

func cpuV1(c *specs.LinuxCPU) []limit {
	clear := ""
	if value(c.Quota) != 0 || value(c.Period) != 0 {
		clear = "0"
	}
	return []limit{
		{"cpu", "realtimePeriod", "cpu", "cpu.rt_period_us", amount(c.RealtimePeriod), Exact, 0},
		{"cpu", "realtimeRuntime", "cpu", "cpu.rt_runtime_us", amount(c.RealtimeRuntime), Exact, 0},
		{"cpu", "idle", "cpu", "cpu.idle", reset(c.Shares), Exact, reused | ifThere},
		{"cpu", "shares", "cpu", "cpu.shares", amount(c.Shares), Exact, 0}, // the kernel clamps to 2…262144
		{"cpu", "idle", "cpu", "cpu.idle", number(c.Idle), Exact, 0},
		{"cpu", "quota", "cpu", "cpu.cfs_burst_us", clear, Exact, reused | ifThere},
		{"cpu", "period", "cpu", "cpu.cfs_period_us", amount(c.Period), Exact, 0},
		{"cpu", "quota", "cpu", "cpu.cfs_quota_us", amount(c.Quota), Exact, 0},
		{"cpu", "burst", "cpu", "cpu.cfs_burst_us", number(c.Burst), Exact, 0},
	}
}
