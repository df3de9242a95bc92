// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

func needSystemd(t *testing.T) {
	t.Helper()
	bundle.NeedCorten(t)
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		t.Skip("systemd does not run this machine")
	}
}

// systemctl asks over the bus: systemd's own socket is not for other PID
// namespaces, which the tests are in.
func systemctl(t *testing.T, words ...string) string {
	t.Helper()
	cmd := exec.Command("systemctl", words...)
	cmd.Env = append(os.Environ(), "SYSTEMCTL_FORCE_BUS=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("systemctl %v: %v: %s", words, err, out)
	}
	return strings.TrimSpace(string(out))
}

func show(t *testing.T, unit, property string) string {
	t.Helper()
	return systemctl(t, "show", "--value", "-p", property, unit)
}

// systemdBundle is a bundle whose scope is ct-ID.scope in a slice of its own.
func systemdBundle(t *testing.T, edits ...bundle.Edit) (b *bundle.Bundle, unit string) {
	b = bundle.NewEmpty(t)
	spec := bundle.Base()
	spec.Process.Args = []string{"probe", "pause"}
	spec.Linux.CgroupsPath = "system-ct.slice:ct:" + b.ID
	for _, edit := range edits {
		edit(spec)
	}
	b.Write(spec)
	return b, "ct-" + b.ID + ".scope"
}

// What systemd says of the scope is what the kernel has and the bundle asks
// for, also after systemd has read its configuration again.
//
// spec: linux.cgroupsPath
func TestSystemdMakesAScopeWithTheLimits(t *testing.T) {
	needSystemd(t)
	b, unit := systemdBundle(t, func(s *specs.Spec) {
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: pointer[int64](64 << 20), Reservation: pointer[int64](16 << 20)}
		s.Linux.Resources.Pids = &specs.LinuxPids{Limit: pointer[int64](20)}
		s.Linux.Resources.CPU = &specs.LinuxCPU{Shares: pointer[uint64](512), Quota: pointer[int64](20000), Period: pointer[uint64](50000), Cpus: "0"}
		s.Annotations = map[string]string{"org.systemd.property.TimeoutStopUSec": "uint64 7000000"}
	})
	b.Corten("--systemd-cgroup", "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
	v1 := bundle.CgroupDir("pids", "/") != bundle.CgroupDir("", "/")
	want := map[string]string{"TasksMax": "20", "Delegate": "yes", "Slice": "system-ct.slice", "TimeoutStopUSec": "7s", "ActiveState": "active",
		"CPUQuotaPerSecUSec": "400ms", "DevicePolicy": "strict", "MemoryMax": "67108864", "MemoryLow": "16777216", "CPUWeight": "59", "AllowedCPUs": "0"}
	if v1 {
		for _, name := range []string{"MemoryMax", "MemoryLow", "CPUWeight", "AllowedCPUs"} {
			delete(want, name)
		}
		want["MemoryLimit"], want["CPUShares"] = "67108864", "512"
	}
	for property, value := range want {
		if got := show(t, unit, property); got != value {
			t.Errorf("%s is %s, want %s", property, got, value)
		}
	}
	files := func(when string) {
		checkFile(t, cgroupOf(t, b, "memory"), "memory.limit_in_bytes", "memory.max", "67108864")
		checkFile(t, cgroupOf(t, b, "pids"), "pids.max", "pids.max", "20")
		checkFile(t, cgroupOf(t, b, "cpu"), "cpu.cfs_quota_us", "cpu.max", "20000")
		if got := b.Text(fmt.Sprintf("/proc/%d/cgroup", b.State().PID)); !strings.Contains(got, ":/system.slice/system-ct.slice/"+unit) {
			t.Errorf("%s: the payload is in %s", when, got)
		}
		if r := b.Exec("ID", "probe", "open-read", "/dev/null"); r.Stdout != "ok\n" {
			t.Errorf("%s: /dev/null: %s%s", when, r.Stdout, r.Stderr)
		}
	}
	files("at first")
	systemctl(t, "daemon-reload")
	files("after a daemon-reload")
	b.Corten("update", "--pids-limit", "30", "--cpu-quota", "12345", "--cpu-period", "50000", b.ID).OK(b)
	systemctl(t, "daemon-reload")
	if got := show(t, unit, "TasksMax"); got != "30" {
		t.Errorf("TasksMax is %s after an update", got)
	}
	checkFile(t, cgroupOf(t, b, "pids"), "pids.max", "pids.max", "30")
	dir := cgroupOf(t, b, "pids")
	b.Corten("delete", "--force", b.ID).OK(b)
	if state := show(t, unit, "ActiveState"); state != "inactive" {
		t.Errorf("the unit is %s after delete", state)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is still there", dir)
	}
}

