// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"math"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The v2 files: Documentation/admin-guide/cgroup-v2.rst. An own line for each
// field, in the order of the writes.

func memoryV2(m *specs.LinuxMemory) []limit {
	swap, flags := swapMax(m), uint8(0)
	if swap == "max" || swap == "0" {
		flags = ifThere // no file: there is no swap
	}
	swappiness, oomKiller := "", ""
	if m.Swappiness != nil && *m.Swappiness != math.MaxUint64 {
		swappiness = number(m.Swappiness)
	}
	if m.DisableOOMKiller != nil && *m.DisableOOMKiller {
		oomKiller = "1"
	}
	flat := ""
	if hierarchical(m) == "0" {
		flat = "0" // a v2 hierarchy is always one
	}
	return []limit{
		{"memory", "useHierarchy", "memory", "", flat, 0, refused},
		{"memory", "checkBeforeUpdate", "memory", "memory.current", inUse(m), AtMost, reused},
		{"memory", "swap", "memory", "memory.swap.max", swap, Bytes, flags},
		{"memory", "limit", "memory", "memory.max", bytesMax(m.Limit), Bytes, 0},
		{"memory", "reservation", "memory", "memory.low", bytesMax(m.Reservation), Bytes, 0},
		{"memory", "swappiness", "memory", "", swappiness, 0, refused},
		{"memory", "disableOOMKiller", "memory", "", oomKiller, 0, refused},
	}
}

func cpuV2(c *specs.LinuxCPU) []limit {
	burst, clear := number(c.Burst), ""
	max := cpuMax(c)
	if max != "" {
		clear = "0" // an old burst above the new quota would refuse it
	}
	return []limit{
		{"cpu", "idle", "cpu", "cpu.idle", reset(c.Shares), Exact, reused | ifThere},
		{"cpu", "shares", "cpu", "cpu.weight", weight(value(c.Shares)), Exact, 0},
		{"cpu", "idle", "cpu", "cpu.idle", number(c.Idle), Exact, 0},
		{"cpu", "quota", "cpu", "cpu.max.burst", clear, Exact, reused | ifThere},
		{"cpu", pick(value(c.Quota) != 0, "quota", "period"), "cpu", "cpu.max", max, Exact, 0},
		{"cpu", "burst", "cpu", "cpu.max.burst", burst, Exact, 0},
		{"cpu", "realtimePeriod", "cpu", "", amount(c.RealtimePeriod), 0, refused},
		{"cpu", "realtimeRuntime", "cpu", "", amount(c.RealtimeRuntime), 0, refused},
	}
}

// bytesMax: 0 asks for nothing, -1 for no limit.
func bytesMax(n *int64) string {
	if value(n) == -1 {
		return "max"
	}
	return amount(n)
}

// swapMax is memory.swap.max, swap alone, where the spec's value is the sum. A
// memory limit of -1 lifts that of swap too, as on v1.
func swapMax(m *specs.LinuxMemory) string {
	limit, swap := value(m.Limit), value(m.Swap)
	switch {
	case swap == -1 || swap == 0 && limit == -1:
		return "max"
	case swap == 0:
		return ""
	}
	return strconv.FormatInt(swap-limit, 10) // checkMemory: 0 < limit <= swap
}

func cpuMax(c *specs.LinuxCPU) string {
	quota, period := value(c.Quota), value(c.Period)
	if quota == 0 && period == 0 {
		return ""
	}
	if period == 0 {
		period = 100000 // the kernel's default, µs
	}
	max := "max"
	if quota > 0 {
		max = strconv.FormatInt(quota, 10)
	}
	return max + " " + strconv.FormatUint(period, 10)
}

// weight maps shares 2…262144 to a weight 1…10000 such that 1024, the default,
// becomes 100, the default: the quadratic of runc 1.3.2 in log2(shares).
func weight(shares uint64) string {
	switch {
	case shares == 0:
		return ""
	case shares <= 2:
		return "1"
	case shares >= 262144:
		return "10000"
	}
	l := math.Log2(float64(shares))
	return strconv.Itoa(int(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34))))
}

// reset is the value that makes a file accept a change of what it depends on.
func reset(dependent *uint64) string {
	if value(dependent) == 0 {
		return ""
	}
	return "0"
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
