// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// Hosts, as Probe would describe them.
func unifiedHost(controllers ...string) *Host {
	return &Host{Mode: Unified, Controllers: controllers,
		Hierarchies: []Hierarchy{{Mount: "/sys/fs/cgroup", V2: true, Own: "/user.slice/session-1.scope", Root: "/"}}}
}

func legacyHost(more ...string) *Host {
	h := &Host{Mode: Legacy, Hierarchies: []Hierarchy{
		{Mount: "/sys/fs/cgroup/freezer", Controllers: []string{"freezer"}, Own: "/", Root: "/"},
		{Mount: "/sys/fs/cgroup/cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}, Own: "/a/b", Root: "/"},
		{Mount: "/sys/fs/cgroup/memory", Controllers: []string{"memory"}, Own: "/docker/12", Root: "/docker/12"},
		{Mount: "/sys/fs/cgroup/cpuset", Controllers: []string{"cpuset"}, Own: "/docker/12/x", Root: "/docker/12"},
		{Mount: "/sys/fs/cgroup/pids", Controllers: []string{"pids"}, Own: "/../..", Root: "/"},
		{Mount: "/sys/fs/cgroup/devices", Controllers: []string{"devices"}, Own: "/", Root: "/"},
		{Mount: "/sys/fs/cgroup/systemd", Name: "systemd", Own: "/", Root: "/"},
	}}
	for _, c := range more {
		h.Hierarchies = append(h.Hierarchies, Hierarchy{Mount: "/sys/fs/cgroup/" + c, Controllers: []string{c}, Own: "/", Root: "/"})
	}
	return h
}

var allV2 = []string{"cpuset", "cpu", "io", "memory", "hugetlb", "pids"}

func TestPaths(t *testing.T) {
	legacy := func(rest ...string) []string { return rest }
	for _, test := range []struct {
		path string
		v2   string
		v1   []string // freezer, cpu, memory, cpuset, pids
	}{
		{"", "/user.slice/ID", legacy("/ID", "/a/b/ID", "/ID", "/x/ID", "/ID")},
		{"/a/b", "/a/b", legacy("/a/b", "/a/b", "/a/b", "/a/b", "/a/b")},
		{"a/b", "/user.slice/a/b", legacy("/a/b", "/a/b/a/b", "/a/b", "/x/a/b", "/a/b")},
		{"../x", "/user.slice/x", legacy("/x", "/a/b/x", "/x", "/x/x", "/x")},
		{"../../../e/../f", "/user.slice/f", legacy("/f", "/a/b/f", "/f", "/x/f", "/f")},
		{"/../../f", "/f", legacy("/f", "/f", "/f", "/f", "/f")},
		{"//a//./b/", "/a/b", legacy("/a/b", "/a/b", "/a/b", "/a/b", "/a/b")},
		{"system.slice:pre:name", "/user.slice/system.slice:pre:name", legacy("/system.slice:pre:name", "/a/b/system.slice:pre:name")},
	} {
		spec := &specs.Spec{Linux: &specs.Linux{CgroupsPath: test.path}}
		p, err := Compile(spec, "ID", unifiedHost())
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Dirs[0].Path; got != "/sys/fs/cgroup"+test.v2 || p.Into != 0 {
			t.Errorf("%q on v2: %s into %d, want %s", test.path, got, p.Into, test.v2)
		}
		if p, err = Compile(spec, "ID", legacyHost()); err != nil {
			t.Fatal(err)
		}
		for i, want := range test.v1 {
			if got := p.Dirs[i].Path; got != p.Dirs[i].Mount+want || p.Into != -1 {
				t.Errorf("%q on v1: %s, want %s", test.path, got, want)
			}
		}
	}
	for _, path := range []string{"/", "..", "/..", "./", "a/..", "//"} {
		_, err := Compile(&specs.Spec{Linux: &specs.Linux{CgroupsPath: path}}, "ID", unifiedHost())
		if err == nil || !strings.HasPrefix(err.Error(), "config.json#/linux/cgroupsPath: ") {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// everything asks for every limit that has a file in both versions.
func everything() *specs.LinuxResources {
	return &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(10485760)), Reservation: ptr(int64(4194304)), Swap: ptr(int64(20971520)),
			Kernel: ptr(int64(1)), KernelTCP: ptr(int64(1)), CheckBeforeUpdate: ptr(true), UseHierarchy: ptr(true), DisableOOMKiller: ptr(false)},
		CPU: &specs.LinuxCPU{Shares: ptr(uint64(1024)), Quota: ptr(int64(50000)), Period: ptr(uint64(100000)), Burst: ptr(uint64(1000)),
			Idle: ptr(int64(0)), Cpus: "0-1", Mems: "0"},
		Pids: &specs.LinuxPids{Limit: ptr(int64(50))},
	}
}

func rows(t *testing.T, h *Host, r *specs.LinuxResources) []string {
	t.Helper()
	p, err := Compile(&specs.Spec{Linux: &specs.Linux{Resources: r}}, "ID", h)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i := range p.Rows {
		row := &p.Rows[i]
		if row.Reused {
			continue
		}
		at, _ := strings.CutPrefix(row.At.String(), "/linux/resources/")
		lines = append(lines, at+": "+row.String())
	}
	return lines
}

func wantRows(t *testing.T, got []string, want string) {
	t.Helper()
	if text := strings.Join(got, "\n"); text != strings.TrimSpace(want) {
		t.Errorf("got\n%s\nwant\n%s", text, strings.TrimSpace(want))
	}
}

const standardText = "c *:* m, b *:* m, c 1:3 rwm, c 1:7 rwm, c 1:5 rwm, c 1:8 rwm, c 1:9 rwm, c 5:0 rwm, c 5:2 rwm, c 136:* rwm, c 10:200 rwm"

func TestRowsV2(t *testing.T) {
	wantRows(t, rows(t, unifiedHost(allV2...), everything()), `
devices: device program = deny but `+standardText+`
memory/swap: memory.swap.max = 10485760
memory/limit: memory.max = 10485760
memory/reservation: memory.low = 4194304
cpu/shares: cpu.weight = 100
cpu/idle: cpu.idle = 0
cpu/quota: cpu.max = 50000 100000
cpu/burst: cpu.max.burst = 1000
cpu/cpus: cpuset.cpus = 0-1
cpu/mems: cpuset.mems = 0
pids/limit: pids.max = 50`)
	wantRows(t, rows(t, unifiedHost(), nil), "devices: device program = deny but "+standardText)
	wantRows(t, rows(t, unifiedHost(allV2...), &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(-1))}, CPU: &specs.LinuxCPU{Period: ptr(uint64(50000))}, Pids: &specs.LinuxPids{Limit: ptr(int64(0))},
	})[1:], `
memory/swap: memory.swap.max = max
memory/limit: memory.max = max
cpu/period: cpu.max = max 50000
pids/limit: pids.max = 1`)
}

