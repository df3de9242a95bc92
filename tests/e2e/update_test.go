// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// inForce is what the limits of the container are, by the names of v1's files.
func inForce(t *testing.T, b *bundle.Bundle, files ...string) map[string]string {
	t.Helper()
	got := cgroupFiles(t, b, files...)
	v2 := cgroupFiles(t, b, "memory.max", "memory.swap.max", "memory.low", "cpu.max", "cpu.max.burst", "cpu.weight", "cpu.idle")
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 9223372036854771712 // max
		}
		return n
	}
	sum := number("max")
	if v2["memory.swap.max"] != "max" && v2["memory.max"] != "max" {
		sum = number(v2["memory.swap.max"]) + number(v2["memory.max"])
	}
	quota, period, _ := strings.Cut(strings.Replace(v2["cpu.max"], "max", "-1", 1), " ")
	for v1, value := range map[string]string{
		"memory.limit_in_bytes":       fmt.Sprint(number(v2["memory.max"])),
		"memory.memsw.limit_in_bytes": fmt.Sprint(sum),
		"memory.soft_limit_in_bytes":  fmt.Sprint(number(v2["memory.low"])),
		"cpu.cfs_quota_us":            quota, "cpu.cfs_period_us": period, "cpu.cfs_burst_us": v2["cpu.max.burst"],
		"cpu.shares": sharesOf(v2["cpu.weight"], v2["cpu.idle"]),
	} {
		controller, _, _ := strings.Cut(v1, ".")
		if _, unified := b.View.Has(controller); unified && v2["memory.max"] != "" && slices.Contains(files, v1) {
			got[v1] = value
		}
	}
	return got
}

// sharesOf is the v1 value of those that the tests use.
func sharesOf(weight, idle string) string {
	if idle == "1" {
		return "3"
	}
	return map[string]string{"1": "2", "17": "100", "59": "512", "100": "1024", "10000": "262144"}[weight]
}

// cgroupFiles is what the files of the container's v1 and v2 cgroups say.
func cgroupFiles(t *testing.T, b *bundle.Bundle, files ...string) map[string]string {
	t.Helper()
	got := map[string]string{}
	pid := b.State().PID
	for line := range strings.Lines(b.Text(fmt.Sprintf("/proc/%d/cgroup", pid))) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, file := range files {
			controller, _, _ := strings.Cut(part[1], ",")
			if text, err := os.ReadFile(filepath.Join(bundle.CgroupDir(controller, part[2]), file)); err == nil {
				got[file] = strings.TrimSpace(string(text))
			}
		}
	}
	return got
}

// update runs `update` with a JSON text on stdin.
func update(b *bundle.Bundle, text string, words ...string) bundle.Result {
	words = append(append([]string{"update", "-r", "-"}, words...), b.ID)
	return b.CortenWith(bundle.Options{Stdin: strings.NewReader(text)}, words...)
}

