// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Stats is what a container uses, with the names that runc's events command
// gives it: engines read them (runc, types/events.go). Times are nanoseconds.
type Stats struct {
	CPU     CPUStats                `json:"cpu"`
	CPUSet  CPUSetStats             `json:"cpuset"`
	Memory  MemoryStats             `json:"memory"`
	Pids    PidsStats               `json:"pids"`
	Blkio   BlkioStats              `json:"blkio"`
	Hugetlb map[string]HugetlbStats `json:"hugetlb"`
	Rdma    *RdmaStats              `json:"rdma,omitempty"`
}

// CPUStats is processor time.
type CPUStats struct {
	Usage struct {
		Total        uint64   `json:"total,omitempty"`
		Percpu       []uint64 `json:"percpu,omitempty"`
		PercpuKernel []uint64 `json:"percpu_kernel,omitempty"`
		PercpuUser   []uint64 `json:"percpu_user,omitempty"`
		Kernel       uint64   `json:"kernel"`
		User         uint64   `json:"user"`
	} `json:"usage"`
	Throttling struct {
		Periods          uint64 `json:"periods,omitempty"`
		ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
		ThrottledTime    uint64 `json:"throttledTime,omitempty"`
	} `json:"throttling"`
	PSI *PSI `json:"psi,omitempty"`
}

// CPUSetStats is where it may run; all but the sets is of v1.
type CPUSetStats struct {
	CPUs                  []uint16 `json:"cpus,omitempty"`
	CPUExclusive          uint64   `json:"cpu_exclusive"`
	Mems                  []uint16 `json:"mems,omitempty"`
	MemHardwall           uint64   `json:"mem_hardwall"`
	MemExclusive          uint64   `json:"mem_exclusive"`
	MemoryMigrate         uint64   `json:"memory_migrate"`
	MemorySpreadPage      uint64   `json:"memory_spread_page"`
	MemorySpreadSlab      uint64   `json:"memory_spread_slab"`
	MemoryPressure        uint64   `json:"memory_pressure"`
	SchedLoadBalance      uint64   `json:"sched_load_balance"`
	SchedRelaxDomainLevel int64    `json:"sched_relax_domain_level"`
}

// MemoryStats is memory in bytes. Swap counts memory and swap together.
type MemoryStats struct {
	Cache     uint64            `json:"cache,omitempty"`
	Usage     MemoryEntry       `json:"usage"`
	Swap      MemoryEntry       `json:"swap"`
	Kernel    MemoryEntry       `json:"kernel"`
	KernelTCP MemoryEntry       `json:"kernelTCP"`
	Raw       map[string]uint64 `json:"raw,omitempty"` // memory.stat
	PSI       *PSI              `json:"psi,omitempty"`
}

// MemoryEntry is one kind of memory. The largest limit is none.
type MemoryEntry struct {
	Limit   uint64 `json:"limit"`
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"` // the highest usage so far
	Failcnt uint64 `json:"failcnt"`
}

// PidsStats counts tasks. A limit of 0 is none.
type PidsStats struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"`
}

// BlkioStats is the use of disks.
type BlkioStats struct {
	ServiceBytes []BlkioEntry `json:"ioServiceBytesRecursive,omitempty"`
	Serviced     []BlkioEntry `json:"ioServicedRecursive,omitempty"`
	Queued       []BlkioEntry `json:"ioQueueRecursive,omitempty"`
	ServiceTime  []BlkioEntry `json:"ioServiceTimeRecursive,omitempty"`
	WaitTime     []BlkioEntry `json:"ioWaitTimeRecursive,omitempty"`
	Merged       []BlkioEntry `json:"ioMergedRecursive,omitempty"`
	Time         []BlkioEntry `json:"ioTimeRecursive,omitempty"`
	Sectors      []BlkioEntry `json:"sectorsRecursive,omitempty"`
	PSI          *PSI         `json:"psi,omitempty"`
}

// BlkioEntry is one disk's count of one operation.
type BlkioEntry struct {
	Major uint64 `json:"major,omitempty"`
	Minor uint64 `json:"minor,omitempty"`
	Op    string `json:"op,omitempty"`
	Value uint64 `json:"value,omitempty"`
}

