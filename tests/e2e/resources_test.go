// SPDX-License-Identifier: Apache-2.0

package e2e

import (
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

// cgroupOf is the directory of the container's cgroup with a controller, as
// the kernel says for its first process.
func cgroupOf(t *testing.T, b *bundle.Bundle, controller string) string {
	t.Helper()
	pid := b.State().PID
	text := b.Text(fmt.Sprintf("/proc/%d/cgroup", pid))
	path := ""
	for line := range strings.Lines(text) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if slices.Contains(strings.Split(part[1], ","), controller) {
			return bundle.CgroupDir(controller, part[2])
		}
		if part[1] == "" {
			path = part[2]
		}
	}
	return bundle.CgroupDir("", path)
}

// checkFile compares the first word of a cgroup's file, of version 1 or 2.
func checkFile(t *testing.T, dir, v1, v2, want string) {
	t.Helper()
	for _, name := range []string{v1, v2} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if f := strings.Fields(string(text)); len(f) == 0 || f[0] != want {
			t.Errorf("%s of %s is %q, want %s", name, dir, text, want)
		}
		return
	}
	t.Errorf("%s has neither %s nor %s", dir, v1, v2)
}

// inViews runs a test in every view of the cgroups that has the controller.
func inViews(t *testing.T, controller string, test func(*testing.T, bundle.View)) {
	for _, view := range bundle.Views() {
		t.Run(view.String(), func(t *testing.T) {
			if has, _ := view.Has(controller); !has {
				t.Skipf("this kernel's cgroup hierarchies have no %s controller in the %s view", controller, view)
			}
			test(t, view)
		})
	}
}

func limited(t *testing.T, view bundle.View, r specs.LinuxResources, edits ...bundle.Edit) *bundle.Bundle {
	edits = append([]bundle.Edit{bundle.Probe("pause"), func(s *specs.Spec) {
		r.Devices = append(s.Linux.Resources.Devices, r.Devices...)
		s.Linux.Resources = &r
	}}, edits...)
	b := bundle.New(t, edits...)
	b.View = view
	return b
}

// spec: linux.resources.memory.limit
func TestMemoryLimitIsInForce(t *testing.T) {
	inViews(t, "memory", func(t *testing.T, view bundle.View) {
		b := limited(t, view, specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: bundle.Pointer[int64](32 << 20)}})
		b.Detach()
		checkFile(t, cgroupOf(t, b, "memory"), "memory.limit_in_bytes", "memory.max", "33554432")
		if r := b.Exec("ID", "probe", "alloc", "100"); r.Status != 137 {
			t.Errorf("allocating 100 MiB of 32 ends with status %d: %s", r.Status, r.Stdout)
		}
		if r := b.Exec("ID", "probe", "alloc", "8"); r.Status != 0 {
			t.Errorf("allocating 8 MiB of 32 ends with status %d: %s", r.Status, r.Stderr)
		}
	})
}

func TestReservationIsSet(t *testing.T) {
	inViews(t, "memory", func(t *testing.T, view bundle.View) {
		b := limited(t, view, specs.LinuxResources{Memory: &specs.LinuxMemory{
			Limit: bundle.Pointer[int64](32 << 20), Reservation: bundle.Pointer[int64](16 << 20)}})
		b.Create()
		checkFile(t, cgroupOf(t, b, "memory"), "memory.soft_limit_in_bytes", "memory.low", "16777216")
	})
}

// spec: linux.resources.pids.limit
func TestTheEleventhProcessFailsWithALimitOfTen(t *testing.T) {
	inViews(t, "pids", func(t *testing.T, view bundle.View) {
		b := limited(t, view, specs.LinuxResources{Pids: &specs.LinuxPids{Limit: bundle.Pointer[int64](10)}},
			bundle.Probe("fork", "20"))
		if out := b.RunOK(); out != "9 EAGAIN\n" {
			t.Errorf("beside the first process there were %q", out)
		}
		b = limited(t, view, specs.LinuxResources{Pids: &specs.LinuxPids{Limit: bundle.Pointer[int64](10)}})
		b.Create()
		checkFile(t, cgroupOf(t, b, "pids"), "pids.max", "pids.max", "10")
	})
}

