// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// outer is a container in which corten itself may run inner.
func outer(t *testing.T, inner *bundle.Bundle, script string, edits ...bundle.Edit) *bundle.Bundle {
	t.Helper()
	corten, err := filepath.Abs(bundle.Runtime(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(inner.Root); err != nil {
		t.Fatal(err)
	}
	b := bundle.New(t, append([]bundle.Edit{
		bundle.Shell(script),
		bundle.Mount("/inner", "bind", inner.Dir, "rbind"),
		func(s *specs.Spec) {
			s.Linux.MaskedPaths, s.Linux.ReadonlyPaths, s.Process.NoNewPrivileges = nil, nil, false
		},
	}, edits...)...)
	if err := os.Link(corten, b.Rootfs("corten")); err != nil {
		text, err := os.ReadFile(corten)
		if err == nil {
			err = os.WriteFile(b.Rootfs("corten"), text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// everything a container manager in a container is usually given.
func privileged(s *specs.Spec) {
	bundle.Capabilities("CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_MKNOD", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE",
		"CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE")(s)
	s.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	for i := range s.Mounts {
		if s.Mounts[i].Type == "cgroup" || s.Mounts[i].Type == "sysfs" {
			s.Mounts[i].Options = []string{"nosuid", "noexec", "nodev", "rw"}
		}
	}
}

// innerLife is a script of what a container goes through, with the flags given.
func innerLife(flags string) string {
	return `set -e
		corten() { /corten --root /tmp/run ` + flags + ` "$@"; }
		corten run --bundle /inner one
		corten create --bundle /inner two </dev/null >/dev/null 2>&1
		corten start two; corten kill two KILL || true; corten delete --force two`
}

func TestAContainerRunsInAContainer(t *testing.T) {
	chroot := func(bind, script string) string {
		return `mkdir -p /c; ` + bind + `
			mkdir -p /c/proc /c/tmp /c/inner /c/dev; cp -a bin corten /c
			mount -t proc proc /c/proc; mount --bind /inner /c/inner; mount --bind /dev /c/dev
			exec chroot /c sh -c 'cd /; ` + script + `'`
	}
	toRead := func(s *specs.Spec) {
		for i := range s.Mounts {
			if s.Mounts[i].Type == "cgroup" {
				s.Mounts[i].Options = []string{"nosuid", "noexec", "nodev", "ro"}
			}
		}
	}
	for _, c := range []struct {
		name, script, refused string
		edits                 []bundle.Edit
	}{
		{"with all rights", innerLife(""), "", []bundle.Edit{privileged}},
		{"without cgroups", innerLife("--rootless=true"), "", []bundle.Edit{privileged, bundle.WithoutMount("/sys/fs/cgroup")}},
		{"with cgroups to read", innerLife("--rootless=true"), "", []bundle.Edit{privileged, toRead}},
		{"in a user namespace", innerLife(""), "", []bundle.Edit{privileged, bundle.UserNamespace(100000)}},
		{"in a user namespace with cgroups to read", innerLife(""), "", []bundle.Edit{privileged, bundle.UserNamespace(100000), toRead}},
		{"in a chroot", chroot("mount --bind /c /c", innerLife("--rootless=true")), "", []bundle.Edit{privileged}},
		{"root without cgroups", innerLife(""), "config.json#/linux/resources/devices: cgroup controller devices is not available\n  hint: no cgroup hierarchy is mounted at /sys/fs/cgroup; with --rootless=true a container without limits goes without", []bundle.Edit{privileged, bundle.WithoutMount("/sys/fs/cgroup")}},
		{"in a chroot that is no mount", chroot("", innerLife("--rootless=true")), "before chroot(8), bind the directory to itself", []bundle.Edit{privileged}},
		{"root with cgroups to read", innerLife(""), "config.json#/linux/cgroupsPath: mkdir /sys/fs/cgroup/", []bundle.Edit{privileged, toRead}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inAllViews(t, func(t *testing.T, view bundle.View) {
				inner := bundle.New(t, bundle.Shell("echo inside; id -u; hostname"))
				b := outer(t, inner, c.script, c.edits...)
				b.View = view
				b.Unchecked("the runtime that refuses is the payload")
				for _, dir := range []string{b.Home, b.Dir, b.Rootfs(), b.Rootfs("tmp"), inner.Home, inner.Dir, inner.Rootfs()} {
					if err := os.Chmod(dir, 0o777); err != nil {
						t.Fatal(err)
					}
				}
				r := b.Run()
				if c.refused != "" {
					if !strings.Contains(r.Stderr, c.refused) {
						t.Errorf("status %d: %s", r.Status, r.Stderr)
					}
				} else if r.Status != 0 || !strings.HasPrefix(r.Stdout, "inside\n0\nbox\n") {
					t.Errorf("status %d: %s%s", r.Status, r.Stdout, r.Stderr)
				}
			})
		})
	}
}
