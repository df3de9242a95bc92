// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// links of /proc/self/ns by the spec's names.
var links = map[specs.LinuxNamespaceType]string{
	specs.PIDNamespace: "pid", specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts",
	specs.MountNamespace: "mnt", specs.CgroupNamespace: "cgroup", specs.UserNamespace: "user", specs.TimeNamespace: "time",
}

func own(t *testing.T, name string) string {
	t.Helper()
	link, err := os.Readlink("/proc/self/ns/" + name)
	if err != nil {
		t.Skipf("the kernel has no %s namespaces", name)
	}
	return link
}

func TestNamespacesAskedForAreNewAndNoOthers(t *testing.T) {
	r := bundle.New(t, bundle.Probe(), bundle.Namespace(specs.CgroupNamespace, "")).Report()
	for kind, name := range links {
		wantNew := kind != specs.UserNamespace && kind != specs.TimeNamespace
		if isNew := r.NS[name] != own(t, name); isNew != wantNew {
			t.Errorf("%s: new %v, want %v", kind, isNew, wantNew)
		}
	}
}

func TestNamespacesNotAskedForAreTheCallers(t *testing.T) {
	for _, kind := range []specs.LinuxNamespaceType{specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace} {
		t.Run(string(kind), func(t *testing.T) {
			b := bundle.New(t, bundle.Probe(), bundle.WithoutNamespace(kind), func(s *specs.Spec) {
				if kind == specs.UTSNamespace {
					s.Hostname = ""
				}
			})
			if got, want := b.Report().NS[links[kind]], own(t, links[kind]); got != want {
				t.Errorf("%s, want the caller's %s", got, want)
			}
		})
	}
}

// holder is a process in new namespaces of the kinds unshare(1) is told.
func holder(t *testing.T, flags ...string) int {
	t.Helper()
	cmd := exec.Command("unshare", append(flags, "sleep", "1000")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); cmd.Wait() })
	pid := cmd.Process.Pid
	asleep := func() bool {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return string(comm) == "sleep\n"
	}
	if !bundle.Eventually(asleep) {
		t.Fatal("unshare: no sleep")
	}
	return pid
}

func TestNamespacesAreJoinedByPath(t *testing.T) {
	pid := holder(t, "--net", "--ipc", "--uts", "--cgroup")
	for _, kind := range []specs.LinuxNamespaceType{specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.CgroupNamespace} {
		t.Run(string(kind), func(t *testing.T) {
			if kind == specs.CgroupNamespace {
				bundle.NeedCorten(t) // newer than Debian's runc
			}
			path := fmt.Sprintf("/proc/%d/ns/%s", pid, links[kind])
			want, err := os.Readlink(path)
			if err != nil {
				t.Fatal(err)
			}
			b := bundle.New(t, bundle.Probe(), bundle.Namespace(kind, path))
			if got := b.Report().NS[links[kind]]; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

func TestAPIDNamespaceIsJoinedByPath(t *testing.T) {
	first := bundle.New(t, bundle.Probe("pause"))
	first.Detach()
	path := fmt.Sprintf("/proc/%d/ns/pid", first.State().PID)
	want, _ := os.Readlink(path)
	b := bundle.New(t, bundle.Probe(), bundle.Namespace(specs.PIDNamespace, path))
	if r := b.Report(); r.NS["pid"] != want || r.PID == 1 {
		t.Errorf("pid %d in %s, want %s", r.PID, r.NS["pid"], want)
	}
}

func TestANamespacePathOfAnotherKindIsRefused(t *testing.T) {
	b := bundle.New(t, bundle.Args("true"), bundle.Namespace(specs.NetworkNamespace, "/proc/self/ns/uts"))
	if r := b.Run(); r.Status == 0 {
		t.Error("a UTS namespace was taken for a network namespace")
	}
}

func TestAUserNamespaceHasItsMappings(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), bundle.UserNamespace(100000), bundle.WithoutMount("/sys/fs/cgroup"))
	own100000(t, b)
	r := b.Report()
	for _, file := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		if got := strings.Join(strings.Fields(r.Files[file]), " "); got != "0 100000 65536" {
			t.Errorf("%s: %q", file, got)
		}
	}
	if r.NS["user"] == own(t, "user") || r.Status("Uid") != "0 0 0 0" {
		t.Errorf("user namespace %s, Uid %s", r.NS["user"], r.Status("Uid"))
	}
	if m := r.Mount("/proc"); m == nil || m.Type != "proc" {
		t.Errorf("/proc: %+v", m)
	}
}

// own100000 gives the rootfs to the ids mapped to root.
func own100000(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	filepath.Walk(b.Rootfs(), func(path string, _ os.FileInfo, err error) error {
		if err == nil {
			err = os.Lchown(path, 100000, 100000)
		}
		if err != nil {
			t.Fatal(err)
		}
		return nil
	})
}

func TestDevicesWorkInAUserNamespace(t *testing.T) {
	b := bundle.New(t, bundle.Shell("echo x >/dev/null && probe stat /dev/null | cut -c1-5; probe open-read /dev/zero; readlink /dev/stdin"),
		bundle.UserNamespace(100000))
	own100000(t, b)
	if out := b.RunOK(); !strings.HasSuffix(out, "ok\n/proc/self/fd/0\n") {
		t.Errorf("printed %q", out)
	}
}

func TestCapabilitiesInAUserNamespaceAreThoseAskedFor(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), bundle.UserNamespace(100000), bundle.Capabilities("CAP_SYS_ADMIN"))
	own100000(t, b)
	if got := b.Report().Caps("Eff"); got != 1<<21 {
		t.Errorf("CapEff %x", got)
	}
}

func TestTimeOffsetsMoveTheClocks(t *testing.T) {
	bundle.NeedCorten(t) // newer than Debian's runc
	own(t, "time")
	plain := bundle.New(t, bundle.Probe()).Report()
	b := bundle.New(t, bundle.Probe(), bundle.Namespace(specs.TimeNamespace, ""), func(s *specs.Spec) {
		s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 7200}, "boottime": {Secs: 86400, Nanosecs: 5}}
	})
	r := b.Report()
	if moved := r.Monotonic - plain.Monotonic; moved < 7200 || moved > 7260 {
		t.Errorf("the monotonic clock moved by %d s", moved)
	}
	if moved := r.Boottime - plain.Boottime; moved < 86400 || moved > 86460 {
		t.Errorf("the boot clock moved by %d s", moved)
	}
}
