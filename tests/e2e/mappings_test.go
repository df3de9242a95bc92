// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// mappings reads "0-0+1": container, host, size.
func mappings(t *testing.T, words ...string) (ids []specs.LinuxIDMapping) {
	t.Helper()
	for _, w := range words {
		var m specs.LinuxIDMapping
		if _, err := fmt.Sscanf(w, "%d-%d+%d", &m.ContainerID, &m.HostID, &m.Size); err != nil {
			t.Fatal(w, err)
		}
		ids = append(ids, m)
	}
	return ids
}

// withMappings is a new user namespace with the maps.
func withMappings(users, groups []specs.LinuxIDMapping) bundle.Edit {
	return func(s *specs.Spec) {
		bundle.Namespace(specs.UserNamespace, "")(s)
		s.Linux.UIDMappings, s.Linux.GIDMappings = users, groups
	}
}

// many are n mappings of one id each, which no two of make a range.
func many(n int) (ids []specs.LinuxIDMapping) {
	for i := range uint32(n) {
		ids = append(ids, specs.LinuxIDMapping{ContainerID: i, HostID: 100000 - 2*i, Size: 1})
		if n > 100 { // such text that all of them fit into a page
			ids[i].HostID = 999 - 2*i
		}
	}
	return ids
}

func text(ids []specs.LinuxIDMapping) string {
	var b strings.Builder
	for _, m := range ids {
		fmt.Fprintln(&b, m.ContainerID, m.HostID, m.Size)
	}
	return b.String()
}

func lines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return b.String()
}

// spec: linux.uidMappings[].containerID, linux.uidMappings[].hostID, linux.uidMappings[].size
// spec: linux.gidMappings[].containerID, linux.gidMappings[].hostID, linux.gidMappings[].size
func TestEveryMappingIsMade(t *testing.T) {
	for name, m := range map[string]struct{ users, groups []specs.LinuxIDMapping }{
		"one range":              {mappings(t, "0-100000+65536"), mappings(t, "0-200000+1000")},
		"several":                {mappings(t, "0-100000+1", "1-1+999", "1000-300000+64536"), mappings(t, "0-100000+10", "10-500000+10")},
		"all ids, to themselves": {mappings(t, "0-0+4294967295"), mappings(t, "0-0+4294967295")},
		"six":                    {many(6), many(6)},
		"340":                    {many(340), many(340)},
	} {
		t.Run(name, func(t *testing.T) {
			b := bundle.New(t, bundle.Probe(), withMappings(m.users, m.groups))
			ownRootfs(t, b, int(m.users[0].HostID), int(m.groups[0].HostID))
			r := b.Report()
			if got := lines(r.Files["/proc/self/uid_map"]); got != text(m.users) {
				t.Errorf("uid_map %q", got)
			}
			if got := lines(r.Files["/proc/self/gid_map"]); got != text(m.groups) {
				t.Errorf("gid_map %q", got)
			}
			if r.NS["user"] == own(t, "user") || r.Status("Uid") != "0 0 0 0" || r.Status("Gid") != "0 0 0 0" {
				t.Errorf("%s, Uid %s, Gid %s", r.NS["user"], r.Status("Uid"), r.Status("Gid"))
			}
		})
	}
}

// ownRootfs gives the rootfs to a user and a group of the host.
func ownRootfs(t *testing.T, b *bundle.Bundle, uid, gid int) {
	t.Helper()
	filepath.Walk(b.Rootfs(), func(path string, _ os.FileInfo, err error) error {
		if err == nil {
			err = os.Lchown(path, uid, gid)
		}
		if err != nil {
			t.Fatal(err)
		}
		return nil
	})
}

// What the payload writes, and what it is given as output, belong to the host's
// user that its own is mapped to; also when the maps are those of a joined
// namespace and config.json does not have them.
//
// spec: linux.uidMappings[].hostID, linux.gidMappings[].hostID
func TestFilesBelongToTheMappedUserOnTheHost(t *testing.T) {
	joined := pod(t, bundle.UserNamespace(100000))
	for name, users := range map[string]bundle.Edit{
		"new":    withMappings(mappings(t, "0-100000+1", "1000-250000+100"), mappings(t, "0-100000+10", "1000-250000+100")),
		"joined": bundle.Namespace(specs.UserNamespace, namespacePath(joined, specs.UserNamespace)),
	} {
		t.Run(name, func(t *testing.T) {
			want := map[string]uint32{"new": 250000, "joined": 101000}[name]
			b := bundle.NewEmpty(t)
			ownRootfs(t, b, 100000, 100000)
			dir := b.Volume("v")
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			s := bundle.Base()
			s.Process.User = specs.User{UID: 1000, GID: 1001}
			for _, edit := range []bundle.Edit{bundle.Shell("echo >/v/file; echo >>/dev/stdout && exec sleep 100"), users, bundle.Mount("/v", "bind", dir, "bind")} {
				edit(s)
			}
			b.Write(s)
			b.Detach()
			if !bundle.Eventually(func() bool { return len(b.Output(0)) > 0 }) {
				t.Fatal("the payload could not open its /dev/stdout")
			}
			st, err := os.Stat(filepath.Join(dir, "file"))
			if err != nil {
				t.Fatal(err)
			}
			if got := st.Sys().(*syscall.Stat_t); got.Uid != want || got.Gid != want+1 {
				t.Errorf("it belongs to %d:%d, want %d:%d", got.Uid, got.Gid, want, want+1)
			}
			r := b.Exec("--user", "1000:1001", "ID", "sh", "-c", "echo >/v/exec; echo >>/dev/stdout").OK(b)
			st, err = os.Stat(filepath.Join(dir, "exec"))
			if err != nil || st.Sys().(*syscall.Stat_t).Uid != want || r.Stdout != "\n" {
				t.Errorf("exec: %v, stdout %q", err, r.Stdout)
			}
			if r := b.Exec("--user", "70000", "ID", "true"); r.Status != 255 || !strings.Contains(r.Stderr, "#/process/user/uid: 70000 has no mapping") {
				t.Errorf("exec as an unmapped user: exit status %d, %s", r.Status, r.Stderr)
			}
		})
	}
}

