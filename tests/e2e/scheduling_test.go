// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// withoutCPUController is a view in which the container does not get a cgroup
// of version 1's cpu controller: with CONFIG_RT_GROUP_SCHED a new one has no
// budget for real-time policies.
func withoutCPUController() bundle.View {
	views := bundle.Views()
	return views[len(views)-1]
}

var schedulers = []struct {
	scheduler specs.Scheduler
	want      bundle.Scheduling // of the fields compared
}{
	{specs.Scheduler{Policy: specs.SchedOther, Nice: 7}, bundle.Scheduling{Policy: unix.SCHED_NORMAL, Nice: 7}},
	{specs.Scheduler{Policy: specs.SchedOther, Nice: -7}, bundle.Scheduling{Policy: unix.SCHED_NORMAL, Nice: -7}},
	{specs.Scheduler{Policy: specs.SchedBatch, Nice: 19}, bundle.Scheduling{Policy: unix.SCHED_BATCH, Nice: 19}},
	{specs.Scheduler{Policy: specs.SchedIdle}, bundle.Scheduling{Policy: unix.SCHED_IDLE}},
	{specs.Scheduler{Policy: specs.SchedIdle, Nice: 3}, bundle.Scheduling{Policy: unix.SCHED_IDLE, Nice: 3}},
	{specs.Scheduler{Policy: specs.SchedFIFO, Priority: 1}, bundle.Scheduling{Policy: unix.SCHED_FIFO, Priority: 1}},
	{specs.Scheduler{Policy: specs.SchedFIFO, Priority: 99, Nice: -20}, bundle.Scheduling{Policy: unix.SCHED_FIFO, Priority: 99, Nice: -20}},
	{specs.Scheduler{Policy: specs.SchedRR, Priority: 50, Nice: 5}, bundle.Scheduling{Policy: unix.SCHED_RR, Priority: 50, Nice: 5}},
	{specs.Scheduler{Policy: specs.SchedBatch, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}},
		bundle.Scheduling{Policy: unix.SCHED_BATCH, Flags: unix.SCHED_FLAG_RESET_ON_FORK}},
	{specs.Scheduler{Policy: specs.SchedBatch, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagKeepPolicy}}, bundle.Scheduling{Policy: unix.SCHED_NORMAL}},
	{specs.Scheduler{Policy: specs.SchedBatch, Nice: 9, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagKeepParams}}, bundle.Scheduling{Policy: unix.SCHED_NORMAL}},
	{specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 1000000, Deadline: 10000000, Period: 20000000, Nice: 19},
		bundle.Scheduling{Policy: unix.SCHED_DEADLINE, Runtime: 1000000, Deadline: 10000000, Period: 20000000, Nice: 19}},
	{specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 1000000, Deadline: 10000000,
		Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork, specs.SchedFlagReclaim, specs.SchedFlagDLOverrun}},
		bundle.Scheduling{Policy: unix.SCHED_DEADLINE, Runtime: 1000000, Deadline: 10000000, Period: 10000000,
			Flags: unix.SCHED_FLAG_RESET_ON_FORK | unix.SCHED_FLAG_RECLAIM | unix.SCHED_FLAG_DL_OVERRUN}},
}

