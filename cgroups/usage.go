// SPDX-License-Identifier: Apache-2.0

package cgroups

// Usage is what a container has used until now. What no controller counts is nil.
type Usage struct {
	OOMKills   *uint64 // processes killed for want of memory
	MemoryPeak *uint64 // bytes; since Linux 5.19 on v2
	CPU        *uint64 // processor time in microseconds
}

// Usage reads it; of a cgroup that is gone nothing is known.
func (c *Cgroup) Usage() (u Usage) {
	_ = c.each(func(_ int, d *dir) error {
		f := counters{fd: d.fd}
		take := func(to **uint64, file, key string, unit uint64) {
			text := f.text(file)
			if text == "" {
				return
			}
			n := parseCount(text)
			if key != "" {
				n = valueOf(text, key)
			}
			*to = new(n / unit)
		}
		if d.v2 {
			take(&u.OOMKills, "memory.events", "oom_kill", 1)
			take(&u.MemoryPeak, "memory.peak", "", 1)
			take(&u.CPU, "cpu.stat", "usage_usec", 1)
			return nil
		}
		take(&u.OOMKills, "memory.oom_control", "oom_kill", 1)
		take(&u.MemoryPeak, "memory.max_usage_in_bytes", "", 1)
		take(&u.CPU, "cpuacct.usage", "", 1000)
		return nil
	})
	return u
}