func TestRowsV1(t *testing.T) {
	r := everything()
	r.CPU.RealtimePeriod, r.CPU.RealtimeRuntime = ptr(uint64(1000000)), ptr(int64(1000))
	r.Memory.Swappiness, r.Memory.DisableOOMKiller = ptr(uint64(0)), ptr(true)
	want := "devices: devices.deny = a\n"
	for rule := range strings.SplitSeq(standardText, ", ") {
		want += "devices: devices.allow = " + rule + "\n"
	}
	wantRows(t, rows(t, legacyHost(), r), want+`memory/useHierarchy: memory.use_hierarchy = 1
memory/limit: memory.limit_in_bytes = 10485760
memory/swap: memory.memsw.limit_in_bytes = 20971520
memory/reservation: memory.soft_limit_in_bytes = 4194304
memory/disableOOMKiller: memory.oom_control = 1
memory/swappiness: memory.swappiness = 0
cpu/realtimePeriod: cpu.rt_period_us = 1000000
cpu/realtimeRuntime: cpu.rt_runtime_us = 1000
cpu/shares: cpu.shares = 1024
cpu/idle: cpu.idle = 0
cpu/period: cpu.cfs_period_us = 100000
cpu/quota: cpu.cfs_quota_us = 50000
cpu/burst: cpu.cfs_burst_us = 1000
cpu/cpus: cpuset.cpus = 0-1
cpu/mems: cpuset.mems = 0
pids/limit: pids.max = 50`)
	got := rows(t, legacyHost(), &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(-1))}, Pids: &specs.LinuxPids{Limit: ptr(int64(-1))}})
	wantRows(t, got[12:], `
memory/limit: memory.limit_in_bytes = -1
memory/swap: memory.memsw.limit_in_bytes = -1
pids/limit: pids.max = max`)
}