// schedule compares the part of got that the scheduler sets.
func schedule(t *testing.T, got, want bundle.Scheduling) {
	t.Helper()
	got.IOPrio, got.CPUs, got.Mode, got.Nodes = 0, 0, 0, 0
	if got.Policy != unix.SCHED_DEADLINE {
		got.Runtime = 0 // since Linux 6.12 the slice of the fair policies
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// spec: process.scheduler.policy, process.scheduler.nice, process.scheduler.priority, process.scheduler.flags,
// spec: process.scheduler.runtime, process.scheduler.deadline, process.scheduler.period
func TestTheSchedulerIsThePayloads(t *testing.T) {
	for _, c := range schedulers {
		for _, userNS := range []bool{false, true} {
			text, _ := json.Marshal(c.scheduler)
			t.Run(fmt.Sprintf("%s userns %v", text, userNS), func(t *testing.T) {
				edits := []bundle.Edit{bundle.Probe(), func(s *specs.Spec) { s.Process.Scheduler = &c.scheduler }}
				if userNS {
					edits = append(edits, bundle.UserNamespace(100000))
				}
				b := bundle.New(t, edits...)
				b.View = withoutCPUController()
				schedule(t, b.Report().Scheduling, c.want)
				b = bundle.New(t, edits...)
				b.View = withoutCPUController()
				b.Create() // a deadline executor passes the gate, too
				b.Start()
				if !bundle.Eventually(func() bool { return strings.HasSuffix(b.Output(1), "\n") }) {
					t.Fatal("no report")
				}
				schedule(t, bundle.ParseReport(t, b.Output(1)).Scheduling, c.want)
			})
		}
	}
}

// The lowering of a scheduler that corten was started with is none of the
// payload's where the config says otherwise.
//
// spec: process.scheduler.nice
func TestANiceValueOfZeroIsAValue(t *testing.T) {
	for _, policy := range []specs.LinuxSchedulerPolicy{specs.SchedOther, specs.SchedIdle} {
		b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Process.Scheduler = &specs.Scheduler{Policy: policy} })
		r := b.CortenWith(bundle.Options{Wrap: []string{"nice", "-n", "5"}}, "run", "--bundle", b.Dir, b.ID).OK(b)
		if got := bundle.ParseReport(t, r.Stdout).Scheduling.Nice; got != 0 {
			t.Errorf("%s: nice %d, want 0", policy, got)
		}
	}
}

// spec: process.scheduler.flags
func TestUtilizationClampsNeedAKernelThatHasThem(t *testing.T) {
	for _, flag := range []specs.LinuxSchedulerFlag{specs.SchedFlagUtilClampMin, specs.SchedFlagUtilClampMax} {
		b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) {
			s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedOther, Flags: []specs.LinuxSchedulerFlag{flag}}
		})
		r := b.Run()
		if r.Status == 0 {
			if got := bundle.ParseReport(t, r.Stdout).Scheduling.Flags; got&(unix.SCHED_FLAG_UTIL_CLAMP_MIN|unix.SCHED_FLAG_UTIL_CLAMP_MAX) == 0 {
				t.Errorf("flags %#x", got)
			}
			continue
		}
		if !strings.Contains(r.Stderr, "config.json#/process/scheduler: sched_setattr") || !strings.Contains(r.Stderr, "CONFIG_UCLAMP_TASK") {
			t.Errorf("%s", r.Stderr)
		}
	}
}

// spec: process.scheduler.policy
func TestASchedulerThatNoForkSurvivesIsRefused(t *testing.T) {
	deadline := &specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 1000000, Deadline: 10000000}
	for name, edit := range map[string]bundle.Edit{
		"init":  func(s *specs.Spec) { s.Annotations = map[string]string{"corten.init": "true"} },
		"hooks": func(s *specs.Spec) { s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/true"}}} },
	} {
		b := bundle.New(t, bundle.Probe(), edit, func(s *specs.Spec) { s.Process.Scheduler = deadline })
		if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/process/scheduler: ") {
			t.Errorf("%s: status %d, %s", name, r.Status, r.Stderr)
		}
	}
}

// spec: process.ioPriority.class, process.ioPriority.priority
func TestTheIOPriorityIsThePayloads(t *testing.T) {
	for class, number := range map[specs.IOPriorityClass]int{specs.IOPRIO_CLASS_RT: 1, specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3} {
		for _, priority := range []int{0, 3, 7} {
			for _, userNS := range []bool{false, true} {
				edits := []bundle.Edit{bundle.Probe(), func(s *specs.Spec) { s.Process.IOPriority = &specs.LinuxIOPriority{Class: class, Priority: priority} }}
				if userNS {
					edits = append(edits, bundle.UserNamespace(100000))
				}
				if got := bundle.New(t, edits...).Report().Scheduling.IOPrio; got != number<<13|priority {
					t.Errorf("%s %d, user namespace %v: ioprio %#x", class, priority, userNS, got)
				}
			}
		}
	}
}