// A unit that failed is no obstacle, one that lives is.
func TestSystemdUnitsOfTheSameName(t *testing.T) {
	needSystemd(t)
	limit := func(s *specs.Spec) {
		s.Process.Args = []string{"probe", "alloc", "100"}
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: pointer[int64](16 << 20)}
	}
	failed, unit := systemdBundle(t, limit)
	failed.Corten("--systemd-cgroup", "run", "--detach", "--bundle", failed.Dir, failed.ID).OK(failed)
	failed.WaitStatus("stopped")
	same := func(s *specs.Spec) { s.Linux.CgroupsPath = "system-ct.slice:ct:" + failed.ID }
	b := bundle.New(t, bundle.Probe("pause"), same)
	b.Corten("--systemd-cgroup", "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
	second := bundle.New(t, bundle.Args("true"), same)
	r := second.Corten("--systemd-cgroup", "run", "--bundle", second.Dir, second.ID)
	if r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/linux/cgroupsPath") {
		t.Errorf("a second container in the unit ends with %d: %s", r.Status, r.Stderr)
	}
	if got := b.State().Status; got != "running" {
		t.Errorf("the first container is %s", got)
	}
	b.Corten("delete", "--force", b.ID).OK(b)
	if state := show(t, unit, "LoadState"); state != "not-found" {
		t.Errorf("the unit is %s", state)
	}
}

func TestWithoutSystemdItsDriverSaysSo(t *testing.T) {
	bundle.NeedCorten(t)
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		t.Skip("systemd runs this machine")
	}
	b, _ := systemdBundle(t)
	r := b.Corten("--systemd-cgroup", "run", "--bundle", b.Dir, b.ID)
	if r.Status != 1 || !strings.Contains(r.Stderr, "config.json#/linux/cgroupsPath: start ct-"+b.ID+".scope: /run/systemd/private: ") {
		t.Errorf("status %d: %s", r.Status, r.Stderr)
	}
	if _, err := os.Stat(filepath.Join(b.Root, b.ID)); err == nil {
		t.Error("state is left")
	}
}

// The container is in a cgroup below the scope when an annotation asks for one,
// and its payload in another below that, which is its root's.
//
// spec: linux.resources.pids.limit
func TestSystemdPutsTheContainerBelowTheScope(t *testing.T) {
	needSystemd(t)
	names := []string{""}
	if bundle.CgroupDir("pids", "/") == bundle.CgroupDir("", "/") { // v1 delegates nothing
		names = append(names, "own")
	}
	for _, own := range names {
		t.Run("delegated="+own, func(t *testing.T) {
			b, unit := systemdBundle(t, func(s *specs.Spec) {
				s.Linux.Resources.Pids = &specs.LinuxPids{Limit: pointer[int64](20)}
				s.Annotations = map[string]string{"run.oci.systemd.subgroup": "container", "run.oci.delegate-cgroup": own}
			})
			b.Corten("--systemd-cgroup", "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
			dir := cgroupOf(t, b, "pids")
			if own != "" {
				dir = filepath.Dir(dir)
			}
			scope := filepath.Dir(dir)
			if filepath.Base(dir) != "container" || filepath.Base(scope) != unit {
				t.Errorf("the payload is in %s", cgroupOf(t, b, "pids"))
			}
			if procs := b.Text(scope + "/cgroup.procs"); procs != "" {
				t.Errorf("in the scope itself there are %q", procs)
			}
			for _, limit := range []string{"20", "30"} {
				if limit != "20" {
					b.Corten("update", "--pids-limit", limit, b.ID).OK(b)
				}
				systemctl(t, "daemon-reload")
				checkFile(t, dir, "pids.max", "pids.max", limit)
				if got := show(t, unit, "TasksMax"); got != limit {
					t.Errorf("TasksMax is %s, not %s", got, limit)
				}
			}
			if out := b.Exec("ID", "probe").OK(b).Stdout; !strings.Contains(out, "/container") {
				t.Errorf("exec is in %s", out)
			}
			b.Corten("pause", b.ID).OK(b)
			b.WaitStatus("paused")
			b.Corten("delete", "--force", b.ID).OK(b)
			if state := show(t, unit, "ActiveState"); state != "inactive" {
				t.Errorf("the unit is %s after delete", state)
			}
			if _, err := os.Stat(scope); err == nil {
				t.Errorf("%s is left", scope)
			}
		})
	}
	taken, _ := systemdBundle(t)
	taken.Corten("--systemd-cgroup", "run", "--detach", "--bundle", taken.Dir, taken.ID).OK(taken)
	b := bundle.New(t, bundle.Args("true"), annotated("run.oci.systemd.subgroup", "container"), func(s *specs.Spec) { s.Linux.CgroupsPath = "system-ct.slice:ct:" + taken.ID })
	if r := b.Corten("--systemd-cgroup", "run", "--bundle", b.Dir, b.ID); r.Status == 0 || taken.State().Status != "running" {
		t.Errorf("in the scope of another: status %d, and the other is %s: %s", r.Status, taken.State().Status, r.Stderr)
	}
}
