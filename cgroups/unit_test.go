// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"os"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/program"
)

func systemdHost(h *Host) *Host {
	h.Systemd = true
	return h
}

func unitOf(t *testing.T, h *Host, spec *specs.Spec) (*Plan, string) {
	t.Helper()
	p, err := Compile(spec, "ID", systemdHost(h))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, property := range append(p.Unit.Properties, p.Unit.Limits...) {
		lines = append(lines, property.Name+"="+property.Value)
	}
	return p, strings.Join(lines, "\n")
}

func TestUnitNamesAndPlaces(t *testing.T) {
	for _, test := range []struct{ path, unit, dir string }{
		{"", "corten-ID.scope", "/system.slice/corten-ID.scope"},
		{"system.slice:docker:0123", "docker-0123.scope", "/system.slice/docker-0123.scope"},
		{"machine.slice:libpod:0123", "libpod-0123.scope", "/machine.slice/libpod-0123.scope"},
		{"kubepods-burstable-pod12_3.slice:cri-containerd:x", "cri-containerd-x.scope",
			"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12_3.slice/cri-containerd-x.scope"},
		{":crio:x", "crio-x.scope", "/system.slice/crio-x.scope"},
		{"-:a:b", "a-b.scope", "/a-b.scope"},
		{"-.slice::b", "b.scope", "/b.scope"},
	} {
		p, _ := unitOf(t, unifiedHost(), &specs.Spec{Linux: &specs.Linux{CgroupsPath: test.path}})
		if p.Unit.Name != test.unit || p.Dirs[0].Path != "/sys/fs/cgroup"+test.dir {
			t.Errorf("%q: %s at %s", test.path, p.Unit.Name, p.Dirs[0].Path)
		}
	}
	for _, bad := range []string{"/a/b", "a:b", "a:b:c:d", "a.service:b:c", "a--b.slice:b:c", "-a.slice:b:c", "a-.slice:b:c", ".slice:b:c",
		"a/b.slice:b:c", "system.slice:b:c d", "system.slice:../b:c", "system.slice:b:" + strings.Repeat("c", 250)} {
		if _, err := Compile(&specs.Spec{Linux: &specs.Linux{CgroupsPath: bad}}, "ID", systemdHost(unifiedHost())); err == nil ||
			!strings.HasPrefix(err.Error(), "config.json#/linux/cgroupsPath: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	h := unifiedHost()
	h.Rootless, h.Manager = true, "/user.slice/user-1000.slice/user@1000.service"
	p, _ := unitOf(t, h, &specs.Spec{})
	if p.Dirs[0].Path != "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice/corten-ID.scope" || !p.Unit.User {
		t.Errorf("rootless: %s", p.Dirs[0].Path)
	}
}

const unitStart = `Description="libcontainer container ID"
Slice="system.slice"
Delegate=true
DefaultDependencies=false
CPUAccounting=true
MemoryAccounting=true
TasksAccounting=true
`

const unitDevices = `DeviceAllow=char-* m, block-* m, /dev/char/1:3 rwm, /dev/char/1:7 rwm, /dev/char/1:5 rwm, /dev/char/1:8 rwm, ` +
	`/dev/char/1:9 rwm, /dev/char/5:0 rwm, /dev/char/5:2 rwm, char-136 rwm, /dev/char/10:200 rwm
DevicePolicy="strict"
`

func TestUnitProperties(t *testing.T) {
	r := everything()
	r.BlockIO = &specs.LinuxBlockIO{Weight: ptr(uint16(500))}
	_, got := unitOf(t, unifiedHost(append(allV2, "x")...), &specs.Spec{Linux: &specs.Linux{Resources: r}, Annotations: map[string]string{
		"org.systemd.property.TimeoutStopUSec": "uint64 10000000", "org.systemd.property.KillSignal": "15", "org.systemd.property.RuntimeMaxSec": "double 1.5", "other": "x"}})
	if want := unitStart + "IOAccounting=true\nKillSignal=15\nRuntimeMaxUSec=uint64 1500000\nTimeoutStopUSec=uint64 10000000\n" + unitDevices + `MemoryMax=uint64 10485760
MemoryLow=uint64 4194304
MemorySwapMax=uint64 10485760
CPUWeight=uint64 100
CPUQuotaPeriodUSec=uint64 100000
CPUQuotaPerSecUSec=uint64 500000
AllowedCPUs=[byte 0x3]
AllowedMemoryNodes=[byte 0x1]
TasksMax=uint64 50
IOWeight=uint64 4950`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	r.BlockIO = nil
	_, got = unitOf(t, legacyHost(), &specs.Spec{Linux: &specs.Linux{Resources: r}})
	if want := unitStart + "BlockIOAccounting=true\n" + unitDevices + `MemoryLimit=uint64 10485760
CPUShares=uint64 1024
CPUQuotaPeriodUSec=uint64 100000
CPUQuotaPerSecUSec=uint64 500000
TasksMax=uint64 50`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	_, got = unitOf(t, unifiedHost(allV2...), &specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(-1))}, CPU: &specs.LinuxCPU{Quota: ptr(int64(-1)), Cpus: "0,9"}, Pids: &specs.LinuxPids{Limit: ptr(int64(-1))}}}})
	if want := unitStart + "IOAccounting=true\n" + unitDevices + `MemoryMax=` + infinity + `
MemorySwapMax=` + infinity + `
CPUQuotaPerSecUSec=` + infinity + `
AllowedCPUs=[byte 0x1, 0x2]
TasksMax=` + infinity; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// C13, CVE-2024-3154: what would run programs or give the cgroup away never
// reaches systemd.
func TestUnitAnnotationsAreOnAList(t *testing.T) {
	for name, value := range map[string]string{"ExecStartPre": "[('/bin/sh', ['sh'], false)]", "ExecStop": "''", "Delegate": "false", "Slice": "'x.slice'", "PIDs": "[uint32 1]",
		"DeviceAllow": "[('/dev/sda','rwm')]", "DevicePolicy": "'auto'", "": "1", "Description": "'a\nExecStop=b'", "TimeoutStopSec": "soon", "RuntimeMaxSec": ""} {
		_, err := Compile(&specs.Spec{Annotations: map[string]string{annotation + name: value}}, "ID", systemdHost(unifiedHost()))
		if err == nil || !strings.HasPrefix(err.Error(), "config.json#/annotations/"+annotation+name+": ") {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestUnitChanges(t *testing.T) {
	unit := func(r *specs.LinuxResources) *Unit {
		p, _ := unitOf(t, unifiedHost(allV2...), &specs.Spec{Linux: &specs.Linux{Resources: r}})
		return p.Unit
	}
	one := unit(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(1 << 20))}, Pids: &specs.LinuxPids{Limit: ptr(int64(5))}})
	two := unit(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(2 << 20)), Reservation: ptr(int64(4096))}, Pids: &specs.LinuxPids{Limit: ptr(int64(5))},
		CPU: &specs.LinuxCPU{Cpus: "1", Shares: ptr(uint64(2))}, Devices: []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: ptr(int64(1)), Minor: ptr(int64(11)), Access: "r"}}})
	if got := lines(two.changed(two)); got != "" {
		t.Errorf("nothing has changed but %s", got)
	}
	got := lines(two.changed(one))
	if want := "MemoryMax=uint64 2097152\nMemoryLow=uint64 4096\nCPUWeight=uint64 1\nAllowedCPUs=[byte 0x2]\n"; !strings.HasPrefix(got, "DeviceAllow=\nDeviceAllow=/dev/char/1:11 r, ") || !strings.HasSuffix(got, "\n"+want) {
		t.Errorf("changed: %s", got)
	}
	before := []Setting{{File: "memory.max", Value: "1048576"}, {File: "memory.low", Value: "0"}, {File: "cpuset.cpus", Value: "\n"}, {File: "cpu.max", Value: "12345 50000"},
		{File: "pids.max", Value: "max"}, {File: "cpu.idle", Value: "0"}, {File: "cpu.shares", Value: "7"}, {File: "hugetlb.2MB.max", Value: "max"}, {Dir: -1}}
	want := "MemoryMax=uint64 1048576\nMemoryLow=uint64 0\nAllowedCPUs=@ay []\nCPUQuotaPeriodUSec=uint64 50000\nCPUQuotaPerSecUSec=uint64 250000\nTasksMax=" + infinity +
		"\nCPUShares=" + infinity + "\nDeviceAllow=\nDeviceAllow="
	if got := lines(one.before(before)); !strings.HasPrefix(got, want) {
		t.Errorf("before: %s", got)
	}
}