func TestCPUQuotaAndSharesAreSet(t *testing.T) {
	inViews(t, "cpu", func(t *testing.T, view bundle.View) {
		b := limited(t, view, specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: bundle.Pointer[int64](20000),
			Period: bundle.Pointer[uint64](50000), Shares: bundle.Pointer[uint64](512)}})
		b.Create()
		dir := cgroupOf(t, b, "cpu")
		checkFile(t, dir, "cpu.cfs_quota_us", "cpu.max", "20000")
		if _, unified := view.Has("cpu"); !unified {
			checkFile(t, dir, "cpu.cfs_period_us", "", "50000")
			checkFile(t, dir, "cpu.shares", "", "512")
		} else {
			checkFile(t, dir, "", "cpu.weight", "59")
		}
	})
}

// spec: linux.resources.cpu.cpus, linux.resources.cpu.mems
func TestCPUSetIsInForce(t *testing.T) {
	inViews(t, "cpuset", func(t *testing.T, view bundle.View) {
		b := limited(t, view, specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0", Mems: "0"}}, bundle.Probe())
		if got := b.Report().Status("Cpus_allowed_list"); got != "0" {
			t.Errorf("the payload may run on %s", got)
		}
	})
}

// spec: linux.resources.devices[].allow
// cve: GHSA-g54h-m393-cpwq
func TestDevicesNotAllowedCannotBeOpened(t *testing.T) {
	for _, view := range bundle.Views() {
		t.Run(view.String(), func(t *testing.T) {
			mknod := func(s *specs.Spec) { bundle.Capabilities("CAP_MKNOD")(s) }
			b := limited(t, view, specs.LinuxResources{}, mknod, bundle.Shell(
				`probe mknod /dev/k c 1 11; probe mknod /dev/l b 7 0; probe open-write /dev/null; probe open-read /dev/full`))
			if got := b.Run().Stdout; got != "EPERM\nEPERM\nok\nok\n" {
				t.Errorf("kmsg, loop0, null, full: %q", got)
			}
		})
	}
}

// spec: linux.resources.devices[].allow, linux.resources.devices[].type, linux.resources.devices[].major
// spec: linux.resources.devices[].minor, linux.resources.devices[].access
func TestDevicesAllowedCanBeOpened(t *testing.T) {
	for _, view := range bundle.Views() {
		t.Run(view.String(), func(t *testing.T) {
			b := limited(t, view, specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{
				{Allow: true, Type: "c", Major: bundle.Pointer[int64](1), Minor: bundle.Pointer[int64](11), Access: "rm"},
			}}, bundle.Capabilities("CAP_MKNOD", "CAP_SYSLOG"), bundle.Shell(
				`probe mknod /dev/k c 1 11; probe open-write /dev/k; probe mknod /dev/m c 1 1; probe mknod /dev/b b 1 11; probe mknod /dev/n c 240 11`))
			if got := b.Run().Stdout; got != "ok\nEPERM\nEPERM\nEPERM\nEPERM\n" {
				t.Errorf("kmsg to read, kmsg to write, another minor, type and major: %q", got)
			}
		})
	}
}

