// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

const schedAttrSize = 56 // SCHED_ATTR_SIZE_VER1, since Linux 5.3

// flagBits is the mask of validated flags, each at its place in names.
func flagBits[T ~string](names []string, flags []T) (mask uint64) {
	for _, f := range flags {
		mask |= 1 << slices.Index(names, string(f))
	}
	return mask
}

// compileScheduling is what the kernel gives the process. Before seccomp,
// whose filter may forbid these calls, and with the capabilities they need.
func (p *process) compileScheduling(linux *specs.Linux, affinity string) {
	if !p.userNS {
		p.compileScheduler()
		p.compileIOPriority()
	}
	if affinity != "" {
		cpus, _ := numberSet(affinity) // validated
		p.b.SchedSetaffinity(plan.At("/process/execCPUAffinity/final"), cpus)
	}
	compileMemoryPolicy(p.b, linux.MemoryPolicy)
	compilePersonality(p.b, linux.Personality)
}

// limits sets the limits, and has the runtime do what only a capability of the
// initial user namespace gives: priorities, and before, hard limits raised.
func (c *Compiled) limits(p *process) {
	c.raises = p.userNS && len(p.spec.Rlimits) > 0
	p.compileRlimits()
	if p.userNS && (p.spec.Scheduler != nil || p.spec.IOPriority != nil) {
		c.wait(p.b, plan.At("/process"), barrierPriorities)
	}
}

// survivesFork refuses a scheduler that the forks after it would not get past:
// those of startContainer hooks and of the built-in init.
func survivesFork(spec *specs.Spec, reap bool) error {
	s, at := spec.Process.Scheduler, plan.At("/process/scheduler")
	if s == nil {
		return nil
	}
	reset := slices.Contains(s.Flags, specs.SchedFlagResetOnFork)
	if reap && (reset || s.Policy == specs.SchedDeadline) {
		return &plan.Error{At: at, Err: errors.New("the built-in init cannot hand SCHED_DEADLINE, or what is reset on fork, on to the payload")}
	}
	if s.Policy == specs.SchedDeadline && !reset && spec.Hooks != nil && len(spec.Hooks.StartContainer) > 0 {
		return &plan.Error{At: at, Err: errors.New("startContainer hooks cannot be forked with SCHED_DEADLINE but without SCHED_FLAG_RESET_ON_FORK")}
	}
	return nil
}

func (p *process) compileScheduler() {
	if s := p.spec.Scheduler; s != nil {
		at := plan.At("/process/scheduler")
		if !carriesNice(s.Policy) {
			p.b.Setpriority(at.Field("nice"), uint64(int64(s.Nice)))
		}
		p.b.SchedSetattr(at, schedAttr(s))
	}
}

// carriesNice reports whether sched_setattr(2) sets the nice value with this
// policy; else it is setpriority(2)'s.
func carriesNice(policy specs.LinuxSchedulerPolicy) bool {
	return policy == specs.SchedOther || policy == specs.SchedBatch
}

// schedAttr is a validated scheduler as struct sched_attr.
func schedAttr(s *specs.Scheduler) []byte {
	le, b := binary.LittleEndian, make([]byte, 0, schedAttrSize)
	b = le.AppendUint32(b, schedAttrSize)
	b = le.AppendUint32(b, uint32(slices.Index(plan.SchedulerPolicies[:], string(s.Policy))))
	b = le.AppendUint64(b, flagBits(plan.SchedulerFlags[:], s.Flags))
	b = le.AppendUint32(b, uint32(s.Nice))
	b = le.AppendUint32(b, uint32(s.Priority))
	b = le.AppendUint64(b, s.Runtime)
	b = le.AppendUint64(b, s.Deadline)
	b = le.AppendUint64(b, s.Period)
	return b[:schedAttrSize] // no utilization clamps: the specification has no field for them
}

func (p *process) compileIOPriority() {
	if io := p.spec.IOPriority; io != nil {
		p.b.IoprioSet(plan.At("/process/ioPriority"), ioPriority(io))
	}
}

func ioPriority(io *specs.LinuxIOPriority) uint64 {
	return uint64(slices.Index(plan.IOClasses[:], string(io.Class))<<plan.IOClassShift | io.Priority)
}

func compileMemoryPolicy(b *plan.Builder, m *specs.LinuxMemoryPolicy) {
	if m == nil {
		return
	}
	nodes, _ := numberSet(m.Nodes) // validated
	mode := uint64(slices.Index(plan.MemoryModes[:], string(m.Mode))) | flagBits(plan.MemoryFlags[:], m.Flags)<<plan.FirstMemoryFlag
	b.SetMempolicy(plan.At("/linux/memoryPolicy"), mode, nodes)
}