// What unified asks for, systemd knows too where it has a word for it.
func TestUnitOfUnified(t *testing.T) {
	for file, c := range map[string]struct{ text, want string }{
		"memory.high": {"8388608", "MemoryHigh=uint64 8388608\n"},
		"pids.max":    {"max", "TasksMax=" + infinity + "\n"},
		"cpu.max":     {"20000", "CPUQuotaPeriodUSec=uint64 100000\nCPUQuotaPerSecUSec=uint64 200000\n"},
		"cpu.idle":    {"1", "CPUWeight=uint64 0\n"},
		"cpuset.cpus": {"0-1", "AllowedCPUs=[byte 0x3]\n"},
		"memory.low":  {"8M", ""}, "io.max": {"8:0 rbps=1", ""}, "cpu.max.burst": {"5", ""},
	} {
		p, _ := unitOf(t, unifiedHost(allV2...), &specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{Unified: map[string]string{file: c.text},
			Devices: []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}}}})
		if got := lines(p.Unit.Limits); got != c.want {
			t.Errorf("%s: %q, want %q", file, got, c.want)
		}
	}
}

// run.oci.systemd.subgroup puts the container below the scope, in every
// hierarchy; the limits are those of both.
func TestUnitSubgroups(t *testing.T) {
	annotated := func(name string) *specs.Spec {
		return &specs.Spec{Annotations: map[string]string{"run.oci.systemd.subgroup": name},
			Linux: &specs.Linux{CgroupsPath: "a-b.slice:c:ID", Resources: &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(5))}}}}
	}
	scope := "/a.slice/a-b.slice/c-ID.scope"
	for _, name := range []string{"", "container", "c-ID.scope"} {
		for _, h := range []*Host{unifiedHost(allV2...), legacyHost()} {
			p, properties := unitOf(t, h, annotated(name))
			want := strings.TrimSuffix(scope+"/"+name, "/")
			for _, d := range p.Dirs {
				if d.Path != d.Mount+want {
					t.Errorf("%q: %s", name, d.Path)
				}
				if own, below := p.Unit.parts(d.Path); own != d.Mount+scope || own+below != d.Path {
					t.Errorf("%q: %s and %s", name, own, below)
				}
			}
			if p.Unit.Name != "c-ID.scope" || !strings.HasSuffix(properties, "\nTasksMax=uint64 5") || p.Rows[len(p.Rows)-1].String() != "pids.max = 5" {
				t.Errorf("%q: %s: %s and %s", name, p.Unit.Name, properties, &p.Rows[len(p.Rows)-1])
			}
		}
	}
	for _, name := range []string{".", "..", "a/b", "/a", "../x", "a\nb"} {
		_, err := Compile(annotated(name), "ID", systemdHost(unifiedHost(allV2...)))
		if err == nil || !strings.HasPrefix(err.Error(), "config.json#/annotations/run.oci.systemd.subgroup: want a single name") {
			t.Errorf("%q: %v", name, err)
		}
	}
	other := annotated("..")
	other.Linux.CgroupsPath = "/a"
	if p, err := Compile(other, "ID", unifiedHost(allV2...)); err != nil || p.Dirs[0].Path != "/sys/fs/cgroup/a" {
		t.Errorf("without systemd's units it means nothing: %v", err)
	}
}

