// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// rootless is a bundle that a user without privilege runs, who is root in it.
func rootless(t *testing.T, edits ...bundle.Edit) *bundle.Bundle {
	t.Helper()
	bundle.NeedCorten(t)
	b := bundle.NewEmpty(t)
	spec := bundle.Base()
	spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	own := []specs.LinuxIDMapping{{ContainerID: 0, HostID: bundle.User, Size: 1}}
	spec.Linux.UIDMappings, spec.Linux.GIDMappings = own, own
	spec.Linux.Resources = nil
	for i := range spec.Mounts {
		if spec.Mounts[i].Type == "devpts" { // gid=5 is not mapped
			spec.Mounts[i].Options = []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}
		}
	}
	for _, edit := range edits {
		edit(spec)
	}
	b.Write(spec)
	b.AsUser()
	return b
}

// delegated gives the user the ids 100000 to 165535, in these tests' own mounts.
func delegated(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/usr/bin/newuidmap"); err != nil {
		t.Skip("the package uidmap is not installed")
	}
	for _, name := range []string{"/etc/subuid", "/etc/subgid"} {
		file := filepath.Join(t.TempDir(), filepath.Base(name))
		if err := os.WriteFile(file, fmt.Appendf(nil, "daemon:100000:65536\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(file, name, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(name, unix.MNT_DETACH) })
	}
}

func TestAUserRunsAContainer(t *testing.T) {
	b := rootless(t, bundle.Shell("id -u; cat /proc/self/uid_map; hostname; echo x >/dev/null && echo null; test -c /dev/zero && echo zero; cat /volume/file; mkdir /m; mount -t tmpfs none /m && echo mounted"),
		bundle.Capabilities("CAP_SYS_ADMIN"), func(s *specs.Spec) {
			s.Hostname = "nobodys"
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/volume", Source: "volume", Options: []string{"rbind"}})
		})
	if err := os.Mkdir(filepath.Join(b.Dir, "volume"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.Dir, "volume/file"), []byte("of the volume\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := b.RunOK()
	for _, want := range []string{"0\n", " 0 1 1\n", "nobodys\n", "null\n", "zero\n", "of the volume\n", "mounted\n"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " ")+" ", strings.Join(strings.Fields(want), " ")+" ") {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestAUsersContainerLivesItsLife(t *testing.T) {
	b := rootless(t, bundle.Probe("pause"))
	b.Create()
	b.Start()
	if r := b.Exec("ID", "id", "-u"); r.Stdout != "0\n" {
		t.Errorf("exec: %s%s", r.Stdout, r.Stderr)
	}
	if got := b.State().Status; got != "running" {
		t.Errorf("it is %s", got)
	}
	b.Corten("kill", b.ID, "KILL").OK(b)
	b.WaitStatus("stopped")
	b.Corten("delete", b.ID).OK(b)
}

// The ranges of /etc/subuid are mapped by newuidmap(1): other users, and groups.
func TestAUsersContainerHasTheDelegatedIDs(t *testing.T) {
	delegated(t)
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: bundle.User, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 65536}}
	b := rootless(t, bundle.Shell("id; touch /f && stat -c %u /f; cat /proc/self/setgroups"), func(s *specs.Spec) {
		s.Linux.UIDMappings, s.Linux.GIDMappings = maps, maps
		s.Process.User = specs.User{UID: 5, GID: 6, AdditionalGids: []uint32{7}}
		s.Root.Path = "rootfs"
	})
	if err := os.Chmod(b.Rootfs(), 0o777); err != nil {
		t.Fatal(err)
	}
	out := b.RunOK()
	if !strings.Contains(out, "uid=5 gid=6 groups=6,7") && !strings.Contains(out, "uid=5 gid=6 groups=7") || !strings.HasSuffix(out, "\n5\nallow\n") {
		t.Errorf("%s", out)
	}
	var st unix.Stat_t
	if err := unix.Stat(b.Rootfs("f"), &st); err != nil || st.Uid != 100004 {
		t.Errorf("on the host the file is %d's (%v)", st.Uid, err)
	}
	// C7: neither PATH nor the directory chooses what maps.
	hostile := filepath.Join(b.Dir, "newuidmap")
	if err := os.WriteFile(hostile, []byte("#!/bin/sh\ntouch /tmp/corten-hostile-mapper\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.CortenWith(bundle.Options{Dir: b.Dir, Env: []string{"PATH=" + b.Dir + ":/usr/bin:/bin:/usr/sbin:/sbin"}}, "run", "--bundle", b.Dir, b.ID).OK(b)
	if os.Remove("/tmp/corten-hostile-mapper") == nil {
		t.Error("newuidmap was found by PATH")
	}
}

func TestWhatAUserMayNotHaveIsNamed(t *testing.T) {
	for _, c := range []struct {
		name, want string
		edit       bundle.Edit
	}{
		{"ids of others", "config.json#/linux/gidMappings: /usr/bin/newgidmap: ", func(s *specs.Spec) {
			s.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 10}}
		}},
		{"limits", "config.json#/linux/resources/pids/limit|config.json#/linux/cgroupsPath", func(s *specs.Spec) {
			s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: pointer[int64](10)}}
		}},
		{"no user namespace", "config.json#/linux/namespaces: clone: ", func(s *specs.Spec) {
			s.Linux.Namespaces = s.Linux.Namespaces[:len(s.Linux.Namespaces)-1]
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
		}},
		{"an id map of a mount", "config.json#/mounts/", func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/m", Source: "rootfs", Options: []string{"bind", "idmap"}})
		}},
		{"groups", "config.json#/process/user/additionalGids", func(s *specs.Spec) { s.Process.User.AdditionalGids = []uint32{0} }},
		{"a missing source", "config.json#/mounts/", func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/m", Source: "/not/there", Options: []string{"bind"}})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "ids of others" {
				delegated(t)
			}
			b := rootless(t, bundle.Args("true"), c.edit)
			r := b.Run()
			ok := false
			for want := range strings.SplitSeq(c.want, "|") {
				ok = ok || strings.Contains(r.Stderr, want)
			}
			if r.Status == 0 || !ok {
				t.Errorf("status %d: %s", r.Status, r.Stderr)
			}
			if _, err := os.Stat(filepath.Join(b.Root, b.ID)); err == nil {
				t.Error("state is left")
			}
		})
	}
}

