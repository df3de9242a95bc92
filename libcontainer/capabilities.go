// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// capabilitySets are the five sets of a process, bit n for capability n.
type capabilitySets struct {
	bounding, effective, permitted, inheritable, ambient uint64
}

// capabilities turns names into sets. What is unknown, or not in available and
// so cannot be granted, is left out and named in the warnings (runtime-spec,
// config.md: "MUST log a warning"). Ambient ones outside permitted and
// inheritable are left out, too: the kernel would refuse them.
func capabilities(c *specs.LinuxCapabilities, available uint64) (sets capabilitySets, warnings []string) {
	if c == nil {
		return
	}
	read := func(set string, names []string) (mask uint64) {
		for _, name := range names {
			bit := capabilityBit(name)
			switch {
			case bit == 0:
				warnings = append(warnings, "process.capabilities."+set+": unknown capability "+name+" ignored")
			case bit&available == 0:
				warnings = append(warnings, "process.capabilities."+set+": "+name+" cannot be granted and is ignored")
			}
			mask |= bit & available
		}
		return
	}
	sets = capabilitySets{read("bounding", c.Bounding), read("effective", c.Effective), read("permitted", c.Permitted),
		read("inheritable", c.Inheritable), read("ambient", c.Ambient)}
	if extra := sets.effective &^ sets.permitted; extra != 0 {
		warnings = append(warnings, "process.capabilities.effective: not permitted, so ignored: "+plan.CapabilityList(extra))
		sets.effective &= sets.permitted
	}
	if extra := sets.ambient &^ (sets.permitted & sets.inheritable); extra != 0 {
		warnings = append(warnings, "process.capabilities.ambient: not permitted and inheritable, so ignored: "+plan.CapabilityList(extra))
		sets.ambient &= sets.permitted & sets.inheritable
	}
	return
}

// capabilityBit is the set of the one named capability, 0 if there is none.
func capabilityBit(name string) uint64 {
	short, ok := strings.CutPrefix(strings.ToUpper(name), "CAP_")
	if !ok {
		return 0
	}
	for i, n := range plan.Capabilities {
		if n == short {
			return 1 << i
		}
	}
	return 0
}
