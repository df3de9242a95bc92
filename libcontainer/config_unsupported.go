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

// unsupported refuses what corten would have to ignore.
func unsupported(s *specs.Spec) error {
	l := s.Linux
	if l == nil {
		l = new(specs.Linux)
	}
	if s.Process != nil {
		if err := unsupportedProcess(document.Field("process"), s.Process); err != nil {
			return err
		}
	}
	return refuseAsked(document.Field("linux"),
		asked{"memoryPolicy", l.MemoryPolicy != nil},
		asked{"personality", l.Personality != nil},
	)
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

// refuseAsked refuses the first field asked for, a member of what at points to.
func refuseAsked(at plan.Pointer, fields ...asked) error {
	for _, f := range fields {
		if f.yes {
			return &plan.Error{At: at.Field(f.field), Err: errUnsupported}
		}
	}
	return nil
}