// Spec writes a bundle that its writer can run.
func TestTheRootlessSpecRuns(t *testing.T) {
	b := rootless(t)
	if err := os.Remove(filepath.Join(b.Dir, "config.json")); err != nil {
		t.Fatal(err)
	}
	b.Corten("spec", "--rootless", "--bundle", b.Dir).OK(b)
	path := filepath.Join(b.Dir, "config.json")
	out, err := exec.Command("sed", "-i", `s/"terminal": true/"terminal": false/; s/"sh"/"id"/`, path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out := b.RunOK(); !strings.HasPrefix(out, "uid=0") {
		t.Errorf("%s", out)
	}
}

func TestADirectoryThatMayNotBeSearchedIsNamed(t *testing.T) {
	closed := func(t *testing.T, dir string) {
		t.Helper()
		if err := errors.Join(os.Chown(dir, 0, 0), os.Chmod(dir, 0o700)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })
	}
	says := func(t *testing.T, b *bundle.Bundle, field, dir string, uid int) {
		t.Helper()
		want := fmt.Sprintf("  hint: %s (mode 0700, owner 0:0) lacks x for uid %d\n", dir, uid)
		if r := b.Run(); r.Status != 1 || !strings.Contains(r.Stderr, field) || !strings.HasSuffix(r.Stderr, want) {
			t.Errorf("status %d: %swant %s", r.Status, r.Stderr, want)
		}
	}
	t.Run("of the root, for the container's root", func(t *testing.T) {
		b := bundle.New(t, bundle.Args("true"), bundle.UserNamespace(100000))
		closed(t, b.Rootfs())
		says(t, b, "config.json#/mounts/0/destination: ", b.Rootfs(), 100000)
	})
	t.Run("of the bundle, for a user", func(t *testing.T) {
		b := rootless(t, bundle.Args("true"))
		closed(t, b.Dir)
		says(t, b, "open "+b.Dir+"/config.json: permission denied", b.Dir, bundle.User)
	})
	t.Run("of a volume, for a user", func(t *testing.T) {
		b := bundle.New(t)
		dir := b.Volume("closed")
		user := rootless(t, bundle.Args("true"), bundle.Mount("/m", "bind", dir+"/in", "bind"))
		if err := os.Mkdir(dir+"/in", 0o755); err != nil {
			t.Fatal(err)
		}
		closed(t, dir)
		says(t, user, "config.json#/mounts/7/source: open_tree ", dir, bundle.User)
	})
}
