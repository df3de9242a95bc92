// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The ranges of numbers in config.json.
const (
	minInt32  = -1 << 31
	maxInt32  = 1<<31 - 1
	maxUint16 = 1<<16 - 1
	maxUint32 = 1<<32 - 1
	minInt64  = -1 << 63
	maxInt64  = 1<<63 - 1
	maxUint64 = 1<<64 - 1
)

func (c *cursor) process() *specs.Process {
	p := new(specs.Process)
	c.object(func(name string) {
		switch name {
		case "terminal":
			p.Terminal = c.bool()
		case "consoleSize":
			p.ConsoleSize = c.box()
		case "user":
			p.User = c.user()
		case "args":
			p.Args = c.strings()
		case "commandLine":
			p.CommandLine = c.string()
		case "env":
			p.Env = c.strings()
		case "cwd":
			p.Cwd = c.string()
		case "capabilities":
			p.Capabilities = c.capabilities()
		case "rlimits":
			p.Rlimits = list(c, c.rlimit)
		case "noNewPrivileges":
			p.NoNewPrivileges = c.bool()
		case "apparmorProfile":
			p.ApparmorProfile = c.string()
		case "oomScoreAdj":
			p.OOMScoreAdj = new(int(c.int(minInt32, maxInt32)))
		case "scheduler":
			p.Scheduler = c.scheduler()
		case "selinuxLabel":
			p.SelinuxLabel = c.string()
		case "ioPriority":
			p.IOPriority = c.ioPriority()
		case "execCPUAffinity":
			p.ExecCPUAffinity = c.cpuAffinity()
		default:
			c.skip()
		}
	}, "cwd")
	return p
}

func (c *cursor) box() *specs.Box {
	b := new(specs.Box)
	c.object(func(name string) {
		switch name {
		case "height":
			b.Height = uint(c.uint(maxUint32))
		case "width":
			b.Width = uint(c.uint(maxUint32))
		default:
			c.skip()
		}
	}, "height", "width")
	return b
}

func (c *cursor) user() (u specs.User) {
	c.object(func(name string) {
		switch name {
		case "uid":
			u.UID = c.id()
		case "gid":
			u.GID = c.id()
		case "umask":
			u.Umask = new(uint32(c.uint(maxUint32)))
		case "additionalGids":
			u.AdditionalGids = list(c, c.id)
		case "username":
			u.Username = c.string()
		default:
			c.skip()
		}
	}, "uid", "gid")
	return u
}

// id reads a user's or group's number. Defence against CVE-2024-40635: a
// number that does not fit must not wrap round to root.
func (c *cursor) id() uint32 { return uint32(c.uint(maxID)) }

func (c *cursor) capabilities() *specs.LinuxCapabilities {
	s := new(specs.LinuxCapabilities)
	c.object(func(name string) {
		switch name {
		case "bounding":
			s.Bounding = c.strings()
		case "effective":
			s.Effective = c.strings()
		case "inheritable":
			s.Inheritable = c.strings()
		case "permitted":
			s.Permitted = c.strings()
		case "ambient":
			s.Ambient = c.strings()
		default:
			c.skip()
		}
	})
	return s
}

func (c *cursor) rlimit() (l specs.POSIXRlimit) {
	c.object(func(name string) {
		switch name {
		case "type":
			l.Type = c.string()
		case "soft":
			l.Soft = c.uint(maxUint64)
		case "hard":
			l.Hard = c.uint(maxUint64)
		default:
			c.skip()
		}
	}, "type", "soft", "hard")
	return l
}

func (c *cursor) scheduler() *specs.Scheduler {
	s := new(specs.Scheduler)
	c.object(func(name string) {
		switch name {
		case "policy":
			s.Policy = specs.LinuxSchedulerPolicy(c.string())
		case "nice":
			s.Nice = int32(c.int(minInt32, maxInt32))
		case "priority":
			s.Priority = int32(c.int(minInt32, maxInt32))
		case "flags":
			s.Flags = words[specs.LinuxSchedulerFlag](c)
		case "runtime":
			s.Runtime = c.uint(maxUint64)
		case "deadline":
			s.Deadline = c.uint(maxUint64)
		case "period":
			s.Period = c.uint(maxUint64)
		default:
			c.skip()
		}
	}, "policy")
	return s
}

func (c *cursor) ioPriority() *specs.LinuxIOPriority {
	p := new(specs.LinuxIOPriority)
	c.object(func(name string) {
		switch name {
		case "class":
			p.Class = specs.IOPriorityClass(c.string())
		case "priority":
			p.Priority = int(c.int(minInt32, maxInt32))
		default:
			c.skip()
		}
	}, "class")
	return p
}

func (c *cursor) cpuAffinity() *specs.CPUAffinity {
	a := new(specs.CPUAffinity)
	c.object(func(name string) {
		switch name {
		case "initial":
			a.Initial = c.string()
		case "final":
			a.Final = c.string()
		default:
			c.skip()
		}
	})
	return a
}
