// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// views are commands that end with "$@", run in a mount namespace of their own.
// A new mount of cgroup2 would take options such as nsdelegate from the host's.
var views = map[string]string{
	"unified": `if [ -d /sys/fs/cgroup/unified ]; then mount --bind /sys/fs/cgroup/unified /mnt && umount -R /sys/fs/cgroup && mount --move /mnt /sys/fs/cgroup; fi && exec "$@"`,
	"legacy":  `umount /sys/fs/cgroup/unified && exec "$@"`,
	"none":    `umount -R /sys/fs/cgroup && exec "$@"`,
}

// inView runs the calling test again where only that view of the host's
// cgroups is mounted, and reports whether the caller is that run.
func inView(t *testing.T, view string) bool {
	t.Helper()
	needRoot(t)
	if os.Getenv("CORTEN_CGROUP_VIEW") == view {
		return true
	}
	if view == "unified" && probed(t).unified() < 0 {
		t.Skip("this machine mounts no cgroup v2 hierarchy")
	}
	cmd := exec.Command("unshare", "-m", "sh", "-c", views[view], "sh", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), "CORTEN_CGROUP_VIEW="+view)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "--- SKIP") {
		t.Skip(string(out))
	}
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("in the %s view: %v\n%s", view, err, out)
	}
	return false
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes cgroups")
	}
}

// needHybrid skips the outer run of a test in the legacy view.
func needHybrid(t *testing.T) {
	t.Helper()
	if os.Getenv("CORTEN_CGROUP_VIEW") == "" && probed(t).Mode != Hybrid {
		t.Skip("needs cgroup v1 and v2 mounted")
	}
}

func probed(t *testing.T) *Host {
	t.Helper()
	h, err := Probe()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// needV1 skips unless the v1 controllers are mounted, with v2 beside or not.
func needV1(t *testing.T, controllers ...string) *Host {
	t.Helper()
	h := need(t, controllers...)
	for _, c := range controllers {
		if h.Hierarchies[h.holder(c)].V2 {
			t.Skip("needs the cgroup v1 controller " + c)
		}
	}
	return h
}

// needV2 skips unless the v2 hierarchy has the controllers.
func needV2(t *testing.T, controllers ...string) *Host {
	t.Helper()
	h := need(t, controllers...)
	for _, c := range controllers {
		if !h.Hierarchies[h.holder(c)].V2 {
			t.Skip("needs the cgroup v2 controller " + c)
		}
	}
	return h
}

// need skips unless the host has the controllers, of whichever version.
func need(t *testing.T, controllers ...string) *Host {
	t.Helper()
	needRoot(t)
	h := probed(t)
	for _, c := range controllers {
		if h.holder(c) < 0 {
			t.Skip("needs the cgroup controller " + c)
		}
	}
	return h
}

// applied compiles and applies resources, and makes sure that nothing of it is
// left at the end.
func applied(t *testing.T, h *Host, path string, r *specs.LinuxResources) (*Cgroup, *Plan) {
	t.Helper()
	p, err := Compile(&specs.Spec{Linux: &specs.Linux{CgroupsPath: path, Resources: r}}, "corten-test", h)
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Apply()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removed(t, c) })
	return c, p
}

func removed(t *testing.T, c *Cgroup) {
	t.Helper()
	if err := c.Kill(); err != nil {
		t.Error(err)
	}
	if err := c.Remove(); err != nil {
		t.Error(err)
	}
	gone(t, append(c.Created, c.Paths...)...)
}

func gone(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
			os.Remove(path)
		}
	}
}

// file reads a control file in the hierarchy that has the controller.
func file(t *testing.T, c *Cgroup, name string) string {
	t.Helper()
	for _, dir := range c.Paths {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	t.Fatalf("no file %s in %v", name, c.Paths)
	return ""
}

// started runs a command in the cgroup: cloned into v2, attached to v1. The
// shell waits for its standard input until it is there.
func started(t *testing.T, c *Cgroup, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", "read go; "+script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if fd := c.FD(); fd >= 0 {
		cmd.SysProcAttr = &unix.SysProcAttr{UseCgroupFD: true, CgroupFD: fd}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Attach(cmd.Process.Pid); err != nil {
		cmd.Process.Kill()
		t.Fatal(err)
	}
	in.Write([]byte("\n"))
	in.Close()
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// run is started, waited for: its exit status.
func run(t *testing.T, c *Cgroup, script string) int {
	t.Helper()
	cmd := started(t, c, script)
	cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// eventually waits up to two seconds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 400 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("not within 2 s: " + what)
}

func ptr[T any](v T) *T { return &v }
