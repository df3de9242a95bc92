// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"strconv"
	"strings"
)

// addV1 adds what the controllers of one v1 hierarchy count.
func (s *Stats) addV1(f *counters, sizes []string) {
	if f.has("cpuacct.usage") {
		s.CPU.timesV1(f)
	}
	if f.has("cpu.shares") {
		stat, t := f.keyed("cpu.stat"), &s.CPU.Throttling
		t.Periods, t.ThrottledPeriods, t.ThrottledTime = stat["nr_periods"], stat["nr_throttled"], stat["throttled_time"]
	}
	if f.has("cpuset.cpus") {
		s.CPUSet = cpusetV1(f)
	}
	if f.has("memory.usage_in_bytes") {
		m := &s.Memory
		m.Usage, m.Swap, m.Kernel, m.KernelTCP = memoryEntry(f, ""), memoryEntry(f, "memsw."), memoryEntry(f, "kmem."), memoryEntry(f, "kmem.tcp.")
		m.Raw = f.keyed("memory.stat")
		m.Cache = m.Raw["cache"]
	}
	if f.has("pids.current") {
		s.Pids.read(f)
	}
	if f.has("blkio.reset_stats") {
		s.Blkio.readV1(f)
	}
	for _, size := range sizes {
		if at := "hugetlb." + size + "."; f.has(at + "usage_in_bytes") {
			s.Hugetlb[size] = HugetlbStats{f.number(at + "usage_in_bytes"), f.number(at + "max_usage_in_bytes"), f.number(at + "failcnt")}
		}
	}
	s.addRdma(f)
}

func (s *CPUStats) timesV1(f *counters) {
	u := &s.Usage
	u.Total, u.Kernel, u.User = f.number("cpuacct.usage"), f.number("cpuacct.usage_sys"), f.number("cpuacct.usage_user")
	for word := range strings.FieldsSeq(f.text("cpuacct.usage_percpu")) {
		u.Percpu = append(u.Percpu, parseCount(word))
	}
	for line := range strings.Lines(f.text("cpuacct.usage_all")) {
		words := strings.Fields(line) // cpu user system
		if len(words) == 3 && words[0] != "cpu" {
			u.PercpuUser, u.PercpuKernel = append(u.PercpuUser, parseCount(words[1])), append(u.PercpuKernel, parseCount(words[2]))
		}
	}
}

func cpusetV1(f *counters) CPUSetStats {
	level, _ := strconv.ParseInt(strings.TrimSpace(f.text("cpuset.sched_relax_domain_level")), 10, 64)
	return CPUSetStats{
		CPUs: f.cpus("cpuset.cpus"), CPUExclusive: f.number("cpuset.cpu_exclusive"), Mems: f.cpus("cpuset.mems"),
		MemHardwall: f.number("cpuset.mem_hardwall"), MemExclusive: f.number("cpuset.mem_exclusive"), MemoryMigrate: f.number("cpuset.memory_migrate"),
		MemorySpreadPage: f.number("cpuset.memory_spread_page"), MemorySpreadSlab: f.number("cpuset.memory_spread_slab"),
		MemoryPressure: f.number("cpuset.memory_pressure"), SchedLoadBalance: f.number("cpuset.sched_load_balance"), SchedRelaxDomainLevel: level,
	}
}

func memoryEntry(f *counters, kind string) MemoryEntry {
	at := "memory." + kind
	return MemoryEntry{f.number(at + "limit_in_bytes"), f.number(at + "usage_in_bytes"), f.number(at + "max_usage_in_bytes"), f.number(at + "failcnt")}
}

func (p *PidsStats) read(f *counters) {
	p.Current = f.number("pids.current")
	if limit := strings.TrimSpace(f.text("pids.max")); limit != "max" {
		p.Limit = parseCount(limit)
	}
}

// readV1 reads what the scheduler of the disks counts: CFQ (until 5.0), BFQ, or
// at least the throttling above all schedulers.
func (b *BlkioStats) readV1(f *counters) {
	prefix := "blkio.throttle."
	for _, scheduler := range [...]string{"blkio.", "blkio.bfq."} {
		if len(f.disks(scheduler+"io_serviced_recursive")) > 0 {
			prefix = scheduler
		}
	}
	for _, table := range [...]struct {
		to   *[]BlkioEntry
		file string
	}{
		{&b.ServiceBytes, "io_service_bytes_recursive"}, {&b.Serviced, "io_serviced_recursive"}, {&b.Queued, "io_queued_recursive"},
		{&b.ServiceTime, "io_service_time_recursive"}, {&b.WaitTime, "io_wait_time_recursive"}, {&b.Merged, "io_merged_recursive"},
		{&b.Time, "time_recursive"}, {&b.Sectors, "sectors_recursive"},
	} {
		*table.to = f.disks(prefix + table.file)
	}
}

// disks reads lines such as "8:0 Read 4096", or without an operation; not the
// totals.
func (f *counters) disks(name string) (all []BlkioEntry) {
	for line := range strings.Lines(f.text(name)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		e, ok := disk(words[0])
		if !ok {
			continue
		}
		if len(words) > 2 {
			e.Op = words[1]
		}
		e.Value = parseCount(words[len(words)-1])
		all = append(all, e)
	}
	return all
}

// disk reads "8:0".
func disk(word string) (e BlkioEntry, ok bool) {
	major, minor, ok := strings.Cut(word, ":")
	if e.Major = parseCount(major); !ok {
		return e, false
	}
	e.Minor = parseCount(minor)
	return e, true
}