func compilePersonality(b *plan.Builder, p *specs.LinuxPersonality) {
	if p == nil {
		return
	}
	persona := uint64(0) // PER_LINUX
	if p.Domain == specs.PerLinux32 {
		persona = 8 // PER_LINUX32
	}
	b.Personality(plan.At("/linux/personality"), persona)
}

// numberSet reads a list of CPUs or of memory nodes such as "0-3,7", with
// blanks allowed around its parts, into a mask of whole 64-bit words. "" is
// the empty set: no words.
func numberSet(text string) (mask []byte, ok bool) {
	if text == "" {
		return nil, true
	}
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(strings.Trim(part, " "), "-")
		if !isRange {
			high = low
		}
		first, err := strconv.ParseUint(low, 10, 16)
		last, err2 := strconv.ParseUint(high, 10, 16)
		if err != nil || err2 != nil || last < first {
			return nil, false
		}
		if need := int(last/64+1) * 8; len(mask) < need {
			mask = append(mask, make([]byte, need-len(mask))...)
		}
		for n := first; n <= last; n++ {
			mask[n/8] |= 1 << (n % 8)
		}
	}
	return mask, true
}

// pinInitial moves the runtime itself to the CPUs of execCPUAffinity.initial,
// from where the executor is cloned into the container's cgroup. The calling
// goroutine stays on its thread.
func pinInitial(a *specs.CPUAffinity) error {
	if a == nil || a.Initial == "" {
		return nil
	}
	mask, _ := numberSet(a.Initial) // validated
	cpus := unix.NewCPUSet(8 * len(mask))
	for i := range 8 * len(mask) {
		if mask[i/8]&(1<<(i%8)) != 0 {
			cpus.Set(i)
		}
	}
	runtime.LockOSThread()
	if err := unix.SchedSetaffinityDynamic(0, cpus); err != nil {
		return &plan.Error{At: plan.At("/process/execCPUAffinity/initial"), Op: "sched_setaffinity " + a.Initial, Err: err, Hint: affinityHint}
	}
	return nil
}

const affinityHint = "none of these CPUs is one the cgroup's cpuset allows"

// prioritize does for a process in a user namespace what takes capabilities of
// the initial one.
func prioritize(pid int, p *specs.Process) error {
	if s := p.Scheduler; s != nil {
		at := plan.At("/process/scheduler")
		if !carriesNice(s.Policy) {
			if err := unix.Setpriority(unix.PRIO_PROCESS, pid, int(s.Nice)); err != nil {
				return &plan.Error{At: at.Field("nice"), Op: "setpriority " + itoa(int64(s.Nice)), Err: err, Hint: schedulerHint(err)}
			}
		}
		attr := unix.SchedAttr{Size: schedAttrSize, Policy: uint32(slices.Index(plan.SchedulerPolicies[:], string(s.Policy))),
			Flags: flagBits(plan.SchedulerFlags[:], s.Flags), Nice: s.Nice, Priority: uint32(s.Priority),
			Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period}
		if err := unix.SchedSetAttr(pid, &attr, 0); err != nil {
			return &plan.Error{At: at, Op: "sched_setattr " + string(s.Policy), Err: err, Hint: schedulerHint(err)}
		}
	}
	if io := p.IOPriority; io != nil {
		const process = 1 // IOPRIO_WHO_PROCESS
		if _, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_SET, process, uintptr(pid), uintptr(ioPriority(io))); errno != 0 {
			return &plan.Error{At: plan.At("/process/ioPriority"), Op: "ioprio_set " + string(io.Class), Err: errno, Hint: ioPriorityHint(errno)}
		}
	}
	return nil
}

func schedulerHint(err error) string {
	switch err {
	case unix.EPERM, unix.EACCES:
		return "this takes CAP_SYS_NICE; a real-time policy also a cgroup v1 cpu.rt_runtime_us above 0, SCHED_DEADLINE all CPUs"
	case unix.EOPNOTSUPP:
		return "the utilization clamps need Linux 5.3 with CONFIG_UCLAMP_TASK"
	case unix.EBUSY:
		return "the machine has no such bandwidth left for SCHED_DEADLINE"
	case unix.EINVAL:
		return "the kernel's limits for SCHED_DEADLINE are in /proc/sys/kernel/sched_deadline_period_{min,max}_us"
	}
	return ""
}

func ioPriorityHint(err error) string {
	if err == unix.EPERM {
		return "IOPRIO_CLASS_RT takes CAP_SYS_NICE or CAP_SYS_ADMIN"
	}
	return ""
}