// spec: process.execCPUAffinity.initial, process.execCPUAffinity.final
func TestExecRunsOnItsCPUs(t *testing.T) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil || !all.IsSet(0) || !all.IsSet(1) {
		t.Skip("the machine has less than two CPUs")
	}
	b := running(t)
	before := bundle.ParseReport(t, b.Exec("ID", "probe").OK(b).Stdout).Scheduling.CPUs
	for _, c := range []struct {
		affinity specs.CPUAffinity
		want     uint64
	}{
		{specs.CPUAffinity{}, before},
		{specs.CPUAffinity{Final: "1"}, 2},
		{specs.CPUAffinity{Final: "0"}, 1},
		{specs.CPUAffinity{Final: "0-1"}, 3},
		{specs.CPUAffinity{Final: " 0 , 1-1,5000"}, 3}, // beyond 1,024: no CPU of this machine
		{specs.CPUAffinity{Initial: "1"}, 2},
		{specs.CPUAffinity{Initial: "1", Final: "0"}, 1},
		{specs.CPUAffinity{Initial: "0-1,2000", Final: "1"}, 2},
	} {
		process := bundle.Base().Process
		process.Args, process.ExecCPUAffinity = []string{"probe"}, &c.affinity
		r := b.Exec("--process", processFile(t, b, process), "ID").OK(b)
		if got := bundle.ParseReport(t, r.Stdout).Scheduling.CPUs; got != c.want && (c.affinity.Final != "" || got != before) {
			// Before 6.2 what a process asked for ends when it changes its cgroup.
			t.Errorf("%+v: CPUs %#x, want %#x", c.affinity, got, c.want)
		}
	}
	for field, affinity := range map[string]specs.CPUAffinity{"initial": {Initial: "4000"}, "final": {Final: "4000"}} {
		process := bundle.Base().Process
		process.Args, process.ExecCPUAffinity = []string{"probe"}, &affinity
		r := b.Exec("--process", processFile(t, b, process), "ID")
		if r.Status != 255 || !strings.Contains(r.Stderr, "/process/execCPUAffinity/"+field+": sched_setaffinity") {
			t.Errorf("%s: status %d, %s", field, r.Status, r.Stderr)
		}
	}
}