// A controller that only v2 has is used there, next to v1.
func TestRowsHybrid(t *testing.T) {
	h := legacyHost()
	h.Mode, h.Controllers = Hybrid, []string{"pids"}
	h.Hierarchies = append(slices.DeleteFunc(h.Hierarchies, func(g Hierarchy) bool { return slices.Contains(g.Controllers, "pids") }),
		Hierarchy{Mount: "/sys/fs/cgroup/unified", V2: true, Own: "/", Root: "/"})
	p, err := Compile(&specs.Spec{Linux: &specs.Linux{Resources: everything()}}, "ID", h)
	if err != nil {
		t.Fatal(err)
	}
	last := p.Rows[len(p.Rows)-1]
	if p.Into != len(p.Dirs)-1 || last.Dir != p.Into || last.String() != "pids.max = 50" {
		t.Errorf("into %d of %d, %v", p.Into, len(p.Dirs), last)
	}
	if p.Dirs[0].Path != "/sys/fs/cgroup/freezer/ID" || !p.Dirs[0].Freezer {
		t.Errorf("first dir %+v", p.Dirs[0])
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		want string
		h    *Host
		r    specs.LinuxResources
	}{
		{"/pids/limit: cgroup controller pids is not available", unifiedHost("hugetlb"), specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(1))}}},
		{"/memory/limit: cgroup controller memory is not available", &Host{}, specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(1))}}},
		{"/cpu/cpus: cgroup controller cpuset is not available", unifiedHost("cpu"), specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: ptr(uint64(5)), Cpus: "0"}}},
		{"/memory/swappiness: cgroup v2 has no such limit", unifiedHost("memory"), specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: ptr(uint64(5))}}},
		{"/memory/disableOOMKiller: cgroup v2 has no such limit", unifiedHost("memory"), specs.LinuxResources{Memory: &specs.LinuxMemory{DisableOOMKiller: ptr(true)}}},
		{"/cpu/realtimeRuntime: cgroup v2 has no such limit", unifiedHost("cpu"), specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimeRuntime: ptr(int64(5))}}},
		{"/memory/swap: memory+swap limit should be >= memory limit", legacyHost(), specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(5)), Swap: ptr(int64(4))}}},
		{"/memory/swap: unable to set swap limit without memory limit", unifiedHost("memory"), specs.LinuxResources{Memory: &specs.LinuxMemory{Swap: ptr(int64(4))}}},
		{"/memory/limit: invalid memory value: -2", unifiedHost("memory"), specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(-2))}}},
		{"/memory/swappiness: invalid memory swappiness value: 101 (valid range is 0-100)", legacyHost(), specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: ptr(uint64(101))}}},
		{"/devices/0/type: unknown device type \"x\"", legacyHost(), specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Type: "x", Access: "r"}}}},
		{"/devices/0/access: unknown device access \"rx\"", legacyHost(), specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Type: "c", Access: "rx"}}}},
		{"/devices/0/minor: no device number: -2", legacyHost(), specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Type: "c", Minor: ptr(int64(-2)), Access: "r"}}}},
		{"/devices/0: a rule for c 1:3 r has no effect beside the wider c 1:* rw", legacyHost(), specs.LinuxResources{Devices: nil}},
		{"/devices: cgroup controller devices is not available", &Host{Mode: Legacy}, specs.LinuxResources{}},
	} {
		if strings.Contains(test.want, "wider") {
			test.want = strings.Replace(test.want, "devices/0", "devices/1", 1)
			test.r.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: ptr(int64(1)), Access: "rw"},
				{Type: "c", Major: ptr(int64(1)), Minor: ptr(int64(3)), Access: "r"}}
		}
		_, err := Compile(&specs.Spec{Linux: &specs.Linux{Resources: &test.r}}, "ID", test.h)
		if e := (*plan.Error)(nil); !errors.As(err, &e) || err.Error() != "config.json#/linux/resources"+test.want {
			t.Errorf("got  %v\nwant config.json#/linux/resources%s", err, test.want)
		}
	}
}

// What asks for nothing needs no controller.
func TestNothingAsked(t *testing.T) {
	for _, h := range []*Host{unifiedHost(), {}, {Rootless: true}} {
		p, err := Compile(&specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{
			Memory: &specs.LinuxMemory{Swappiness: ptr(^uint64(0)), DisableOOMKiller: ptr(false), Swap: ptr(int64(0))},
			CPU:    &specs.LinuxCPU{Shares: ptr(uint64(0)), Quota: ptr(int64(0)), RealtimePeriod: ptr(uint64(0))},
			Pids:   &specs.LinuxPids{},
		}}}, "ID", h)
		if err != nil {
			t.Error(err)
		} else if p.Optional != h.Rootless {
			t.Errorf("optional %v", p.Optional)
		}
	}
	if _, err := Compile(&specs.Spec{}, "ID", unifiedHost()); err != nil {
		t.Error(err)
	}
}

func TestWeight(t *testing.T) {
	for shares, want := range map[uint64]string{0: "", 1: "1", 2: "1", 3: "2", 512: "59", 1024: "100", 2048: "174", 262144: "10000", 1 << 63: "10000"} {
		if got := weight(shares); got != want {
			t.Errorf("%d shares: weight %s, want %s", shares, got, want)
		}
	}
	for shares, last := uint64(2), 0; shares <= 262144; shares++ {
		n := int(bytesOf(weight(shares)))
		if n < last || n < 1 || n > 10000 {
			t.Fatalf("%d shares: weight %d after %d", shares, n, last)
		}
		last = n
	}
}