// spec: linux.cgroupsPath
func TestTheCgroupIsTheOneAskedForAndGoesWithTheContainer(t *testing.T) {
	for _, view := range bundle.Views() {
		t.Run(view.String(), func(t *testing.T) {
			b := bundle.New(t, bundle.Probe("pause"))
			spec := bundle.Base()
			spec.Process.Args = []string{"probe", "pause"}
			spec.Linux.CgroupsPath = "/" + b.ID + "/deep/er"
			b.Write(spec)
			b.View = view
			b.Detach()
			pid := b.State().PID
			for line := range strings.Lines(b.Text(fmt.Sprintf("/proc/%d/cgroup", pid))) {
				part := strings.SplitN(strings.TrimSpace(line), ":", 3)
				if _, err := os.Stat(filepath.Join("/sys/fs/cgroup", strings.TrimPrefix(part[1], "name="))); err != nil {
					continue // a hierarchy that is mounted nowhere
				}
				shown := view != bundle.V2 && part[1] != "" || view != bundle.V1 && part[1] == ""
				if shown && !strings.HasSuffix(part[2], "/"+b.ID+"/deep/er") {
					t.Errorf("cgroup %s", line)
				}
			}
			// Parents that did not exist go too, or can be removed by who sees them.
			b.Corten("delete", "--force", b.ID).OK(b)
			for _, controller := range []string{"", "pids", "memory"} {
				dir := bundle.CgroupDir(controller, "/"+b.ID)
				if _, err := os.Stat(filepath.Join(dir, "deep/er")); err == nil {
					t.Errorf("%s/deep/er is still there", dir)
				}
				os.Remove(filepath.Join(dir, "deep"))
				os.Remove(dir)
			}
			removeEmpty(b.ID)
		})
	}
}

// removeEmpty removes the cgroups a container's path had above its own.
func removeEmpty(id string) {
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*/" + id)
	more, _ := filepath.Glob("/sys/fs/cgroup/memory/*/*/" + id)
	for _, dir := range append(dirs, more...) {
		os.Remove(filepath.Join(dir, "deep"))
		os.Remove(dir)
	}
}

// A cgroup that corten made above several containers goes with the last of them,
// whichever that is; one that others made stays.
func TestACgroupAboveSeveralContainersGoesWithTheLast(t *testing.T) {
	bundle.NeedCorten(t) // runc leaves it
	for _, view := range bundle.Views() {
		t.Run(view.String(), func(t *testing.T) {
			pod := make([]*bundle.Bundle, 3)
			for i := range pod {
				pod[i] = bundle.New(t)
				pod[i].View = view
			}
			kept := "/" + pod[0].ID + "-kept"
			made := kept + "/made/deep"
			for _, dir := range hierarchies() {
				if err := os.Mkdir(dir+kept, 0o755); err == nil {
					t.Cleanup(func() { os.Remove(dir + kept) })
				}
			}
			for i, b := range pod {
				spec := bundle.Base()
				spec.Process.Args = []string{"probe", "pause"}
				spec.Linux.CgroupsPath = made + "/" + strconv.Itoa(i)
				b.Write(spec)
				b.Detach()
			}
			for _, i := range []int{0, 2, 1} {
				if len(existing(made)) == 0 {
					t.Errorf("there is no %s any more", made)
				}
				pod[i].Corten("delete", "--force", pod[i].ID).OK(pod[i])
			}
			if left := existing(kept + "/made"); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if len(existing(kept)) == 0 {
				t.Errorf("%s is gone", kept)
			}
		})
	}
}

// hierarchies are where the host's cgroups are mounted.
func hierarchies() []string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return []string{"/sys/fs/cgroup"}
	}
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*")
	return dirs
}

// existing are the directories of a cgroup.
func existing(cgroup string) (dirs []string) {
	for _, dir := range hierarchies() {
		if _, err := os.Stat(dir + cgroup); err == nil {
			dirs = append(dirs, dir+cgroup)
		}
	}
	return dirs
}

// In the host's pid namespace others of its session outlive the first process:
// its number is no process, and not free.
func TestOthersOfTheFirstProcessesSessionLiveOn(t *testing.T) {
	b := bundle.New(t, bundle.Shell("sleep 1000 </dev/null >/dev/null 2>&1 & exit 3"), bundle.WithoutNamespace(specs.PIDNamespace))
	b.Detach()
	b.WaitStatus("stopped")
	refused(t, b.Corten("kill", b.ID, "TERM"), "container not running")
	b.Corten("delete", "--force", b.ID).OK(b)
}

func TestAContainerWithAOneMegabyteLimitStarts(t *testing.T) {
	bundle.NeedCorten(t) // peers need more for their own copy
	inViews(t, "memory", func(t *testing.T, view bundle.View) {
		b := limited(t, view, specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: bundle.Pointer[int64](1 << 20)}},
			bundle.Args("true"))
		b.Run().OK(b)
	})
}
