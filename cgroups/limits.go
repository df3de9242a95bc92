// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"math"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// checkMemory refuses what neither version can mean, in runc's words.
func checkMemory(at plan.Pointer, m *specs.LinuxMemory) error {
	if m == nil {
		return nil
	}
	limit, swap := value(m.Limit), value(m.Swap)
	switch {
	case limit < -1:
		return &plan.Error{At: at.Field("limit"), Err: errors.New("invalid memory value: " + strconv.FormatInt(limit, 10))}
	case swap < -1:
		return &plan.Error{At: at.Field("swap"), Err: errors.New("invalid memory value: " + strconv.FormatInt(swap, 10))}
	case swap > 0 && limit <= 0:
		return &plan.Error{At: at.Field("swap"), Err: errors.New("unable to set swap limit without memory limit")}
	case swap > 0 && swap < limit:
		return &plan.Error{At: at.Field("swap"), Err: errors.New("memory+swap limit should be >= memory limit"),
			Hint: "swap is the sum of both: memory.swap - memory.limit bytes may be swapped out"}
	}
	if s := m.Swappiness; s != nil && *s > 100 && *s != math.MaxUint64 {
		return &plan.Error{At: at.Field("swappiness"), Err: errors.New("invalid memory swappiness value: " + strconv.FormatUint(*s, 10) + " (valid range is 0-100)")}
	}
	return nil
}

// ignore notes the kernel memory limits, which Linux has dropped (5.16,
// memory.kmem.limit_in_bytes; accounted in memory.limit).
func (p *Plan) ignore(at plan.Pointer, m *specs.LinuxMemory) {
	if m == nil {
		return
	}
	if value(m.Kernel) != 0 { //nolint:staticcheck // deprecated, and still written
		p.Ignored = append(p.Ignored, at.Field("kernel"))
	}
	if value(m.KernelTCP) != 0 {
		p.Ignored = append(p.Ignored, at.Field("kernelTCP"))
	}
}

// inUse is the limit that checkBeforeUpdate compares with what is in use.
func inUse(m *specs.LinuxMemory) string {
	if m.CheckBeforeUpdate == nil || !*m.CheckBeforeUpdate || value(m.Limit) <= 0 {
		return ""
	}
	return number(m.Limit)
}

// hierarchical is what memory.use_hierarchy says; "" when it is not asked for.
func hierarchical(m *specs.LinuxMemory) string {
	switch {
	case m.UseHierarchy == nil:
		return ""
	case *m.UseHierarchy:
		return "1"
	}
	return "0"
}

// pidsMax: 0 is 1, because the kernel's 0 forbids what systemd's cannot; below
// 0 is no limit.
func pidsMax(p *specs.LinuxPids) string {
	switch {
	case p.Limit == nil:
		return ""
	case *p.Limit < 0:
		return "max"
	case *p.Limit == 0:
		return "1"
	}
	return strconv.FormatInt(*p.Limit, 10)
}

// cpuset's files have the same names in both versions.
func cpuset(c *specs.LinuxCPU) []limit {
	return []limit{
		{"cpu", "cpus", "cpuset", "cpuset.cpus", c.Cpus, List, 0},
		{"cpu", "mems", "cpuset", "cpuset.mems", c.Mems, List, 0},
	}
}

func value[T int64 | uint64](p *T) T {
	if p == nil {
		return 0
	}
	return *p
}

// amount is a number where 0 asks for nothing.
func amount[T int64 | uint64](p *T) string {
	if value(p) == 0 {
		return ""
	}
	return number(p)
}

// number is "" only for nil.
func number[T int64 | uint64](p *T) string {
	switch {
	case p == nil:
		return ""
	case *p < 0:
		return strconv.FormatInt(int64(*p), 10)
	}
	return strconv.FormatUint(uint64(*p), 10)
}