// spec: linux.uidMappings[].containerID, linux.gidMappings[].containerID
func TestAUserNamespaceWithoutRootWorks(t *testing.T) {
	m := mappings(t, "1000-101000+10")
	b := bundle.New(t, bundle.Probe(), withMappings(m, m), bundle.WithoutMount("/dev/pts"), func(s *specs.Spec) { s.Process.User = specs.User{UID: 1001, GID: 1002} })
	ownRootfs(t, b, 101001, 101002)
	if r := b.Report(); r.Status("Uid") != "1001 1001 1001 1001" || r.Status("Gid") != "1002 1002 1002 1002" {
		t.Errorf("Uid %s, Gid %s", r.Status("Uid"), r.Status("Gid"))
	}
}

// spec: linux.uidMappings[].size, linux.gidMappings[].size
func TestMappingsOfAJoinedUserNamespaceMustBeItsOwn(t *testing.T) {
	m := mappings(t, "0-100000+1000", "1000-300000+1000", "5000-400000+1", "5001-400001+1", "6000-500000+1", "7000-600000+1", "8000-700000+1")
	path := namespacePath(pod(t, withMappings(m, m)), specs.UserNamespace)
	other := mappings(t, "0-100000+1000")
	cut := mappings(t, "5000-400000+2", "0-100000+500", "500-100500+500", "8000-700000+1", "1000-300000+1000", "7000-600000+1", "6000-500000+1")
	for _, c := range []struct {
		name          string
		users, groups []specs.LinuxIDMapping
		words         string
	}{
		{"none", nil, nil, ""},
		{"the same", m, m, ""},
		{"the same, cut differently", cut, cut, ""},
		{"users only", m, nil, ""},
		{"other users", other, m, "#/linux/uidMappings: the user namespace that is joined has other mappings: 0 100000 1000"},
		{"other groups", m, other, "#/linux/gidMappings: the user namespace that is joined has other mappings"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.New(t, bundle.Probe(), withMappings(c.users, c.groups), bundle.Namespace(specs.UserNamespace, path))
			own100000(t, b)
			if c.words != "" {
				refused(t, b.Run(), c.words)
				return
			}
			if got := lines(b.Report().Files["/proc/self/uid_map"]); !strings.HasPrefix(got, "0 100000 1000\n1000 300000 1000\n") {
				t.Errorf("uid_map %q", got)
			}
		})
	}
	t.Run("a user it does not map", func(t *testing.T) {
		b := bundle.New(t, bundle.Probe(), bundle.Namespace(specs.UserNamespace, path), func(s *specs.Spec) { s.Process.User.UID = 2000 })
		refused(t, b.Run(), "#/process/user/uid: 2000 has no mapping")
	})
	t.Run("a group it does not map", func(t *testing.T) {
		b := bundle.New(t, bundle.Probe(), bundle.Namespace(specs.UserNamespace, path), func(s *specs.Spec) { s.Process.User.AdditionalGids = []uint32{5, 2000} })
		refused(t, b.Run(), "#/process/user/additionalGids/1: 2000 has no mapping")
	})
}

// The runtime's own user namespace is no other one.
//
// spec: linux.namespaces[].path
func TestTheRuntimesOwnUserNamespaceMayBeNamed(t *testing.T) {
	bundle.NeedCorten(t) // others ask setns(2), which refuses
	b := bundle.New(t, bundle.Probe("pause"), bundle.Namespace(specs.UserNamespace, "/proc/self/ns/user"))
	b.Detach()
	if r := bundle.ParseReport(t, b.Exec("ID", "probe").OK(b).Stdout); r.NS["user"] != own(t, "user") {
		t.Errorf("%s", r.NS["user"])
	}
	m := mappings(t, "0-1+1")
	wrong := bundle.New(t, bundle.Probe(), withMappings(m, m), bundle.Namespace(specs.UserNamespace, "/proc/self/ns/user"))
	refused(t, wrong.Run(), "#/linux/uidMappings/0: the user namespace is the runtime's own")
}