// spec: linux.resources.memory.limit, linux.resources.memory.swap, linux.resources.memory.reservation
// spec: linux.resources.memory.swappiness, linux.resources.memory.disableOOMKiller
// spec: linux.resources.cpu.shares, linux.resources.cpu.quota, linux.resources.cpu.period, linux.resources.cpu.burst
// spec: linux.resources.cpu.idle, linux.resources.cpu.cpus, linux.resources.cpu.mems
// spec: linux.resources.pids.limit
func TestUpdateSetsWhatItIsToldAndLeavesTheRest(t *testing.T) {
	hasAll(t, "memory", "cpu", "pids", "cpuset")
	_, unified := bundle.Host.Has("memory")
	b := limited(t, bundle.Host, specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: bundle.Pointer[int64](32 << 20), Swap: bundle.Pointer[int64](64 << 20)},
		CPU:    &specs.LinuxCPU{Shares: bundle.Pointer[uint64](512)},
		Pids:   &specs.LinuxPids{Limit: bundle.Pointer[int64](50)},
	})
	b.Detach()
	want := map[string]string{"memory.limit_in_bytes": "33554432", "memory.memsw.limit_in_bytes": "67108864", "cpu.shares": "512", "pids.max": "50"}
	check := func(changed ...string) {
		t.Helper()
		for i := 0; i < len(changed); i += 2 {
			want[changed[i]] = changed[i+1]
		}
		files := []string{}
		for file := range want {
			files = append(files, file)
		}
		for file, got := range inForce(t, b, files...) {
			if file == "memory.oom_control" {
				got = strings.Fields(got)[1]
			}
			if got != want[file] {
				t.Errorf("%s is %s, want %s", file, got, want[file])
			}
		}
	}
	check()
	flags := func(words ...string) {
		t.Helper()
		b.Corten(append(append([]string{"update"}, words...), b.ID)...).OK(b)
	}
	flags("--pids-limit", "66")
	check("pids.max", "66")
	// Up: the sum first; down: the limit first.
	flags("--memory", "128M", "--memory-swap", "256m")
	check("memory.limit_in_bytes", "134217728", "memory.memsw.limit_in_bytes", "268435456")
	flags("--memory=16MiB", "--memory-swap=16M", "--memory-reservation", "1.5m")
	check("memory.limit_in_bytes", "16777216", "memory.memsw.limit_in_bytes", "16777216", "memory.soft_limit_in_bytes", "1572864")
	flags("--cpu-period", "50000", "--cpu-quota", "20000", "--cpu-burst", "10000", "--cpu-share", "100")
	check("cpu.cfs_period_us", "50000", "cpu.cfs_quota_us", "20000", "cpu.cfs_burst_us", "10000", "cpu.shares", "100")
	flags("--cpu-quota", "5000", "--cpu-burst", "1000")
	check("cpu.cfs_quota_us", "5000", "cpu.cfs_burst_us", "1000")
	flags("--cpu-quota", "90000", "--cpu-burst", "80000")
	check("cpu.cfs_quota_us", "90000", "cpu.cfs_burst_us", "80000")
	flags("--cpuset-cpus", "0", "--cpuset-mems", "0")
	check("cpuset.cpus", "0", "cpuset.mems", "0")
	flags("--cpu-idle", "1")
	check("cpu.idle", "1", "cpu.shares", "3")
	flags("--pids-limit", "-1")
	check("pids.max", "max")
	flags("--cpu-idle", "0")
	check("cpu.idle", "0", "cpu.shares", "1024")
	update(b, `{"pids":{"limit":0},"cpu":{"shares":0,"quota":0}}`).OK(b)
	check("pids.max", "1")
	if !unified {
		update(b, `{"memory":{"swappiness":7,"disableOOMKiller":true}}`).OK(b)
		check("memory.swappiness", "7", "memory.oom_control", "1")
		update(b, `{"memory":{"disableOOMKiller":false}}`).OK(b)
		check("memory.oom_control", "0")
	}
	update(b, `{"memory":{"limit":-1},"pids":{"limit":9}}`).OK(b)
	check("memory.limit_in_bytes", "9223372036854771712", "memory.memsw.limit_in_bytes", "9223372036854771712", "pids.max", "9")
	flags("--memory", "64m", "--kernel-memory", "5m", "--cpu-quota", "-1")
	check("memory.limit_in_bytes", "67108864", "cpu.cfs_quota_us", "-1")
}

// hasAll skips a test on a host without a controller.
func hasAll(t *testing.T, controllers ...string) {
	t.Helper()
	for _, controller := range controllers {
		if has, _ := bundle.Host.Has(controller); !has {
			t.Skipf("this host has no %s controller", controller)
		}
	}
}

