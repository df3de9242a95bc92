// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func (c *cursor) resources() *specs.LinuxResources {
	r := new(specs.LinuxResources)
	c.object(func(name string) {
		switch name {
		case "devices":
			r.Devices = list(c, c.deviceCgroup)
		case "memory":
			r.Memory = c.memory()
		case "cpu":
			r.CPU = c.cpu()
		case "pids":
			r.Pids = c.pids()
		case "blockIO":
			r.BlockIO = c.blockIO()
		case "hugepageLimits":
			r.HugepageLimits = list(c, c.hugepageLimit)
		case "network":
			r.Network = c.network()
		case "rdma":
			r.Rdma = map[string]specs.LinuxRdma{}
			c.entries(func(name string) { r.Rdma[name] = c.rdma() })
		case "unified":
			r.Unified = c.texts()
		default:
			c.skip()
		}
	})
	return r
}

func (c *cursor) deviceCgroup() (d specs.LinuxDeviceCgroup) {
	c.object(func(name string) {
		switch name {
		case "allow":
			d.Allow = c.bool()
		case "type":
			d.Type = c.string()
		case "major":
			d.Major = new(c.int(minInt64, maxInt64))
		case "minor":
			d.Minor = new(c.int(minInt64, maxInt64))
		case "access":
			d.Access = c.string()
		default:
			c.skip()
		}
	}, "allow")
	return d
}

func (c *cursor) memory() *specs.LinuxMemory {
	m := new(specs.LinuxMemory)
	c.object(func(name string) {
		switch name {
		case "limit":
			m.Limit = new(c.int(minInt64, maxInt64))
		case "reservation":
			m.Reservation = new(c.int(minInt64, maxInt64))
		case "swap":
			m.Swap = new(c.int(minInt64, maxInt64))
		case "kernel":
			m.Kernel = new(c.int(minInt64, maxInt64)) //nolint:staticcheck // deprecated, but engines still write it
		case "kernelTCP":
			m.KernelTCP = new(c.int(minInt64, maxInt64))
		case "swappiness":
			m.Swappiness = new(c.uint(maxUint64))
		case "disableOOMKiller":
			m.DisableOOMKiller = new(c.bool())
		case "useHierarchy":
			m.UseHierarchy = new(c.bool())
		case "checkBeforeUpdate":
			m.CheckBeforeUpdate = new(c.bool())
		default:
			c.skip()
		}
	})
	return m
}

func (c *cursor) cpu() *specs.LinuxCPU {
	p := new(specs.LinuxCPU)
	c.object(func(name string) {
		switch name {
		case "shares":
			p.Shares = new(c.uint(maxUint64))
		case "quota":
			p.Quota = new(c.int(minInt64, maxInt64))
		case "burst":
			p.Burst = new(c.uint(maxUint64))
		case "period":
			p.Period = new(c.uint(maxUint64))
		case "realtimeRuntime":
			p.RealtimeRuntime = new(c.int(minInt64, maxInt64))
		case "realtimePeriod":
			p.RealtimePeriod = new(c.uint(maxUint64))
		case "cpus":
			p.Cpus = c.string()
		case "mems":
			p.Mems = c.string()
		case "idle":
			p.Idle = new(c.int(minInt64, maxInt64))
		default:
			c.skip()
		}
	})
	return p
}

func (c *cursor) pids() *specs.LinuxPids {
	p := new(specs.LinuxPids)
	c.object(func(name string) {
		switch name {
		case "limit":
			p.Limit = new(c.int(minInt64, maxInt64))
		default:
			c.skip()
		}
	})
	return p
}

func (c *cursor) blockIO() *specs.LinuxBlockIO {
	b := new(specs.LinuxBlockIO)
	c.object(func(name string) {
		switch name {
		case "weight":
			b.Weight = new(uint16(c.uint(maxUint16)))
		case "leafWeight":
			b.LeafWeight = new(uint16(c.uint(maxUint16)))
		case "weightDevice":
			b.WeightDevice = list(c, c.weightDevice)
		case "throttleReadBpsDevice":
			b.ThrottleReadBpsDevice = list(c, c.throttleDevice)
		case "throttleWriteBpsDevice":
			b.ThrottleWriteBpsDevice = list(c, c.throttleDevice)
		case "throttleReadIOPSDevice":
			b.ThrottleReadIOPSDevice = list(c, c.throttleDevice)
		case "throttleWriteIOPSDevice":
			b.ThrottleWriteIOPSDevice = list(c, c.throttleDevice)
		default:
			c.skip()
		}
	})
	return b
}

func (c *cursor) weightDevice() (d specs.LinuxWeightDevice) {
	c.object(func(name string) {
		switch name {
		case "major":
			d.Major = c.int(minInt64, maxInt64)
		case "minor":
			d.Minor = c.int(minInt64, maxInt64)
		case "weight":
			d.Weight = new(uint16(c.uint(maxUint16)))
		case "leafWeight":
			d.LeafWeight = new(uint16(c.uint(maxUint16)))
		default:
			c.skip()
		}
	}, "major", "minor")
	return d
}

func (c *cursor) throttleDevice() (d specs.LinuxThrottleDevice) {
	c.object(func(name string) {
		switch name {
		case "major":
			d.Major = c.int(minInt64, maxInt64)
		case "minor":
			d.Minor = c.int(minInt64, maxInt64)
		case "rate":
			d.Rate = c.uint(maxUint64)
		default:
			c.skip()
		}
	}, "major", "minor", "rate")
	return d
}

func (c *cursor) hugepageLimit() (l specs.LinuxHugepageLimit) {
	c.object(func(name string) {
		switch name {
		case "pageSize":
			l.Pagesize = c.string()
		case "limit":
			l.Limit = c.uint(maxUint64)
		default:
			c.skip()
		}
	}, "pageSize", "limit")
	return l
}

func (c *cursor) network() *specs.LinuxNetwork {
	n := new(specs.LinuxNetwork)
	c.object(func(name string) {
		switch name {
		case "classID":
			n.ClassID = new(uint32(c.uint(maxUint32)))
		case "priorities":
			n.Priorities = list(c, c.interfacePriority)
		default:
			c.skip()
		}
	})
	return n
}

func (c *cursor) interfacePriority() (p specs.LinuxInterfacePriority) {
	c.object(func(name string) {
		switch name {
		case "name":
			p.Name = c.string()
		case "priority":
			p.Priority = uint32(c.uint(maxUint32))
		default:
			c.skip()
		}
	}, "name", "priority")
	return p
}

func (c *cursor) rdma() (r specs.LinuxRdma) {
	c.object(func(name string) {
		switch name {
		case "hcaHandles":
			r.HcaHandles = new(uint32(c.uint(maxUint32)))
		case "hcaObjects":
			r.HcaObjects = new(uint32(c.uint(maxUint32)))
		default:
			c.skip()
		}
	})
	return r
}