// What holds a scope is not in the way of the controllers of a cgroup below it.
func TestThePlaceholderDescends(t *testing.T) {
	if !inView(t, "unified") {
		return
	}
	h := systemdHost(needV2(t, "hugetlb"))
	p, err := Compile(&specs.Spec{Annotations: map[string]string{"run.oci.systemd.subgroup": "container"},
		Linux: &specs.Linux{CgroupsPath: "-:corten-test:" + strconv.Itoa(os.Getpid())}}, "ID", h)
	if err != nil {
		t.Fatal(err)
	}
	scope, _ := p.Unit.parts(p.Dirs[0].Path)
	if err := os.Mkdir(scope, 0o755); err != nil {
		t.Fatal(err)
	}
	defer rmdir(scope)
	asker, err := program.Ask(carried, carriedName, nil, "corten-scope", "system", "start", p.Unit.Name) // waits for the properties
	if err != nil {
		t.Skip("make -C cgroups/scope: ", err)
	}
	c := &Cgroup{holder: &placeholder{asker}}
	defer func() { c.Close(); removed(t, c) }()
	if err := os.WriteFile(scope+"/cgroup.procs", []byte(strconv.Itoa(asker.PID())), 0); err != nil {
		t.Fatal(err)
	}
	m := maker{p, &p.Dirs[0], c}
	if _, err := m.make(); err != nil {
		t.Fatal(err)
	}
	if got := file(t, c, "cgroup.controllers"); !strings.Contains(got, "hugetlb") {
		t.Errorf("%s has %q", c.Paths[0], got)
	}
	if got := file(t, c, "cgroup.procs"); got != strconv.Itoa(asker.PID()) {
		t.Errorf("%s has processes %q, not %d", c.Paths[0], got, asker.PID())
	}
}