func TestAnUpdateThatFailsChangesNothing(t *testing.T) {
	hasAll(t, "memory", "cpu", "pids")
	b := limited(t, bundle.Host, specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: bundle.Pointer[int64](32 << 20), Swap: bundle.Pointer[int64](64 << 20)},
		CPU:    &specs.LinuxCPU{Quota: bundle.Pointer[int64](20000)},
		Pids:   &specs.LinuxPids{Limit: bundle.Pointer[int64](50)},
	})
	b.Detach()
	files := []string{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us", "cpu.shares", "pids.max", "cpuset.cpus", "devices.list", "io.max"}
	before, saved := inForce(t, b, files...), b.Text(filepath.Join(b.Root, b.ID, "config.json"))
	for _, c := range []struct{ text, words string }{
		{`{"pids":{"limit":60},"memory":{"limit":134217728}}`, "config.json#/linux/resources/memory/swap: memory+swap limit should be >= memory limit"},
		{`{"pids":{"limit":60},"memory":{"limit":-2}}`, "/memory/limit: invalid memory value: -2"},
		// Only the kernel knows; memory and cpu.shares have been written then.
		{`{"pids":{"limit":60},"cpu":{"shares":700,"burst":30000},"memory":{"limit":16777216}}`, "config.json#/linux/resources/cpu/burst: write cpu."},
		{`{"cpu":{"period":7},"pids":{"limit":60}}`, "config.json#/linux/resources/cpu/"},
		{`{"pids":{"limit":60},"cpu":{"cpus":"4000"}}`, "/cpu/cpus: write cpuset.cpus"},
		{`{"memory":{"limit":16777216},"devices":[{"allow":true,"type":"c","major":1,"minor":11,"access":"rwm"},{"allow":true,"type":"x","access":"rwm"}]}`, "stdin#/devices/1/type"},
		{`{"pids":{"limit":60},"hugepageLimits":[{"pageSize":"3MB","limit":1}]}`, "/hugepageLimits/0"},
		{`{"pids":{"limit":60},"network":{"classID":1}}`, "/network/classID: cgroup "},
		{`{"memory":{"limit":16777216,"checkBeforeUpdate":true}`, "malformed JSON"},
		{`{"memory":{"limit":4096,"swap":4096,"checkBeforeUpdate":true}}`, "unable to set memory limit to 4096 (current usage: "},
		{``, "malformed JSON"},
		{`[]`, "want an object, got an array"},
	} {
		if has, _ := bundle.Host.Has("net_cls"); has && strings.Contains(c.text, "classID") {
			continue
		}
		refused(t, update(b, c.text), c.words)
		if now := inForce(t, b, files...); fmt.Sprint(now) != fmt.Sprint(before) {
			t.Errorf("%s: the limits are\n%v, were\n%v", c.text, now, before)
		}
		if now := b.Text(filepath.Join(b.Root, b.ID, "config.json")); now != saved {
			t.Errorf("%s: the saved configuration is\n%s, was\n%s", c.text, now, saved)
		}
	}
	for _, words := range [][]string{{"--memory", "1x"}, {"--memory", "-2"}, {"--pids-limit", "many"}, {"--cpu-period", "-1"}, {"--memory", "1e3"}, {"-r", "/nowhere"}} {
		if r := b.Corten(append(append([]string{"update"}, words...), b.ID)...); r.Status != 1 {
			t.Errorf("update %v: status %d: %s", words, r.Status, r.Stderr)
		}
	}
	if entries, _ := filepath.Glob(filepath.Join(b.Root, b.ID, "*")); len(entries) != 3 {
		t.Errorf("left in the state: %v", entries)
	}
}

func TestUpdateInTheWrongState(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	refused(t, update(b, "{}"), "container does not exist")
	b.Create()
	update(b, "{}").OK(b)
	b.Corten("kill", b.ID, "KILL").OK(b)
	b.WaitStatus("stopped")
	refused(t, update(b, "{}"), "container not running")
}

// spec: linux.resources.devices[].allow, linux.resources.devices[].access
func TestUpdateReplacesTheDeviceRules(t *testing.T) {
	inAllViews(t, func(t *testing.T, view bundle.View) {
		// Half-way the standard devices are always there: the payload looks on.
		b := bundle.New(t, bundle.Shell(`probe mknod /dev/k c 1 11 >/tmp/ready; while :; do echo x >/dev/null || { echo bad >/tmp/bad; exit; }; done`),
			bundle.Capabilities("CAP_MKNOD", "CAP_SYSLOG"))
		b.View = view
		spec := bundle.Base()
		rules := spec.Linux.Resources.Devices
		b.Detach()
		open := func(want string) {
			t.Helper()
			if got := b.Exec("ID", "sh", "-c", "probe open-read /dev/k; probe open-write /dev/k; probe open-write /dev/null").Stdout; got != want {
				t.Errorf("reading kmsg, writing it, writing null: %q, want %q", got, want)
			}
		}
		set := func(rule ...specs.LinuxDeviceCgroup) {
			t.Helper()
			text, _ := json.Marshal(specs.LinuxResources{Devices: append(append([]specs.LinuxDeviceCgroup{}, rules...), rule...)})
			update(b, string(text)).OK(b)
		}
		kmsg := specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: bundle.Pointer[int64](1), Minor: bundle.Pointer[int64](11), Access: "r"}
		if !bundle.Eventually(func() bool { text, _ := os.ReadFile(b.Rootfs("tmp/ready")); return len(text) > 0 }) {
			t.Fatal("no device")
		}
		open("EPERM\nEPERM\nok\n")
		for range 5 {
			kmsg.Access = "r"
			set(kmsg)
			open("ok\nEPERM\nok\n")
			update(b, `{"pids":{"limit":100}}`) // not refused where there are pids; leaves the devices
			kmsg.Access = "rw"
			set(kmsg)
			open("ok\nok\nok\n")
			kmsg.Access = "w"
			set(kmsg)
			open("EPERM\nok\nok\n")
			set()
			open("EPERM\nEPERM\nok\n")
		}
		set(specs.LinuxDeviceCgroup{Allow: true, Access: "rwm"}, specs.LinuxDeviceCgroup{Allow: false, Type: "c", Major: kmsg.Major, Minor: kmsg.Minor, Access: "w"})
		open("ok\nEPERM\nok\n")
		set()
		open("EPERM\nEPERM\nok\n")
		if _, err := os.Stat(b.Rootfs("tmp/bad")); err == nil {
			t.Error("for a moment /dev/null could not be opened")
		}
	})
}

