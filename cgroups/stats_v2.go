// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"math"
	"strconv"
	"strings"
)

// addV2 adds what the controllers of the v2 hierarchy count. On a hybrid host
// those are few.
func (s *Stats) addV2(f *counters, sizes []string) {
	if s.CPU.Usage.Total == 0 {
		s.CPU.readV2(f)
	}
	if f.has("cpuset.cpus.effective") {
		s.CPUSet.CPUs, s.CPUSet.Mems = f.cpus("cpuset.cpus.effective"), f.cpus("cpuset.mems.effective")
	}
	if f.has("memory.current") {
		s.Memory.readV2(f)
	}
	if f.has("pids.current") {
		s.Pids.read(f)
	}
	if f.has("io.stat") {
		s.Blkio.readV2(f)
	}
	for _, size := range sizes {
		if at := "hugetlb." + size + "."; f.has(at + "current") {
			s.Hugetlb[size] = HugetlbStats{Usage: f.number(at + "current"), Failcnt: f.keyed(at + "events")["max"]}
		}
	}
	s.addRdma(f)
	s.CPU.PSI, s.Memory.PSI, s.Blkio.PSI = f.pressure("cpu.pressure"), f.pressure("memory.pressure"), f.pressure("io.pressure")
}

func (s *CPUStats) readV2(f *counters) {
	stat := f.keyed("cpu.stat")
	s.Usage.Total, s.Usage.User, s.Usage.Kernel = stat["usage_usec"]*1000, stat["user_usec"]*1000, stat["system_usec"]*1000
	t := &s.Throttling
	t.Periods, t.ThrottledPeriods, t.ThrottledTime = stat["nr_periods"], stat["nr_throttled"], stat["throttled_usec"]*1000
}

func (m *MemoryStats) readV2(f *counters) {
	m.Raw = f.keyed("memory.stat")
	m.Cache = m.Raw["file"]
	m.Usage = MemoryEntry{f.number("memory.max"), f.number("memory.current"), f.number("memory.peak"), f.keyed("memory.events")["max"]}
	m.Kernel.Usage = m.Raw["kernel"]
	if !f.has("memory.swap.current") {
		return
	}
	// The sum, as v1 has it.
	m.Swap = MemoryEntry{f.number("memory.swap.max"), f.number("memory.swap.current"), 0, f.keyed("memory.swap.events")["max"]}
	m.Swap.Usage += m.Usage.Usage
	if m.Swap.Limit > math.MaxUint64-m.Usage.Limit {
		m.Swap.Limit = math.MaxUint64
	} else {
		m.Swap.Limit += m.Usage.Limit
	}
}

// readV2 reads lines such as "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0".
func (b *BlkioStats) readV2(f *counters) {
	for line := range strings.Lines(f.text("io.stat")) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		e, ok := disk(words[0])
		if !ok {
			continue
		}
		for _, word := range words[1:] {
			key, value, _ := strings.Cut(word, "=")
			table := &b.ServiceBytes
			if strings.HasSuffix(key, "ios") {
				table = &b.Serviced
			}
			switch e.Value = parseCount(value); key {
			case "rbytes", "rios":
				e.Op = "Read"
			case "wbytes", "wios":
				e.Op = "Write"
			default:
				continue
			}
			*table = append(*table, e)
		}
	}
}

func (s *Stats) addRdma(f *counters) {
	if f.has("rdma.current") {
		s.Rdma = &RdmaStats{Current: f.rdma("rdma.current"), Limit: f.rdma("rdma.max")}
	}
}

// pressure reads lines such as "some avg10=0.00 avg60=0.12 avg300=0.05 total=94";
// nil where the kernel does not count it (4.20; psi=0).
func (f *counters) pressure(name string) *PSI {
	text := f.text(name)
	if text == "" {
		return nil
	}
	p := &PSI{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		to := &p.Some
		if words[0] == "full" {
			to = &p.Full
		}
		for _, word := range words[1:] {
			key, value, _ := strings.Cut(word, "=")
			n, _ := strconv.ParseFloat(value, 64)
			switch key {
			case "avg10":
				to.Avg10 = n
			case "avg60":
				to.Avg60 = n
			case "avg300":
				to.Avg300 = n
			case "total":
				to.Total = parseCount(value)
			}
		}
	}
	return p
}
