// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"maps"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

var allSections = [...]string{"memory", "cpu", "pids", "blockIO", "hugepageLimits", "network", "rdma", "unified"}

// sections are the fields of linux.resources that a change names.
func sections(r *specs.LinuxResources) (names []string) {
	for i, there := range [len(allSections)]bool{
		r.Memory != nil, r.CPU != nil, r.Pids != nil, r.BlockIO != nil, len(r.HugepageLimits) > 0, r.Network != nil, len(r.Rdma) > 0, len(r.Unified) > 0,
	} {
		if there {
			names = append(names, allSections[i])
		}
	}
	return names
}

// merge is last with what change names. As in a config.json, a 0 names nothing
// where the kernel has no such limit. Entries of lists go by what they limit: a
// disk, a page size, an interface. Device rules depend on their order: they are
// replaced as a whole.
func merge(last, change *specs.LinuxResources) *specs.LinuxResources {
	r := specs.LinuxResources{}
	if last != nil {
		r = *last
	}
	if len(change.Devices) > 0 {
		r.Devices = change.Devices
	}
	r.Memory = mergeMemory(r.Memory, change.Memory)
	r.CPU = mergeCPU(r.CPU, change.CPU)
	r.BlockIO = mergeBlockIO(r.BlockIO, change.BlockIO)
	r.Network = mergeNetwork(r.Network, change.Network)
	if change.Pids != nil && change.Pids.Limit != nil {
		r.Pids = change.Pids
	}
	r.HugepageLimits = mergeList(r.HugepageLimits, change.HugepageLimits, func(a, b *specs.LinuxHugepageLimit) bool { return a.Pagesize == b.Pagesize })
	r.Rdma = maps.Clone(r.Rdma)
	for name, limit := range change.Rdma {
		was := r.Rdma[name]
		given(&was.HcaHandles, limit.HcaHandles)
		given(&was.HcaObjects, limit.HcaObjects)
		if r.Rdma == nil {
			r.Rdma = map[string]specs.LinuxRdma{}
		}
		r.Rdma[name] = was
	}
	r.Unified = maps.Clone(r.Unified)
	for file, value := range change.Unified {
		if r.Unified == nil {
			r.Unified = map[string]string{}
		}
		r.Unified[file] = value
	}
	return &r
}

// given replaces a value by one that is there.
func given[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

// amount replaces it by one that is not 0 either.
func amount[T int64 | uint64 | uint16 | uint32](to **T, from *T) {
	if from != nil && *from != 0 {
		*to = from
	}
}

// value is *p, or 0.
func value(p *uint64) uint64 {
	if p == nil {
		return 0
	}
	return *p
}

// copied is *p, or a zero value.
func copied[T any](p *T) *T {
	v := new(T)
	if p != nil {
		*v = *p
	}
	return v
}

func mergeMemory(last, change *specs.LinuxMemory) *specs.LinuxMemory {
	if change == nil {
		return last
	}
	m := copied(last)
	amount(&m.Limit, change.Limit)
	amount(&m.Swap, change.Swap)
	if change.Limit != nil && *change.Limit == -1 && (change.Swap == nil || *change.Swap == 0) {
		m.Swap = nil // the sum has no limit then either
	}
	amount(&m.Reservation, change.Reservation)
	m.Kernel, m.KernelTCP = change.Kernel, change.KernelTCP //nolint:staticcheck // warned of when asked for
	given(&m.Swappiness, change.Swappiness)
	given(&m.DisableOOMKiller, change.DisableOOMKiller)
	given(&m.UseHierarchy, change.UseHierarchy)
	given(&m.CheckBeforeUpdate, change.CheckBeforeUpdate)
	return m
}

func mergeCPU(last, change *specs.LinuxCPU) *specs.LinuxCPU {
	if change == nil {
		return last
	}
	p := copied(last)
	amount(&p.Shares, change.Shares)
	amount(&p.Quota, change.Quota)
	given(&p.Burst, change.Burst)
	amount(&p.Period, change.Period)
	amount(&p.RealtimeRuntime, change.RealtimeRuntime)
	amount(&p.RealtimePeriod, change.RealtimePeriod)
	given(&p.Idle, change.Idle)
	if idle := p.Idle != nil && *p.Idle != 0; idle && (change.Idle != nil || value(change.Shares) == 0) {
		p.Shares = nil // the kernel forgets them, and has its default afterwards
	}
	if change.Cpus != "" {
		p.Cpus = change.Cpus
	}
	if change.Mems != "" {
		p.Mems = change.Mems
	}
	return p
}

func mergeBlockIO(last, change *specs.LinuxBlockIO) *specs.LinuxBlockIO {
	if change == nil {
		return last
	}
	b := copied(last)
	amount(&b.Weight, change.Weight)
	amount(&b.LeafWeight, change.LeafWeight)
	b.WeightDevice = mergeList(b.WeightDevice, change.WeightDevice, func(a, b *specs.LinuxWeightDevice) bool { return a.Major == b.Major && a.Minor == b.Minor })
	throttle := func(to *[]specs.LinuxThrottleDevice, from []specs.LinuxThrottleDevice) {
		*to = mergeList(*to, from, func(a, b *specs.LinuxThrottleDevice) bool { return a.Major == b.Major && a.Minor == b.Minor })
	}
	throttle(&b.ThrottleReadBpsDevice, change.ThrottleReadBpsDevice)
	throttle(&b.ThrottleWriteBpsDevice, change.ThrottleWriteBpsDevice)
	throttle(&b.ThrottleReadIOPSDevice, change.ThrottleReadIOPSDevice)
	throttle(&b.ThrottleWriteIOPSDevice, change.ThrottleWriteIOPSDevice)
	return b
}

func mergeNetwork(last, change *specs.LinuxNetwork) *specs.LinuxNetwork {
	if change == nil {
		return last
	}
	n := copied(last)
	amount(&n.ClassID, change.ClassID)
	n.Priorities = mergeList(n.Priorities, change.Priorities, func(a, b *specs.LinuxInterfacePriority) bool { return a.Name == b.Name })
	return n
}

// mergeList is last with the entries of change, each in the place of the one it
// is the same as.
func mergeList[T any](last, change []T, same func(a, b *T) bool) []T {
	all := slices.Clone(last)
	for i := range change {
		at := slices.IndexFunc(all, func(other T) bool { return same(&other, &change[i]) })
		if at < 0 {
			all = append(all, change[i])
		} else {
			all[at] = change[i]
		}
	}
	return all
}