// An exec after an update and a second update begin with the first one's result.
func TestUpdatesAreSaved(t *testing.T) {
	hasAll(t, "memory")
	b := limited(t, bundle.Host, specs.LinuxResources{}, func(s *specs.Spec) { s.Annotations = map[string]string{"a": "<&>\u2028é"} })
	b.Detach()
	b.Corten("update", b.ID, "--memory", "64m", "--memory-swap", "64m").OK(b)
	refused(t, b.Corten("update", b.ID, "--memory", "65m"), "memory+swap limit should be >= memory limit")
	b.Corten("update", b.ID, "--memory", "63m").OK(b)
	var saved specs.Spec
	if err := json.Unmarshal([]byte(b.Text(filepath.Join(b.Root, b.ID, "config.json"))), &saved); err != nil {
		t.Fatal(err)
	}
	if m := saved.Linux.Resources.Memory; *m.Limit != 63<<20 || *m.Swap != 64<<20 {
		t.Errorf("saved: %+v", *m)
	}
	if b.State().Annotations["a"] != "<&>\u2028é" {
		t.Errorf("annotations: %v", b.State().Annotations)
	}
	b.Exec("ID", "true").OK(b)
}

// spec: linux.intelRdt.l3CacheSchema, linux.intelRdt.memBwSchema
func TestUpdateChangesTheSchemataOfTheContainersOwnGroup(t *testing.T) {
	r, b := rdt(t, specs.LinuxIntelRdt{L3CacheSchema: "L3:0=7f0;1=1f", MemBwSchema: "MB:0=20;1=70"})
	cortenRdt(r, b, "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
	schemata := func(want string) {
		t.Helper()
		if got := strings.Join(strings.Fields(r.Text(b.ID+"/schemata")), " "); got != want {
			t.Errorf("schemata: %s, want %s", got, want)
		}
	}
	cortenRdt(r, b, "update", b.ID, "--l3-cache-schema", "L3:1=3").OK(b)
	schemata("L3:0=7f0;1=3 MB:0=20;1=70")
	cortenRdt(r, b, "update", b.ID, "--mem-bw-schema", "MB:0=50;1=60").OK(b)
	schemata("L3:0=7f0;1=3 MB:0=50;1=60")
	// What fails afterwards takes it back.
	refused(t, cortenRdt(r, b, "update", b.ID, "--l3-cache-schema", "L3:0=1", "--cpuset-cpus", "4000"), "/linux/resources/cpu/cpus: ")
	schemata("L3:0=7f0;1=3 MB:0=50;1=60")
	refused(t, cortenRdt(r, b, "update", b.ID, "--mem-bw-schema", "L3:0=1"), "config.json#/linux/intelRdt/memBwSchema: want one line that begins with MB:")
	var saved specs.Spec
	if err := json.Unmarshal([]byte(b.Text(filepath.Join(b.Root, b.ID, "config.json"))), &saved); err != nil || saved.Linux.IntelRdt.L3CacheSchema != "L3:1=3" || saved.Linux.IntelRdt.MemBwSchema != "MB:0=50;1=60" {
		t.Errorf("saved: %+v, %v", saved.Linux.IntelRdt, err)
	}
	cortenRdt(r, b, "delete", "--force", b.ID).OK(b)

	b = bundle.New(t, bundle.Probe("pause"))
	b.Detach()
	refused(t, b.Corten("update", b.ID, "--l3-cache-schema", "L3:0=1"), "config.json#/linux/intelRdt: the container has no group of resctrl")
}
