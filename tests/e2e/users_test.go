// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// kinds are all namespaces but the user namespace.
var kinds = []specs.LinuxNamespaceType{specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace,
	specs.MountNamespace, specs.CgroupNamespace, specs.TimeNamespace}

// pod is the pid of a container with a new namespace of every kind, and in a user
// namespace or not: what others are joined to.
func pod(t *testing.T, edits ...bundle.Edit) int {
	t.Helper()
	for _, kind := range kinds {
		own(t, links[kind])
		edits = append(edits, bundle.Namespace(kind, ""))
	}
	b := bundle.New(t, append(edits, bundle.Probe("pause"))...)
	own100000(t, b)
	b.Detach()
	return b.State().PID
}

// namespacePath is the file of a process's namespace.
func namespacePath(pid int, kind specs.LinuxNamespaceType) string {
	return fmt.Sprintf("/proc/%d/ns/%s", pid, links[kind])
}

// inode of a namespace, and of the user namespace that owns it.
func inode(t *testing.T, path string) (own, owner uint64) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	own = st.Ino
	users, err := unix.IoctlRetInt(fd, unix.NS_GET_USERNS)
	if err != nil {
		return own, 0
	}
	defer unix.Close(users)
	if err := unix.Fstat(users, &st); err != nil {
		t.Fatal(err)
	}
	return own, st.Ino
}

// Every kind of namespace, new, joined and absent, with no user namespace, a new
// and a joined one; joined from the host and from the pod that the user namespace
// is of.
//
// spec: linux.namespaces[].type, linux.namespaces[].path
func TestEveryNamespaceGoesWithEveryUserNamespace(t *testing.T) {
	bundle.NeedCorten(t) // time and cgroup namespaces, joined
	sources := map[string]int{"of the host": pod(t), "of the pod": pod(t, bundle.UserNamespace(100000))}
	for _, users := range []string{"no", "new", "joined"} {
		t.Run(users+" user namespace", func(t *testing.T) {
			for _, kind := range kinds {
				for _, how := range []string{"new", "absent", "of the host", "of the pod"} {
					if how == "of the pod" && users != "joined" {
						continue
					}
					t.Run(string(kind)+" "+how, func(t *testing.T) { combine(t, kind, how, users, sources) })
				}
			}
		})
	}
}

func combine(t *testing.T, kind specs.LinuxNamespaceType, how, users string, sources map[string]int) {
	edits := []bundle.Edit{bundle.Probe("pause"), bundle.Namespace(kind, "")}
	switch users {
	case "new":
		edits = append(edits, bundle.UserNamespace(100000))
	case "joined":
		edits = append(edits, bundle.Namespace(specs.UserNamespace, namespacePath(sources["of the pod"], specs.UserNamespace)))
	}
	if how == "absent" {
		edits = append(edits, bundle.WithoutNamespace(kind))
	} else if how != "new" {
		edits = append(edits, bundle.Namespace(kind, namespacePath(sources[how], kind)))
	}
	foreign := users != "no" && (how == "absent" || how == "of the host")
	b := bundle.New(t, append(edits, without(kind, how, foreign)...)...)
	if users != "no" {
		own100000(t, b)
	}
	if kind == specs.MountNamespace && (how == "absent" || foreign) {
		refused(t, b.Run(), map[string]string{"absent": "a mount namespace is required", "of the host": "belongs to another user namespace"}[how])
		return
	}
	b.Detach()
	pid := b.State().PID
	got, owner := inode(t, namespacePath(pid, kind))
	mine, _ := inode(t, namespacePath(os.Getpid(), kind))
	container, _ := inode(t, namespacePath(pid, specs.UserNamespace))
	switch how {
	case "new":
		if got == mine || owner != container {
			t.Errorf("%d is new: %v; it belongs to user namespace %d, want %d", got, got != mine, owner, container)
		}
	case "absent":
		if got != mine {
			t.Errorf("%d, want the caller's %d", got, mine)
		}
	default:
		if want, _ := inode(t, namespacePath(sources[how], kind)); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
	if r := b.Exec("ID", "readlink", "/proc/self/ns/"+links[kind]).OK(b); !strings.Contains(r.Stdout, fmt.Sprint(got)) {
		t.Errorf("exec is in %s, not in %d", r.Stdout, got)
	}
}

// Sysfs gives the files of a network device to root of the user namespace that
// owns its network namespace; to nobody there, if that has no maps yet.
func TestRootOfAUserNamespaceOwnsTheFilesOfItsNetworkDevices(t *testing.T) {
	b := bundle.New(t, bundle.UserNamespace(100000), bundle.Shell("stat -c %u:%g /sys/class/net/lo/ifalias"))
	own100000(t, b)
	if got := strings.TrimSpace(b.Run().OK(b).Stdout); got != "0:0" {
		t.Errorf("ifalias belongs to %s, want 0:0", got)
	}
}

// without takes out what cannot be asked for: a hostname and masks without their
// namespaces, and, where the namespace belongs to another user namespace than the
// container's, its file system mounted anew.
func without(kind specs.LinuxNamespaceType, how string, foreign bool) []bundle.Edit {
	edits := []bundle.Edit{func(s *specs.Spec) {
		if how == "absent" && kind == specs.UTSNamespace {
			s.Hostname = ""
		}
		if how == "absent" && kind == specs.MountNamespace || foreign && kind == specs.PIDNamespace {
			s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
		}
	}}
	switch {
	case !foreign:
	case kind == specs.PIDNamespace:
		edits = append(edits, bundle.WithoutMount("/proc"), func(s *specs.Spec) {
			s.Mounts = append([]specs.Mount{{Destination: "/proc", Type: "bind", Source: "/proc", Options: []string{"rbind"}}}, s.Mounts...)
		})
	case kind == specs.NetworkNamespace:
		edits = append(edits, bundle.WithoutMount("/sys", "/sys/fs/cgroup"))
	case kind == specs.IPCNamespace:
		edits = append(edits, bundle.WithoutMount("/dev/mqueue"))
	}
	return edits
}
