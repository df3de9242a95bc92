// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// validateLinuxProcess checks what only Linux has of a process section.
func validateLinuxProcess(at plan.Pointer, p *specs.Process) error {
	if p.Scheduler != nil {
		if err := validateScheduler(at.Field("scheduler"), p.Scheduler); err != nil {
			return err
		}
	}
	if io := p.IOPriority; io != nil {
		at := at.Field("ioPriority")
		if io.Class == "" || !slices.Contains(plan.IOClasses[:], string(io.Class)) {
			return refuse(at.Field("class"), "want one of %s, got %q", strings.Join(plan.IOClasses[1:], ", "), clip(string(io.Class)))
		}
		if io.Priority < 0 || io.Priority > 7 {
			return refuse(at.Field("priority"), "want 0 to 7, got %d", io.Priority)
		}
	}
	if a := p.ExecCPUAffinity; a != nil {
		if err := validateSet(at.Field("execCPUAffinity").Field("initial"), a.Initial); err != nil {
			return err
		}
		if err := validateSet(at.Field("execCPUAffinity").Field("final"), a.Final); err != nil {
			return err
		}
	}
	if err := validateLabel(at.Field("apparmorProfile"), p.ApparmorProfile); err != nil {
		return err
	}
	if l := p.SelinuxLabel; l != "" && strings.Count(l, ":") < 2 {
		return refuse(at.Field("selinuxLabel"), "want user:role:type[:level], got %q", clip(l))
	}
	return validateLabel(at.Field("selinuxLabel"), p.SelinuxLabel)
}

// validateScheduler checks it as sched_setattr(2) has it, but refuses what that
// would ignore.
func validateScheduler(at plan.Pointer, s *specs.Scheduler) error {
	deadline := s.Policy == specs.SchedDeadline
	realTime := s.Policy == specs.SchedFIFO || s.Policy == specs.SchedRR
	for i, f := range s.Flags {
		at := at.Field("flags").Index(i)
		if !slices.Contains(plan.SchedulerFlags[:], string(f)) {
			return refuse(at, "unknown flag %q", clip(string(f)))
		}
		if !deadline && (f == specs.SchedFlagReclaim || f == specs.SchedFlagDLOverrun) {
			return refuse(at, "only SCHED_DEADLINE has %s", f)
		}
	}
	switch {
	case !slices.Contains(plan.SchedulerPolicies[:], string(s.Policy)):
		return refuse(at.Field("policy"), "want one of %s, got %q", strings.Join(plan.SchedulerPolicies[:], ", "), clip(string(s.Policy)))
	case s.Policy == specs.SchedISO:
		return refuse(at.Field("policy"), "no kernel has SCHED_ISO: its number is reserved")
	case s.Nice < -20 || s.Nice > 19:
		return refuse(at.Field("nice"), "want -20 to 19, got %d", s.Nice)
	case realTime && (s.Priority < 1 || s.Priority > 99):
		return refuse(at.Field("priority"), "want 1 to 99 with %s, got %d", s.Policy, s.Priority)
	case !realTime && s.Priority != 0:
		return refuse(at.Field("priority"), "only SCHED_FIFO and SCHED_RR have one")
	case deadline:
		return validateDeadline(at, s)
	case s.Runtime != 0:
		return refuse(at.Field("runtime"), "only SCHED_DEADLINE has one")
	case s.Deadline != 0:
		return refuse(at.Field("deadline"), "only SCHED_DEADLINE has one")
	case s.Period != 0:
		return refuse(at.Field("period"), "only SCHED_DEADLINE has one")
	}
	return nil
}

// validateDeadline: runtime <= deadline <= period, where no period is the
// deadline. Nanoseconds.
func validateDeadline(at plan.Pointer, s *specs.Scheduler) error {
	switch {
	case s.Runtime < 1024:
		return refuse(at.Field("runtime"), "want at least 1024 ns, got %d", s.Runtime)
	case s.Deadline < s.Runtime || s.Deadline > maxInt64:
		return refuse(at.Field("deadline"), "want at least the runtime %d, got %d", s.Runtime, s.Deadline)
	case s.Period != 0 && (s.Period < s.Deadline || s.Period > maxInt64):
		return refuse(at.Field("period"), "want 0 or at least the deadline %d, got %d", s.Deadline, s.Period)
	}
	return nil
}

// validateSet checks a list for numberSet.
func validateSet(at plan.Pointer, list string) error {
	if _, ok := numberSet(list); !ok {
		return refuse(at, "want numbers and ranges up to 65535 such as 0-3,7, got %q", clip(list))
	}
	return nil
}

// validateLabel: one write of one page holds it, and nothing else.
func validateLabel(at plan.Pointer, label string) error {
	if len(label) > 4000 {
		return refuse(at, "longer than 4000 bytes")
	}
	if strings.TrimSpace(label) != label || strings.IndexFunc(label, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
		return refuse(at, "want no blanks around it and no control characters, got %q", clip(label))
	}
	return nil
}

func validateMemoryPolicy(at plan.Pointer, m *specs.LinuxMemoryPolicy) error {
	if m == nil {
		return nil
	}
	if !slices.Contains(plan.MemoryModes[:], string(m.Mode)) {
		return refuse(at.Field("mode"), "want one of %s, got %q", strings.Join(plan.MemoryModes[:], ", "), clip(string(m.Mode)))
	}
	if err := validateSet(at.Field("nodes"), m.Nodes); err != nil {
		return err
	}
	none := m.Mode == specs.MpolDefault || m.Mode == specs.MpolLocal
	switch {
	case none && m.Nodes != "":
		return refuse(at.Field("nodes"), "%s has no nodes", m.Mode)
	case !none && m.Nodes == "" && m.Mode != specs.MpolPreferred:
		return refuse(at.Field("nodes"), "%s needs at least one node", m.Mode)
	}
	for i, f := range m.Flags {
		at := at.Field("flags").Index(i)
		switch {
		case !slices.Contains(plan.MemoryFlags[:], string(f)):
			return refuse(at, "unknown flag %q", clip(string(f)))
		case f == specs.MpolFNumaBalancing && m.Mode != specs.MpolBind && m.Mode != specs.MpolPreferredMany:
			return refuse(at, "only MPOL_BIND and MPOL_PREFERRED_MANY have %s", f)
		case f != specs.MpolFNumaBalancing && m.Nodes == "":
			return refuse(at, "%s needs nodes", f)
		case f == specs.MpolFStaticNodes && slices.Contains(m.Flags, specs.MpolFRelativeNodes):
			return refuse(at, "excludes MPOL_F_RELATIVE_NODES")
		}
	}
	return nil
}

func validatePersonality(at plan.Pointer, p *specs.LinuxPersonality) error {
	switch {
	case p == nil:
	case p.Domain != specs.PerLinux && p.Domain != specs.PerLinux32:
		return refuse(at.Field("domain"), "want LINUX or LINUX32, got %q", clip(string(p.Domain)))
	case len(p.Flags) > 0:
		return refuse(at.Field("flags").Index(0), "the specification has no flags yet, got %q", clip(string(p.Flags[0])))
	}
	return nil
}
