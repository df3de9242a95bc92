// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// idMount appends a bind mount with mappings of its own.
func idMount(destination, source string, uids, gids []specs.LinuxIDMapping, options ...string) bundle.Edit {
	return func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: destination, Type: "bind", Source: source, Options: options,
			UIDMappings: uids, GIDMappings: gids})
	}
}

func ids(triples ...uint32) (list []specs.LinuxIDMapping) {
	for i := 0; i < len(triples); i += 3 {
		list = append(list, specs.LinuxIDMapping{ContainerID: triples[i], HostID: triples[i+1], Size: triples[i+2]})
	}
	return list
}

// owned makes a volume with a file for each owner, named UID-GID.
func owned(t *testing.T, b *bundle.Bundle, name string, owners ...[2]int) string {
	t.Helper()
	dir := b.Volume(name)
	for _, o := range owners {
		file := filepath.Join(dir, fmt.Sprintf("%d-%d", o[0], o[1]))
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(file, o[0], o[1]); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func owner(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d", st.Uid, st.Gid)
}

// A host folder of user 5000 is the payload's own, who is user 1000, and what
// he writes there belongs to 5000 on the host: docs/volumes.md.
//
// spec: mounts[].uidMappings[].containerID, mounts[].uidMappings[].hostID, mounts[].uidMappings[].size
// spec: mounts[].gidMappings[].containerID, mounts[].gidMappings[].hostID, mounts[].gidMappings[].size
func TestAnIdmappedVolumeIsThePayloadsOwn(t *testing.T) {
	bundle.NeedCorten(t) // newer than Debian's runc
	dir := bundle.New(t).Volume("home")
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 5000, 6000); err != nil {
		t.Fatal(err)
	}
	b := bundle.New(t, idMount("/data", dir, ids(5000, 1000, 1), ids(6000, 1001, 1), "bind", "idmap"),
		bundle.Shell("echo mine >/data/new && mkdir /data/d && probe stat /data && probe stat /data/new"), func(s *specs.Spec) {
			s.Process.User.UID, s.Process.User.GID, s.Process.Capabilities = 1000, 1001, nil
		})
	if out := b.RunOK(); !strings.HasPrefix(out, "40700 1000:1001 ") || !strings.Contains(out, "\n100644 1000:1001 ") {
		t.Errorf("seen by the payload: %q", out)
	}
	for _, name := range []string{"new", "d"} {
		if got := owner(t, filepath.Join(dir, name)); got != "5000:6000" {
			t.Errorf("on the host %s belongs to %s", name, got)
		}
	}
	if got := b.Text(filepath.Join(dir, "new")); got != "mine" {
		t.Errorf("the file has %q", got)
	}
}

// spec: mounts[].uidMappings[].containerID, mounts[].uidMappings[].hostID, mounts[].uidMappings[].size
// spec: mounts[].gidMappings[].containerID, mounts[].gidMappings[].hostID, mounts[].gidMappings[].size
func TestIDMappingsOfAMountAreApplied(t *testing.T) {
	bundle.NeedCorten(t)
	dir := owned(t, bundle.New(t), "v", [2]int{0, 0}, [2]int{1, 1}, [2]int{500, 500}, [2]int{100000, 100000}, [2]int{100001, 100002})
	many := ids()
	for i := range uint32(340) {
		many = append(many, specs.LinuxIDMapping{ContainerID: 499 + 2*i, HostID: 7000 + 2*i, Size: 2})
	}
	for _, c := range []struct {
		name       string
		users      uint32 // of a new user namespace's id 0 on the host; 0: none
		join       bool   // ... that is joined by path
		uids, gids []specs.LinuxIDMapping
		options    string
		want       string // owners of the files, in the order of their names
	}{
		// The names in order: 0-0, 1-1, 100000-100000, 100001-100002, 500-500.
		{"one range", 0, false, ids(0, 1000, 10), ids(0, 2000, 10), "bind,idmap", "1000:2000 1001:2001 65534:65534 65534:65534 65534:65534"},
		{"several ranges", 0, false, ids(0, 10, 1, 1, 30, 1, 500, 5, 1), ids(500, 50, 1, 0, 60, 2), "bind,idmap", "10:60 30:61 65534:65534 65534:65534 5:50"},
		{"340 ranges", 0, false, many, many, "bind,ridmap", "65534:65534 65534:65534 65534:65534 65534:65534 7001:7001"},
		{"without the option", 0, false, ids(0, 7, 1), ids(0, 8, 1), "rbind", "7:8 65534:65534 65534:65534 65534:65534 65534:65534"},
		{"read-only", 0, false, ids(0, 7, 1), ids(0, 8, 1), "rbind,ro,nosuid,ridmap", "7:8 65534:65534 65534:65534 65534:65534 65534:65534"},
		{"crun's form", 0, false, nil, nil, "bind,idmap=uids=0-40-1#500-41-1;gids=0-42-2", "40:42 65534:43 65534:65534 65534:65534 41:65534"},
		{"the container's", 100000, false, nil, nil, "bind,idmap", "0:0 1:1 65534:65534 65534:65534 500:500"},
		{"the container's, recursive", 100000, false, nil, nil, "rbind,ridmap", "0:0 1:1 65534:65534 65534:65534 500:500"},
		{"own in a user namespace", 100000, false, ids(500, 100000, 1), ids(500, 100003, 1), "bind,idmap", "65534:65534 65534:65534 65534:65534 65534:65534 0:3"},
		{"crun's relative form", 100000, false, nil, nil, "bind,idmap=uids=500-@7-1;gids=@500-7-1", ""},
		{"relative", 100000, false, nil, nil, "bind,idmap=uids=@500-7-1;gids=@500-8-1", "65534:65534 65534:65534 65534:65534 65534:65534 7:8"},
		{"no mapping", 100000, false, nil, nil, "bind", "65534:65534 65534:65534 0:0 1:2 65534:65534"},
		{"of a joined namespace", 100000, true, nil, nil, "bind,idmap", "0:0 1:1 65534:65534 65534:65534 500:500"},
		{"own in a joined namespace", 100000, true, ids(500, 100000, 1), ids(500, 100003, 1), "rbind,ridmap", "65534:65534 65534:65534 65534:65534 65534:65534 0:3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.New(t)
			spec := bundle.Base()
			bundle.Shell("cd /m; for f in *; do set -- $(probe stat $f); echo -n \"$2 \"; done")(spec)
			idMount("/m", dir, c.uids, c.gids, strings.Split(c.options, ",")...)(spec)
			if c.users != 0 {
				bundle.UserNamespace(c.users)(spec)
				bundle.WithoutMount("/sys/fs/cgroup")(spec)
				own100000(t, b)
			}
			if c.join {
				first := bundle.New(t, bundle.Probe("pause"), bundle.UserNamespace(c.users), bundle.WithoutMount("/sys/fs/cgroup"))
				own100000(t, first)
				first.Detach()
				bundle.Namespace(specs.UserNamespace, fmt.Sprintf("/proc/%d/ns/user", first.State().PID))(spec)
			}
			b.Write(spec)
			r := b.Run()
			if got := strings.TrimSpace(r.Stdout); got != c.want || (r.Status == 0) != (c.want != "") {
				t.Errorf("got  %q\nwant %q\n%s", got, c.want, r.Stderr)
			}
		})
	}
}

