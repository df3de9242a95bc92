// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

func TestLimitsV2(t *testing.T) {
	h := needV2(t, "memory", "pids", "cpu", "cpuset")
	r := everything()
	r.Memory.Limit = ptr(int64(10485760 + 1)) // rounded down by the kernel
	r.Memory.Swap = ptr(int64(20971520 + 1))
	r.CPU.Cpus = "0"
	c, _ := applied(t, h, "/corten-limits/a/b", r)
	for name, want := range map[string]string{
		"memory.max": "10485760", "memory.low": "4194304", "cpu.weight": "100", "cpu.max": "50000 100000", "cpu.max.burst": "1000",
		"cpuset.cpus": "0", "cpuset.cpus.effective": "0", "cpuset.mems": "0", "pids.max": "50",
	} {
		if got := file(t, c, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if swap, err := os.ReadFile(c.Paths[len(c.Paths)-1] + "/memory.swap.max"); err == nil && string(swap) != "10485760\n" {
		t.Errorf("memory.swap.max is %s", swap)
	}
	out := filepath.Join(t.TempDir(), "out")
	if status := run(t, c, "cat /proc/self/cgroup >"+out); status != 0 {
		t.Fatal("status", status)
	}
	if text, _ := os.ReadFile(out); !strings.Contains(string(text), "0::/corten-limits/a/b\n") {
		t.Errorf("cloned into\n%s", text)
	}
}

// Lower limits in a v2 cgroup that is used again, and an idle one made busy.
func TestLimitsReusedV2(t *testing.T) {
	h := needV2(t, "memory", "cpu")
	limits := func(limit, swap, quota int64, burst uint64, idle int64) *specs.LinuxResources {
		return &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &swap},
			CPU: &specs.LinuxCPU{Quota: &quota, Burst: &burst, Idle: &idle, Shares: ptr(uint64(2048))}}
	}
	for _, r := range []*specs.LinuxResources{limits(8<<20, 8<<20, 90000, 80000, 1), limits(32<<20, 64<<20, 20000, 0, 0), limits(4<<20, 4<<20, 80000, 10, 1)} {
		c, _ := applied(t, h, "/corten-again", r)
		for name, want := range map[string]string{
			"memory.max": fmt.Sprint(*r.Memory.Limit), "cpu.max": fmt.Sprint(*r.CPU.Quota, " 100000"),
			"cpu.max.burst": fmt.Sprint(*r.CPU.Burst), "cpu.idle": fmt.Sprint(*r.CPU.Idle),
		} {
			if got := file(t, c, name); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
		c.Created = nil
	}
}

// C11: v2 takes a CPU that the cgroup above has not, and uses another.
func TestAnIneffectiveCpusetIsRefused(t *testing.T) {
	h := needV2(t, "cpuset")
	if runtime.NumCPU() < 2 {
		t.Skip("needs two CPUs")
	}
	applied(t, h, "/corten-cpus", &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0"}})
	p, err := Compile(&specs.Spec{Linux: &specs.Linux{CgroupsPath: "/corten-cpus/x", Resources: &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "1"}}}}, "x", h)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Apply()
	want := `config.json#/linux/resources/cpu/cpus: write cpuset.cpus "1": the kernel has set "0"`
	if e := (*plan.Error)(nil); !errors.As(err, &e) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	gone(t, p.Dirs[len(p.Dirs)-1].Path)
}

// Each controller that a limit needs is enabled on the way; a cgroup above that
// has processes of its own is an error that names the limit.
func TestAControllerThatCannotBeEnabled(t *testing.T) {
	h := needV2(t, "memory")
	above, _ := applied(t, h, "/corten-above", nil)
	started(t, above, "sleep 20")
	compiled := func(r *specs.LinuxResources) *Plan {
		p, err := Compile(&specs.Spec{Linux: &specs.Linux{CgroupsPath: "/corten-above/x", Resources: r}}, "x", h)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := compiled(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(1 << 20))}})
	_, err := p.Apply()
	want := `config.json#/linux/resources/memory/limit: write cgroup.subtree_control "+memory": `
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	gone(t, p.Dirs[len(p.Dirs)-1].Path)
	c, err := compiled(nil).Apply() // no limit: it may go without
	if err != nil {
		t.Fatal(err)
	}
	removed(t, c)
}
