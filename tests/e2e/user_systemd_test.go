// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// systemdUser is a user whose own systemd runs; the test is skipped without one.
func systemdUser(t *testing.T) (uid int) {
	t.Helper()
	needSystemd(t)
	sockets, _ := filepath.Glob("/run/user/[1-9]*/systemd/private")
	if len(sockets) == 0 {
		t.Skip("no user of this machine has a systemd: loginctl enable-linger")
	}
	uid, _ = strconv.Atoi(strings.Split(sockets[0], "/")[3])
	return uid
}

// ofUser is the words that run the rest as the user, who finds his systemd.
func ofUser(uid int, words ...string) []string {
	return append(append(bundle.Become(uid), "env", fmt.Sprint("XDG_RUNTIME_DIR=/run/user/", uid), "SYSTEMCTL_FORCE_BUS=1"), words...)
}

// userShow is a property of a unit of the user's.
func userShow(t *testing.T, uid int, unit, property string) string {
	t.Helper()
	return succeeds(t, ofUser(uid, "systemctl", "--user", "show", "--value", "-p", property, unit)...)
}

// succeeds is the output of a command line that succeeds.
func succeeds(t *testing.T, words ...string) string {
	t.Helper()
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", words, err, out)
	}
	return strings.TrimSpace(string(out))
}

// An ordinary user has containers with limits, made by his systemd: in a
// session, out of whose cgroup the kernel lets him move nothing; below his
// systemd, where it does; and as root of a user namespace, as engines run it.
//
// spec: linux.resources.memory.limit, linux.resources.pids.limit, linux.cgroupsPath
func TestAUserHasLimitsOverHisSystemd(t *testing.T) {
	uid := systemdUser(t)
	if yes, unified := bundle.Host.Has("memory"); !yes || !unified {
		t.Skip("cgroup v1 is delegated to nobody")
	}
	transient := []string{"systemd-run", "--quiet", "--pipe", "--wait", "--collect"}
	service := ofUser(uid, append(transient, "--user", "-p", "Delegate=yes", "--")...)
	for _, where := range []struct {
		name  string
		root  int // of the container, for the runtime
		words []string
	}{
		{"session", uid, append(slices.Clone(transient), "-p", "PAMName=login", fmt.Sprint("--uid=", uid), "--")},
		{"service", uid, service},
		{"user namespace", 0, append(service, "unshare", "--user", "--map-root-user", "--map-auto", "--mount", "--", "env", "-u", "XDG_RUNTIME_DIR")},
	} {
		t.Run(where.name, func(t *testing.T) {
			limits := specs.LinuxResources{Pids: &specs.LinuxPids{Limit: pointer[int64](10)}, Memory: &specs.LinuxMemory{Limit: pointer[int64](32 << 20)}}
			limited := func(payload bundle.Edit) *bundle.Bundle {
				b := rootless(t, payload, mapped(where.root), func(s *specs.Spec) { s.Linux.Resources = &limits })
				b.As(uid, where.words...)
				return b
			}
			b := limited(bundle.Probe("fork", "20"))
			if r := b.Corten("--systemd-cgroup", "run", "--bundle", b.Dir, b.ID); r.Status != 0 || r.Stdout != "9 EAGAIN\n" {
				t.Fatalf("status %d, beside the first process there were %q: %s", r.Status, r.Stdout, r.Stderr)
			}
			b = limited(bundle.Probe("pause"))
			b.Corten("--systemd-cgroup", "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
			unit := "corten-" + b.ID + ".scope"
			for property, want := range map[string]string{"MemoryMax": "33554432", "TasksMax": "10", "ActiveState": "active", "Slice": "user.slice"} {
				if got := userShow(t, uid, unit, property); got != want {
					t.Errorf("%s is %s, want %s", property, got, want)
				}
			}
			dir := filepath.Join("/sys/fs/cgroup", userShow(t, uid, unit, "ControlGroup"))
			checkFile(t, dir, "", "memory.max", "33554432")
			checkFile(t, dir, "", "pids.max", "10")
			if where.root == uid { // else each command is in another user namespace, from where none gets in
				if r := b.Exec("ID", "probe", "alloc", "100"); r.Status != 137 {
					t.Errorf("allocating 100 MiB of 32 ends with status %d: %s%s", r.Status, r.Stdout, r.Stderr)
				}
			}
			b.Corten("update", "--pids-limit", "30", b.ID).OK(b)
			checkFile(t, dir, "", "pids.max", "30")
			if got := userShow(t, uid, unit, "TasksMax"); got != "30" {
				t.Errorf("TasksMax is %s after an update", got)
			}
			b.Corten("pause", b.ID).OK(b)
			checkFile(t, dir, "", "cgroup.freeze", "1")
			b.Corten("resume", b.ID).OK(b)
			b.Corten("delete", "--force", b.ID).OK(b)
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%s is still there", dir)
			}
			if got := userShow(t, uid, unit, "LoadState"); got != "not-found" {
				t.Errorf("the unit is %s", got)
			}
		})
	}
}