// The specification: not applicable to the container's init process; the
// container's own process section is what exec without --process uses.
//
// spec: process.execCPUAffinity.final
func TestOnlyExecHasAnAffinity(t *testing.T) {
	b := bundle.New(t, bundle.Shell("probe; exec sleep 100"), func(s *specs.Spec) { s.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0", Final: "0"} })
	b.Detach()
	if !bundle.Eventually(func() bool { return strings.HasSuffix(b.Output(0), "\n") }) {
		t.Fatal("no report")
	}
	var mine unix.CPUSet
	if err := unix.SchedGetaffinity(0, &mine); err != nil {
		t.Fatal(err)
	}
	if got := bundle.ParseReport(t, b.Output(0)).Scheduling.CPUs; got != uint64(mine[0]) {
		t.Errorf("init: CPUs %#x, want %#x", got, mine[0])
	}
	if got := bundle.ParseReport(t, b.Exec("ID", "probe").OK(b).Stdout).Scheduling.CPUs; got != 1 {
		t.Errorf("exec: CPUs %#x, want 1", got)
	}
}

// processFile is a file for exec's --process.
func processFile(t *testing.T, b *bundle.Bundle, p *specs.Process) string {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	name := b.Home + "/process.json"
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// spec: linux.personality.domain, linux.personality.flags
func TestThePersonalityIsThePayloads(t *testing.T) {
	for domain, want := range map[specs.LinuxPersonalityDomain]int{specs.PerLinux: 0, specs.PerLinux32: 8} {
		b := bundle.New(t, bundle.Probe("pause"), func(s *specs.Spec) { s.Linux.Personality = &specs.LinuxPersonality{Domain: domain} })
		// setarch hands its own to all it starts.
		b.CortenWith(bundle.Options{Wrap: []string{"setarch", "--uname-2.6", "--addr-no-randomize"}}, "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
		r := bundle.ParseReport(t, b.Exec("ID", "probe").OK(b).Stdout)
		if r.Personality != want || domain == specs.PerLinux32 && strings.Contains(r.Machine, "64") {
			t.Errorf("%s: personality %#x, machine %s", domain, r.Personality, r.Machine)
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/personality", b.State().PID))
		if err != nil || strings.Trim(string(text), "0\n") != strings.Trim(fmt.Sprint(want), "0") {
			t.Errorf("%s: the container's is %s %v", domain, text, err)
		}
	}
	b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) {
		s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux, Flags: []specs.LinuxPersonalityFlag{"ADDR_NO_RANDOMIZE"}}
	})
	if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/linux/personality/flags/0: ") {
		t.Errorf("flags: status %d, %s", r.Status, r.Stderr)
	}
}

// spec: linux.memoryPolicy.mode, linux.memoryPolicy.nodes, linux.memoryPolicy.flags
func TestTheMemoryPolicyIsThePayloads(t *testing.T) {
	const static, relative, balancing = 1 << 15, 1 << 14, 1 << 13
	for _, c := range []struct {
		mode  specs.MemoryPolicyModeType
		nodes string
		flags []specs.MemoryPolicyFlagType
		want  int
		mask  uint64
	}{
		{specs.MpolDefault, "", nil, 0, 0},
		{specs.MpolPreferred, "0", nil, 1, 1},
		{specs.MpolPreferred, "", nil, 4, 0}, // the kernel has it as local
		{specs.MpolBind, "0", nil, 2, 1},
		{specs.MpolInterleave, "0-0", nil, 3, 1},
		{specs.MpolLocal, "", nil, 4, 0},
		{specs.MpolPreferredMany, "0", nil, 5, 1},
		{specs.MpolWeightedInterleave, "0", nil, 6, 1},
		{specs.MpolBind, "0,3", []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}, 2 | static, 1},
		{specs.MpolInterleave, "0", []specs.MemoryPolicyFlagType{specs.MpolFRelativeNodes}, 3 | relative, 1},
		{specs.MpolBind, "0", []specs.MemoryPolicyFlagType{specs.MpolFNumaBalancing}, 2 | balancing, 1},
		{specs.MpolBind, "0", []specs.MemoryPolicyFlagType{specs.MpolFNumaBalancing, specs.MpolFStaticNodes}, 2 | balancing | static, 1},
	} {
		policy := &specs.LinuxMemoryPolicy{Mode: c.mode, Nodes: c.nodes, Flags: c.flags}
		b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Linux.MemoryPolicy = policy })
		r := b.Run()
		if r.Status != 0 {
			if !strings.Contains(r.Stderr, "config.json#/linux/memoryPolicy: set_mempolicy") {
				t.Errorf("%+v: %s", policy, r.Stderr)
			}
			if strings.Contains(r.Stderr, "CONFIG_NUMA") {
				t.Skip("the kernel has no CONFIG_NUMA")
			}
			if !olderThan(6, 11) {
				t.Errorf("%+v: %s", policy, r.Stderr)
			}
			continue
		}
		// MPOL_F_NUMA_BALANCING shows itself as the kernel's own flags do.
		got := bundle.ParseReport(t, r.Stdout).Scheduling
		if got.Mode != c.want || got.Nodes&1 != c.mask {
			t.Errorf("%+v: mode %#x nodes %#x, want %#x and %#x", policy, got.Mode, got.Nodes, c.want, c.mask)
		}
	}
	b := running(t, func(s *specs.Spec) { s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0"} })
	if got := bundle.ParseReport(t, b.Exec("ID", "probe").OK(b).Stdout).Scheduling.Mode; got != 2 {
		t.Errorf("exec: mode %d, want 2", got)
	}
	b = bundle.New(t, bundle.Probe(), func(s *specs.Spec) {
		s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "63"}
	})
	if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/linux/memoryPolicy: set_mempolicy MPOL_BIND {63}: invalid argument") {
		t.Errorf("a node that is not there: status %d, %s", r.Status, r.Stderr)
	}
}

