// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

var errUnsupported = errors.New("not supported by corten yet")

// asked is a field of config.json and whether the document asks for something
// there. Engines write many an empty object; those ask for nothing.
type asked struct {
	field string
	yes   bool
}

// unsupported refuses what corten would have to ignore. Sections of other
// platforms are no such thing, they say nothing about Linux; but who asks for
// a virtual machine must not be given a container.
func unsupported(s *specs.Spec) error {
	l, r := s.Linux, (*specs.LinuxResources)(nil)
	if l == nil {
		l = new(specs.Linux)
	}
	if r = l.Resources; r == nil {
		r = new(specs.LinuxResources)
	}
	if err := refuseAsked(document,
		asked{"vm", s.VM != nil},
	); err != nil {
		return err
	}
	if err := unsupportedProcess(document.Field("process"), s.Process); err != nil {
		return err
	}
	for i := range s.Mounts {
		if m := &s.Mounts[i]; len(m.UIDMappings)+len(m.GIDMappings) > 0 {
			return refuseAsked(document.Field("mounts").Index(i),
				asked{"uidMappings", len(m.UIDMappings) > 0},
				asked{"gidMappings", true})
		}
	}
	if err := refuseAsked(document.Field("linux"),
		asked{"netDevices", len(l.NetDevices) > 0},
		asked{"mountLabel", l.MountLabel != ""},
		asked{"intelRdt", l.IntelRdt != nil},
		asked{"memoryPolicy", l.MemoryPolicy != nil},
		asked{"personality", l.Personality != nil},
	); err != nil {
		return err
	}
	if err := refuseAsked(document.Field("linux").Field("resources"),
		asked{"blockIO", asksBlockIO(r.BlockIO)},
		asked{"hugepageLimits", len(r.HugepageLimits) > 0},
		asked{"network", asksNetwork(r.Network)},
		asked{"rdma", len(r.Rdma) > 0},
		asked{"unified", len(r.Unified) > 0},
	); err != nil {
		return err
	}
	return unsupportedSeccomp(document.Field("linux").Field("seccomp"), l.Seccomp)
}

func unsupportedProcess(at plan.Pointer, p *specs.Process) error {
	a := p.ExecCPUAffinity
	return refuseAsked(at,
		asked{"scheduler", p.Scheduler != nil},
		asked{"ioPriority", p.IOPriority != nil},
		asked{"execCPUAffinity", a != nil && a.Initial+a.Final != ""},
		asked{"apparmorProfile", p.ApparmorProfile != ""},
		asked{"selinuxLabel", p.SelinuxLabel != ""})
}

func unsupportedSeccomp(at plan.Pointer, s *specs.LinuxSeccomp) error {
	if s == nil {
		return nil
	}
	for i := range s.Syscalls {
		if s.Syscalls[i].Action == specs.ActNotify {
			return refuseAsked(at.Field("syscalls").Index(i), asked{"action", true})
		}
	}
	return refuseAsked(at,
		asked{"defaultAction", s.DefaultAction == specs.ActNotify},
		asked{"listenerPath", s.ListenerPath != ""},
		asked{"listenerMetadata", s.ListenerMetadata != ""})
}

func asksBlockIO(b *specs.LinuxBlockIO) bool {
	return b != nil && (b.Weight != nil && *b.Weight != 0 || b.LeafWeight != nil && *b.LeafWeight != 0 ||
		len(b.WeightDevice)+len(b.ThrottleReadBpsDevice)+len(b.ThrottleWriteBpsDevice)+
			len(b.ThrottleReadIOPSDevice)+len(b.ThrottleWriteIOPSDevice) > 0)
}

func asksNetwork(n *specs.LinuxNetwork) bool {
	return n != nil && (n.ClassID != nil && *n.ClassID != 0 || len(n.Priorities) > 0)
}

// refuseAsked refuses the first field asked for, a member of what at points to.
func refuseAsked(at plan.Pointer, fields ...asked) error {
	for _, f := range fields {
		if f.yes {
			return &plan.Error{At: at.Field(f.field), Err: errUnsupported}
		}
	}
	return nil
}
