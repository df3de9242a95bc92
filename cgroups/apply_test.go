// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

func TestLimitsV1(t *testing.T) {
	h := needV1(t, "memory", "pids", "cpu", "cpuset", "freezer")
	r := everything()
	r.Memory.Swappiness, r.Memory.DisableOOMKiller = ptr(uint64(10)), ptr(true)
	r.Memory.Limit = ptr(int64(10485760 + 1)) // rounded down by the kernel
	r.CPU.Cpus = "0"
	c, _ := applied(t, h, "/corten-limits/a/b", r)
	for name, want := range map[string]string{
		"memory.limit_in_bytes": "10485760", "memory.memsw.limit_in_bytes": "20971520", "memory.soft_limit_in_bytes": "4194304",
		"memory.swappiness": "10", "cpu.shares": "1024", "cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000",
		"cpu.cfs_burst_us": "1000", "cpuset.cpus": "0", "cpuset.mems": "0", "pids.max": "50",
	} {
		if got := file(t, c, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if got := file(t, c, "memory.oom_control"); !strings.HasPrefix(got, "oom_kill_disable 1") {
		t.Errorf("memory.oom_control is %q", got)
	}
	out := filepath.Join(t.TempDir(), "out")
	if status := run(t, c, "cat /proc/self/cgroup >"+out); status != 0 {
		t.Fatal("status", status)
	}
	text, _ := os.ReadFile(out)
	if n := strings.Count(string(text), ":/corten-limits/a/b\n"); n != len(h.Hierarchies) {
		t.Errorf("in %d of %d hierarchies:\n%s", n, len(h.Hierarchies), text)
	}
}

func TestPidsLimit(t *testing.T) {
	h := need(t, "pids")
	c, _ := applied(t, h, "/corten-pids", &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(10))}})
	out := filepath.Join(t.TempDir(), "out")
	run(t, c, "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done 2>/dev/null; echo $! >"+out)
	if got := file(t, c, "pids.current"); bytesOf(got) > 10 {
		t.Errorf("%s processes", got)
	}
	if failed := file(t, c, "pids.events"); failed == "max 0" {
		t.Error("no fork failed")
	}
}

// A memory limit kills.
func TestMemoryLimit(t *testing.T) {
	h := need(t, "memory")
	c, _ := applied(t, h, "/corten-memory", &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(8 << 20)), Swap: ptr(int64(8 << 20))}})
	if status := run(t, c, "exec dd if=/dev/zero of=/dev/null bs=64M count=1"); status != -1 {
		t.Errorf("status %d, want SIGKILL", status)
	}
}

// Lower limits in a cgroup that is used again: the old ones are in the way of
// none.
func TestLimitsReused(t *testing.T) {
	h := needV1(t, "memory", "cpu")
	limits := func(limit, swap, quota int64, burst uint64) *specs.LinuxResources {
		return &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &swap}, CPU: &specs.LinuxCPU{Quota: &quota, Burst: &burst}}
	}
	for _, r := range []*specs.LinuxResources{limits(8<<20, 8<<20, 90000, 80000), limits(32<<20, 64<<20, 20000, 0), limits(4<<20, 4<<20, 80000, 10)} {
		c, _ := applied(t, h, "/corten-again", r)
		if got, want := file(t, c, "memory.memsw.limit_in_bytes"), fmt.Sprint(*r.Memory.Swap); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got, want := file(t, c, "cpu.cfs_quota_us"), fmt.Sprint(*r.CPU.Quota); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		c.Created = nil
	}
}

func TestUnified(t *testing.T) {
	if !inView(t, "unified") {
		return
	}
	h := probed(t)
	c, p := applied(t, h, "/corten-unified/x", nil)
	if p.Into != 0 || c.FD() < 0 || len(c.Created) != 2 {
		t.Fatalf("%+v", c)
	}
	text, err := os.ReadFile(c.Paths[0] + "/cgroup.controllers")
	if err != nil || strings.TrimSpace(string(text)) != strings.Join(h.Controllers, " ") {
		t.Errorf("controllers %q of %v, %v", text, h.Controllers, err)
	}
	started(t, c, "sleep 20 & sleep 20")
	eventually(t, "two processes", func() bool { pids, _ := c.Procs(); return len(pids) >= 2 })
	later := Open(c.Paths, c.Created...)
	pids, err := later.Procs()
	if err != nil || len(pids) < 2 {
		t.Error(pids, err)
	}
	checkFreezer(t, later)
	if err := later.killEach(false); err != nil { // as before 5.14
		t.Error(err)
	}
	eventually(t, "no processes", func() bool { pids, _ := c.Procs(); return len(pids) == 0 })
	started(t, c, "sleep 20 & sleep 20")
	if err := later.Freeze(); err != nil { // Kill and Remove of a frozen one
		t.Error(err)
	}
	removed(t, later)
}