// olderThan compares the kernel's release.
func olderThan(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var x, y int
	fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &x, &y)
	return x < major || x == major && y < minor
}

// A filter that forbids the calls comes after them.
//
// spec: process.scheduler.policy, process.ioPriority.class, linux.memoryPolicy.mode, linux.personality.domain
func TestTheFilterDoesNotForbidWhatTheConfigurationAsks(t *testing.T) {
	for _, nnp := range []bool{false, true} {
		b := bundle.New(t, bundle.Probe("pause"), func(s *specs.Spec) {
			s.Process.NoNewPrivileges = nnp
			s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 4}
			s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE}
			s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolLocal}
		}, bundle.Seccomp(specs.LinuxSyscall{Names: []string{"sched_setattr", "setpriority", "ioprio_set", "personality", "set_mempolicy"}, Action: specs.ActKillProcess}))
		b.Detach()
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/personality", b.State().PID))
		if err != nil || strings.TrimSpace(string(text)) != "00000008" {
			t.Errorf("no new privileges %v: personality %s %v", nnp, text, err)
		}
	}
}

// Go's start is kept on one processor. The payload has the caller's choice, and
// where there is none the cpuset's, though that has more than the caller's.
func TestThePayloadMayRunWhereTheCallerOrItsCpusetLetsIt(t *testing.T) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil || !all.IsSet(0) || !all.IsSet(1) {
		t.Skip("the machine has less than two CPUs")
	}
	cpus := func(b *bundle.Bundle, o bundle.Options) string {
		return bundle.ParseReport(t, b.CortenWith(o, "run", "--bundle", b.Dir, b.ID).OK(b).Stdout).Status("Cpus_allowed_list")
	}
	t.Run("caller", func(t *testing.T) {
		var u unix.Utsname
		var major, minor int
		if err := unix.Uname(&u); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil || major < 6 || major == 6 && minor < 2 {
			t.Skip("before Linux 6.2 a process that is moved to another cpuset has all of its processors")
		}
		for _, want := range []string{"0", "1", "0-1"} {
			b := bundle.New(t, bundle.Probe())
			if got := cpus(b, bundle.Options{Wrap: []string{"taskset", "-c", want}}); got != want {
				t.Errorf("caller's %s: the payload may run on %s", want, got)
			}
		}
	})
	t.Run("cpuset", func(t *testing.T) {
		groups := bundle.Delegate(t, 0)
		narrow := false
		for _, g := range groups {
			narrow = os.WriteFile(filepath.Join(g, "cpuset.cpus"), []byte("0"), 0) == nil || narrow
		}
		if !narrow {
			t.Skip("this kernel's cgroup hierarchies have no cpuset controller where the runtime can be put")
		}
		b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) {
			s.Linux.CgroupsPath = "/" + filepath.Base(groups[0]) + "-wide"
			s.Linux.Resources.CPU = &specs.LinuxCPU{Cpus: "0-1", Mems: "0"}
		})
		b.In(groups...)
		if got := cpus(b, bundle.Options{}); got != "0-1" {
			t.Errorf("the payload may run on %s", got)
		}
	})
}