// HugetlbStats is huge pages of one size, in bytes.
type HugetlbStats struct {
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// RdmaStats is what runc's library has and its command does not print.
type RdmaStats struct {
	Current []RdmaEntry `json:"current"`
	Limit   []RdmaEntry `json:"limit"`
}

// RdmaEntry is one adapter's. The largest number is no limit.
type RdmaEntry struct {
	Device     string `json:"device"`
	HcaHandles uint32 `json:"hca_handles"`
	HcaObjects uint32 `json:"hca_objects"`
}

// PSI is pressure stall information (Documentation/accounting/psi.rst).
type PSI struct {
	Some Pressure `json:"some"`
	Full Pressure `json:"full"`
}

// Pressure is the share of time lost, in percent, and its total in µs.
type Pressure struct {
	Avg10  float64 `json:"avg10"`
	Avg60  float64 `json:"avg60"`
	Avg300 float64 `json:"avg300"`
	Total  uint64  `json:"total"`
}

// Stats reads the counters of all controllers there are.
func (c *Cgroup) Stats() (*Stats, error) {
	s := &Stats{Hugetlb: map[string]HugetlbStats{}}
	sizes := pageSizes()
	err := c.each(func(_ int, d *dir) error {
		f := counters{fd: d.fd}
		if d.v2 {
			s.addV2(&f, sizes)
		} else {
			s.addV1(&f, sizes)
		}
		return f.err
	})
	if s.Pids.Current == 0 && err == nil { // no controller counts them
		var pids []int
		pids, err = c.Procs()
		s.Pids.Current = uint64(len(pids))
	}
	return s, err
}

// counters reads the files of one cgroup. One that is not there, or is of a
// cgroup that is gone, reads as nothing; the first other error stays.
type counters struct {
	fd  int
	err error
}

func (f *counters) text(name string) string {
	text, err := readFile(f.fd, name)
	if err != nil && !isGone(err) && err != unix.EOPNOTSUPP && f.err == nil {
		f.err = os.NewSyscallError("read "+name, err)
	}
	return text
}

func (f *counters) has(name string) bool { return unix.Faccessat(f.fd, name, unix.F_OK, 0) == nil }

// number is the largest number for "max".
func (f *counters) number(name string) uint64 { return parseCount(f.text(name)) }

func parseCount(text string) uint64 {
	if text = strings.TrimSpace(text); text == "max" {
		return math.MaxUint64
	}
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// keyed reads lines of a key and a number.
func (f *counters) keyed(name string) map[string]uint64 {
	values := map[string]uint64{}
	for line := range strings.Lines(f.text(name)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			values[key] = parseCount(value)
		}
	}
	return values
}

// cpus reads a list such as "0-3,7".
func (f *counters) cpus(name string) (list []uint16) {
	set, ok := parseSet(f.text(name))
	for i := 0; ok && i < len(set)*64; i++ {
		if set[i/64]&(1<<(i%64)) != 0 {
			list = append(list, uint16(i))
		}
	}
	return list
}

// rdma reads lines such as "mlx4_0 hca_handle=2 hca_object=max".
func (f *counters) rdma(name string) (all []RdmaEntry) {
	for line := range strings.Lines(f.text(name)) {
		var e RdmaEntry
		for i, word := range strings.Fields(line) {
			key, value, _ := strings.Cut(word, "=")
			n := uint32(min(parseCount(value), math.MaxUint32))
			switch {
			case i == 0:
				e.Device = word
			case key == "hca_handle":
				e.HcaHandles = n
			case key == "hca_object":
				e.HcaObjects = n
			}
		}
		all = append(all, e)
	}
	return all
}

// pageSizes are those of the host's huge pages as files of cgroups are named.
func pageSizes() (sizes []string) {
	entries, _ := os.ReadDir("/sys/kernel/mm/hugepages")
	for _, e := range entries {
		kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(e.Name(), "hugepages-"), "kB"))
		switch {
		case err != nil:
		case kb >= 1<<20:
			sizes = append(sizes, strconv.Itoa(kb>>20)+"GB")
		case kb >= 1<<10:
			sizes = append(sizes, strconv.Itoa(kb>>10)+"MB")
		default:
			sizes = append(sizes, strconv.Itoa(kb)+"KB")
		}
	}
	return sizes
}