func TestFreezerV1(t *testing.T) {
	needHybrid(t)
	if !inView(t, "legacy") {
		return
	}
	c, _ := applied(t, needV1(t, "freezer"), "/corten-freezer", nil)
	started(t, c, "sleep 20 & sleep 20")
	checkFreezer(t, c)
	if err := c.Freeze(); err != nil {
		t.Error(err)
	}
	removed(t, c)
}

func checkFreezer(t *testing.T, c *Cgroup) {
	t.Helper()
	is := func(want bool) {
		t.Helper()
		if got, err := c.Frozen(); got != want || err != nil {
			t.Errorf("frozen %v, %v, want %v", got, err, want)
		}
	}
	is(false)
	if err := c.Freeze(); err != nil {
		t.Fatal(err)
	}
	is(true)
	if err := c.Thaw(); err != nil {
		t.Fatal(err)
	}
	is(false)
}

// C10: a cgroup with processes, or frozen, is refused and left as it is.
func TestRefusedCgroup(t *testing.T) {
	needRoot(t)
	h := probed(t)
	c, p := applied(t, h, "/corten-busy", nil)
	cmd := started(t, c, "exec sleep 20") // one process, whenever they are counted
	eventually(t, "a process", func() bool { pids, _ := c.Procs(); return len(pids) > 0 })
	check := func(want string) {
		t.Helper()
		for _, f := range []func() error{p.Vacant, func() error { _, err := p.Apply(); return err }} {
			err := f()
			if e := (*plan.Error)(nil); !errors.As(err, &e) || !strings.HasSuffix(err.Error(), want) || e.At.String() != "/linux/cgroupsPath" {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	}
	pids, _ := c.Procs()
	check(fmt.Sprintf("container's cgroup is not empty: %d process(es) found", len(pids)))
	if err := cmd.Process.Signal(unix.Signal(0)); err != nil {
		t.Error("the process is gone")
	}
	if err := c.Kill(); err != nil {
		t.Error(err)
	}
	cmd.Wait()
	eventually(t, "no process", func() bool { pids, _ := c.Procs(); return len(pids) == 0 })
	if err := p.Vacant(); err != nil {
		t.Error(err)
	}
	if err := c.Freeze(); err != nil {
		t.Fatal(err)
	}
	check("container's cgroup unexpectedly frozen")
	if err := c.Thaw(); err != nil {
		t.Error(err)
	}
}

// A new cgroup below a frozen one is frozen too.
func TestFrozenAbove(t *testing.T) {
	needRoot(t)
	h := probed(t)
	above, _ := applied(t, h, "/corten-ice", nil)
	if err := above.Freeze(); err != nil {
		t.Skip(err)
	}
	defer above.Thaw()
	p, err := Compile(&specs.Spec{Linux: &specs.Linux{CgroupsPath: "/corten-ice/x"}}, "x", h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(); !errors.Is(err, ErrFrozen) {
		t.Error(err)
	}
	for i := range p.Dirs {
		gone(t, p.Dirs[i].Path)
	}
}

// Without permission: nothing asked for is no error, a limit or a path is.
func TestRootless(t *testing.T) {
	if os.Getenv("CORTEN_CGROUP_VIEW") != "rootless" {
		needRoot(t)
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestRootless$", "-test.v")
		cmd.Env = append(os.Environ(), "CORTEN_CGROUP_VIEW=rootless")
		cmd.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	h := probed(t)
	p, err := Compile(&specs.Spec{}, "corten-rootless", h)
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Apply()
	if err != nil || len(c.Paths) != 0 || c.FD() != -1 || c.Attach(1) != nil || c.Kill() != nil || c.Remove() != nil {
		t.Errorf("%+v, %v", c, err)
	}
	if p, err = Compile(&specs.Spec{Linux: &specs.Linux{CgroupsPath: "/x"}}, "corten-rootless", h); err != nil {
		t.Fatal(err)
	}
	_, err = p.Apply()
	if e := (*plan.Error)(nil); !errors.As(err, &e) || e.Err != unix.EACCES || !strings.HasPrefix(e.Hint, "rootless needs no limits") {
		t.Error(err)
	}
}

// R9: hundreds of cgroups, one in the other.
func TestRemoveNested(t *testing.T) {
	needRoot(t)
	c, _ := applied(t, probed(t), "/corten-nested", nil)
	for _, path := range []string{c.Paths[0], c.Paths[len(c.Paths)-1]} {
		if err := os.MkdirAll(path+strings.Repeat("/d", 300), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	removed(t, c)
}

// A limit the kernel refuses leaves no directory behind.
func TestApplyUndone(t *testing.T) {
	h := need(t, "cpuset")
	p, err := Compile(&specs.Spec{Linux: &specs.Linux{CgroupsPath: "/corten-undone/x", Resources: &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "7000"}}}}, "x", h)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Apply()
	if e := (*plan.Error)(nil); !errors.As(err, &e) || !strings.HasPrefix(err.Error(), "config.json#/linux/resources/cpu/cpus: write cpuset.cpus \"7000\": ") {
		t.Error(err)
	}
	for i := range p.Dirs {
		gone(t, p.Dirs[i].Path, filepath.Dir(p.Dirs[i].Path))
	}
}

// L3, L5: sub-cgroups the container made, processes in them, forks on the way.
func TestKillAndRemove(t *testing.T) { needRoot(t); killAndRemove(t) }

func TestKillAndRemoveLegacy(t *testing.T) {
	needHybrid(t)
	if inView(t, "legacy") {
		killAndRemove(t)
	}
}

func killAndRemove(t *testing.T) {
	c, _ := applied(t, probed(t), "/corten-kill", nil)
	var script strings.Builder
	for _, path := range c.Paths {
		if strings.Contains(path, "cpuset") {
			continue
		}
		fmt.Fprintf(&script, "for i in 1 2 3; do mkdir -p %s/s$i/t/u; (echo $$ >%s/s$i/t/cgroup.procs) 2>/dev/null; done; sleep 30 & ", path, path)
	}
	started(t, c, script.String()+"(trap '' TERM; while :; do sleep 0.01; done) & wait")
	eventually(t, "many processes", func() bool { pids, _ := c.Procs(); return len(pids) > 3 })
	start := time.Now()
	later := Open(c.Paths, c.Created...)
	removed(t, later)
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
	if err := later.Remove(); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if err := later.Kill(); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if pids, err := later.Procs(); err != nil || len(pids) != 0 {
		t.Error(pids, err)
	}
}

func TestSurvivors(t *testing.T) {
	needRoot(t)
	c, _ := applied(t, probed(t), "/corten-survivor", nil)
	cmd := started(t, c, "exec sleep 20")
	eventually(t, "sleep", func() bool {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		return strings.Contains(string(stat), " (sleep) S ")
	})
	err := c.remove(0, time.Now().Add(20*time.Millisecond))
	if want := fmt.Sprintf("processes left: %d (sleep, S)", cmd.Process.Pid); err == nil || !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want %s", err, want)
	}
}

// P5: neither a symbolic link nor another file system is taken for a cgroup.
func TestOnlyCgroups(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if _, err := openMount(dir, true); !errors.Is(err, errNotCgroup) {
		t.Error(err)
	}
	link := dir + "/link"
	if err := os.Symlink("/sys/fs/cgroup", link); err != nil {
		t.Fatal(err)
	}
	if _, err := openMount(link, true); err == nil {
		t.Error("opened a link")
	}
	c := Open([]string{dir})
	if err := c.Kill(); !errors.Is(err, errNotCgroup) {
		t.Error(err)
	}
	fd, err := unix.Open("/sys/fs/cgroup", dirFlags, 0)
	if err != nil {
		t.Skip(err)
	}
	defer unix.Close(fd)
	for _, name := range []string{"../../kernel", "/proc", "unified/../../x"} {
		for _, open := range []func(int, string, int) (int, error){openBeneath, walkBeneath} {
			if got, err := open(fd, name, unix.O_PATH); err == nil {
				t.Errorf("opened %s", name)
				unix.Close(got)
			}
		}
	}
}

func BenchmarkApply(b *testing.B) {
	h, err := Probe()
	if err != nil || os.Geteuid() != 0 {
		b.Skip("needs root and cgroups")
	}
	for b.Loop() {
		p, err := Compile(&specs.Spec{}, "corten-bench", h)
		if err != nil {
			b.Fatal(err)
		}
		c, err := p.Apply()
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Remove(); err != nil {
			b.Fatal(err)
		}
	}
}
