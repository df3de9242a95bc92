// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func (c *cursor) linux(config *Config) *specs.Linux {
	l := new(specs.Linux)
	c.object(func(name string) {
		switch name {
		case "uidMappings":
			l.UIDMappings = list(c, c.idMapping)
		case "gidMappings":
			l.GIDMappings = list(c, c.idMapping)
		case "sysctl":
			l.Sysctl = c.texts()
		case "resources":
			l.Resources = c.resources()
		case "cgroupsPath":
			l.CgroupsPath = c.string()
		case "namespaces":
			l.Namespaces = list(c, c.namespace)
		case "devices":
			l.Devices = list(c, c.device)
		case "netDevices":
			l.NetDevices = map[string]specs.LinuxNetDevice{}
			c.entries(func(name string) { l.NetDevices[name] = c.netDevice() })
		case "seccomp":
			first, end := c.span(func() { l.Seccomp = c.seccomp() })
			config.SeccompRaw = config.Raw[first:end:end]
		case "rootfsPropagation":
			l.RootfsPropagation = c.string()
		case "maskedPaths":
			l.MaskedPaths = c.strings()
		case "readonlyPaths":
			l.ReadonlyPaths = c.strings()
		case "mountLabel":
			l.MountLabel = c.string()
		case "intelRdt":
			l.IntelRdt = c.intelRdt()
		case "memoryPolicy":
			l.MemoryPolicy = c.memoryPolicy()
		case "personality":
			l.Personality = c.personality()
		case "timeOffsets":
			l.TimeOffsets = map[string]specs.LinuxTimeOffset{}
			c.entries(func(name string) { l.TimeOffsets[name] = c.timeOffset() })
		default:
			c.skip()
		}
	})
	return l
}

func (c *cursor) idMapping() (m specs.LinuxIDMapping) {
	c.object(func(name string) {
		switch name {
		case "containerID":
			m.ContainerID = c.id()
		case "hostID":
			m.HostID = c.id()
		case "size":
			m.Size = uint32(c.uint(maxUint32))
		default:
			c.skip()
		}
	}, "containerID", "hostID", "size")
	return m
}

func (c *cursor) namespace() (n specs.LinuxNamespace) {
	c.object(func(name string) {
		switch name {
		case "type":
			n.Type = specs.LinuxNamespaceType(c.string())
		case "path":
			n.Path = c.string()
		default:
			c.skip()
		}
	}, "type")
	return n
}

func (c *cursor) device() (d specs.LinuxDevice) {
	var major, minor bool
	c.object(func(name string) {
		switch name {
		case "path":
			d.Path = c.string()
		case "type":
			d.Type = c.string()
		case "major":
			d.Major, major = c.int(minInt64, maxInt64), true
		case "minor":
			d.Minor, minor = c.int(minInt64, maxInt64), true
		case "fileMode":
			d.FileMode = new(os.FileMode(c.uint(maxUint32)))
		case "uid":
			d.UID = new(c.id())
		case "gid":
			d.GID = new(c.id())
		default:
			c.skip()
		}
	}, "type", "path")
	if d.Type != "p" && !major {
		c.failAt("major", "required, but missing")
	} else if d.Type != "p" && !minor {
		c.failAt("minor", "required, but missing")
	}
	return d
}

func (c *cursor) netDevice() (d specs.LinuxNetDevice) {
	c.object(func(name string) {
		switch name {
		case "name":
			d.Name = c.string()
		default:
			c.skip()
		}
	})
	return d
}

func (c *cursor) timeOffset() (t specs.LinuxTimeOffset) {
	c.object(func(name string) {
		switch name {
		case "secs":
			t.Secs = c.int(minInt64, maxInt64)
		case "nanosecs":
			t.Nanosecs = uint32(c.uint(maxUint32))
		default:
			c.skip()
		}
	})
	return t
}

func (c *cursor) seccomp() *specs.LinuxSeccomp {
	s := new(specs.LinuxSeccomp)
	c.object(func(name string) {
		switch name {
		case "defaultAction":
			s.DefaultAction = specs.LinuxSeccompAction(c.string())
		case "defaultErrnoRet":
			s.DefaultErrnoRet = new(uint(c.uint(maxUint32)))
		case "architectures":
			s.Architectures = words[specs.Arch](c)
		case "flags":
			s.Flags = words[specs.LinuxSeccompFlag](c)
		case "listenerPath":
			s.ListenerPath = c.string()
		case "listenerMetadata":
			s.ListenerMetadata = c.string()
		case "syscalls":
			s.Syscalls = list(c, c.syscall)
		default:
			c.skip()
		}
	}, "defaultAction")
	return s
}

func (c *cursor) syscall() (s specs.LinuxSyscall) {
	c.object(func(name string) {
		switch name {
		case "names":
			s.Names = c.strings()
		case "action":
			s.Action = specs.LinuxSeccompAction(c.string())
		case "errnoRet":
			s.ErrnoRet = new(uint(c.uint(maxUint32)))
		case "args":
			s.Args = list(c, c.syscallArg)
		default:
			c.skip()
		}
	}, "names", "action")
	return s
}

func (c *cursor) syscallArg() (a specs.LinuxSeccompArg) {
	c.object(func(name string) {
		switch name {
		case "index":
			a.Index = uint(c.uint(maxUint32))
		case "value":
			a.Value = c.uint(maxUint64)
		case "valueTwo":
			a.ValueTwo = c.uint(maxUint64)
		case "op":
			a.Op = specs.LinuxSeccompOperator(c.string())
		default:
			c.skip()
		}
	}, "index", "value", "op")
	return a
}

func (c *cursor) intelRdt() *specs.LinuxIntelRdt {
	r := new(specs.LinuxIntelRdt)
	c.object(func(name string) {
		switch name {
		case "closID":
			r.ClosID = c.string()
		case "schemata":
			r.Schemata = c.strings()
		case "l3CacheSchema":
			r.L3CacheSchema = c.string()
		case "memBwSchema":
			r.MemBwSchema = c.string()
		case "enableMonitoring":
			r.EnableMonitoring = c.bool()
		default:
			c.skip()
		}
	})
	return r
}

func (c *cursor) memoryPolicy() *specs.LinuxMemoryPolicy {
	p := new(specs.LinuxMemoryPolicy)
	c.object(func(name string) {
		switch name {
		case "mode":
			p.Mode = specs.MemoryPolicyModeType(c.string())
		case "nodes":
			p.Nodes = c.string()
		case "flags":
			p.Flags = words[specs.MemoryPolicyFlagType](c)
		default:
			c.skip()
		}
	}, "mode")
	return p
}

func (c *cursor) personality() *specs.LinuxPersonality {
	p := new(specs.LinuxPersonality)
	c.object(func(name string) {
		switch name {
		case "domain":
			p.Domain = specs.LinuxPersonalityDomain(c.string())
		case "flags":
			p.Flags = words[specs.LinuxPersonalityFlag](c)
		default:
			c.skip()
		}
	}, "domain")
	return p
}