// spec: mounts[].options
func TestIdmapRecursionPropagationAndReadOnlyCombine(t *testing.T) {
	bundle.NeedCorten(t)
	outer := bundle.New(t)
	top := owned(t, outer, "top", [2]int{0, 0})
	sub, below := filepath.Join(top, "sub"), owned(t, outer, "below", [2]int{0, 0})
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, m := range [][2]string{{top, top}, {below, sub}} {
		if err := unix.Mount(m[0], m[1], "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(m[1], unix.MNT_DETACH) })
	}
	for _, bind := range []string{"bind", "rbind"} {
		for _, mapped := range []string{"", "idmap", "ridmap"} {
			for _, readonly := range []string{"", "ro", "rro"} {
				for propagation, want := range map[string]string{"": "master:", "rprivate": "", "private": "", "rslave": "master:", "slave": "master:",
					"rshared": "shared:", "shared": "shared:", "runbindable": "unbindable", "unbindable": "unbindable"} {
					options := slices.DeleteFunc([]string{bind, mapped, readonly, propagation}, func(s string) bool { return s == "" })
					t.Run(strings.Join(options, ","), func(t *testing.T) {
						m := idMount("/m", top, nil, nil, options...)
						if mapped != "" {
							m = idMount("/m", top, ids(0, 1000, 1), ids(0, 1001, 1), options...)
						}
						b := bundle.New(t, m, bundle.Shell("probe stat /m/0-0; probe stat /m/sub/0-0; probe"))
						out := strings.SplitN(b.Run().Stdout, "\n", 3)
						r := bundle.ParseReport(t, out[2])
						id := func(is bool) string {
							if is {
								return "100644 1000:1001 "
							}
							return "100644 0:0 "
						}
						if !strings.HasPrefix(out[0], id(mapped != "")) {
							t.Errorf("top: %s", out[0])
						}
						if bind == "rbind" && !strings.HasPrefix(out[1], id(mapped == "ridmap")) || bind == "bind" && out[1] != "ENOENT" {
							t.Errorf("below: %s", out[1])
						}
						checkMount(t, r.Mount("/m"), readonly != "", want)
						if bind == "rbind" {
							if !strings.HasPrefix(propagation, "r") && want != "shared:" { // only the top was asked for
								want = "master:"
							}
							checkMount(t, r.Mount("/m/sub"), readonly == "rro", want)
						}
					})
				}
			}
		}
	}
}

// checkMount compares with what mountinfo shows.
func checkMount(t *testing.T, m *bundle.MountPoint, readonly bool, propagation string) {
	t.Helper()
	if m == nil {
		t.Fatal("no mount")
	}
	if slices.Contains(m.Options, "ro") != readonly {
		t.Errorf("%s: options %v", m.Path, m.Options)
	}
	if got := strings.Join(m.Propagation, " "); !strings.HasPrefix(got, propagation) || propagation == "" && got != "" {
		t.Errorf("%s: propagation %q, want %q", m.Path, got, propagation)
	}
}

func TestWhatCannotBeIdmappedIsAnErrorAtItsField(t *testing.T) {
	bundle.NeedCorten(t)
	for _, c := range []struct{ source, option, at, hint string }{
		{"/proc", "idmap", "#/mounts/7/uidMappings", "no id mappings for mounts of proc"},
		{"/sys", "idmap", "#/mounts/7/uidMappings", "no id mappings for mounts of sysfs"},
	} {
		b := bundle.New(t, bundle.Args("true"), idMount("/m", c.source, ids(0, 1000, 1), ids(0, 1000, 1), "bind", c.option))
		if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, c.at) || !strings.Contains(r.Stderr, c.hint) {
			t.Errorf("%s: status %d, %s", c.source, r.Status, r.Stderr)
		}
	}
}