// His systemd moves his containers to below their scopes, too, where the kernel
// lets him not.
func TestAUsersContainerIsBelowItsScope(t *testing.T) {
	uid := systemdUser(t)
	if _, unified := bundle.Host.Has("pids"); !unified {
		t.Skip("cgroup v1 is delegated to nobody")
	}
	b := rootless(t, bundle.Probe("pause"), mapped(uid), annotated("run.oci.systemd.subgroup", "container"), func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: pointer[int64](10)}}
	})
	b.As(uid, "systemd-run", "--quiet", "--pipe", "--wait", "--collect", "-p", "PAMName=login", fmt.Sprint("--uid=", uid), "--")
	b.Corten("--systemd-cgroup", "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
	unit := "corten-" + b.ID + ".scope"
	dir := filepath.Join("/sys/fs/cgroup", userShow(t, uid, unit, "ControlGroup"), "container")
	checkFile(t, dir, "", "pids.max", "10")
	checkFile(t, dir, "", "pids.current", "1")
	r := bundle.ParseReport(t, b.Exec("ID", "probe").OK(b).Stdout)
	if got := r.Files["/proc/self/cgroup"]; !strings.HasSuffix(got, "/"+unit+"/container\n") {
		t.Errorf("exec is in %s", got)
	}
	b.Corten("delete", "--force", b.ID).OK(b)
	if _, err := os.Stat(filepath.Dir(dir)); err == nil {
		t.Errorf("%s is left", filepath.Dir(dir))
	}
}

// Who has no systemd of his own, or one that is given no cgroups, is told so.
func TestAUserWithoutSystemdIsToldSo(t *testing.T) {
	b := rootless(t, bundle.Args("true"))
	r := b.CortenWith(bundle.Options{Env: []string{"XDG_RUNTIME_DIR="}}, "--systemd-cgroup", "run", "--bundle", b.Dir, b.ID)
	want := fmt.Sprintf("config.json#/linux/cgroupsPath: the user's systemd: /run/user/%d/systemd/private: ", bundle.User)
	if _, unified := bundle.Host.Has("pids"); !unified {
		want = "config.json#/linux/cgroupsPath: the user's systemd makes cgroups for containers on cgroup v2 alone"
	}
	if r.Status != 1 || !strings.Contains(r.Stderr, want) {
		t.Errorf("status %d: %s", r.Status, r.Stderr)
	}
}

// mapped maps root in the container to a user.
func mapped(uid int) bundle.Edit {
	return func(s *specs.Spec) {
		id := []specs.LinuxIDMapping{{ContainerID: 0, HostID: uint32(uid), Size: 1}}
		s.Linux.UIDMappings, s.Linux.GIDMappings = id, id
	}
}
