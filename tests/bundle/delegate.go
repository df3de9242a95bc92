// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Delegate makes a cgroup of a user's own in every hierarchy, as cgroups(7)
// delegates them: the directory and what moves processes and controllers. The
// result, for In, is where the runtime is put. Call it before New.
func Delegate(t testing.TB, uid int) (groups []string) {
	t.Helper()
	name := fmt.Sprintf("%s-%d", prefix, counter.Add(1))
	for _, mount := range hierarchies() {
		groups = append(groups, delegate(t, mount, name, uid))
	}
	return groups
}

func delegate(t testing.TB, mount, name string, uid int) string {
	t.Helper()
	dir := filepath.Join(mount, name)
	newGroup(t, dir)
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} { // of v1, empty at first
		if read(filepath.Join(dir, "cpuset.sched_load_balance")) != "" {
			os.WriteFile(filepath.Join(dir, file), []byte(read(filepath.Join(mount, file))), 0)
		}
	}
	if read(filepath.Join(dir, "cpu.rt_runtime_us")) != "" { // of v1, and 0 µs at first
		os.WriteFile(filepath.Join(dir, "cpu.rt_runtime_us"), []byte("1000"), 0)
	}
	for c := range strings.FieldsSeq(read(filepath.Join(mount, "cgroup.controllers"))) {
		os.WriteFile(filepath.Join(mount, "cgroup.subtree_control"), []byte("+"+c), 0)
	}
	own(t, dir, uid)
	if mount != unifiedRoot() {
		return dir
	}
	inner := filepath.Join(dir, "runtime") // a cgroup with controllers has no processes
	newGroup(t, inner)
	own(t, inner, uid)
	return inner
}

func newGroup(t testing.TB, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
}

func own(t testing.TB, dir string, uid int) {
	t.Helper()
	for _, file := range []string{".", "cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control"} {
		if err := os.Chown(filepath.Join(dir, file), uid, uid); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// hierarchies are where this machine mounts them.
func hierarchies() (dirs []string) {
	if unifiedRoot() == "/sys/fs/cgroup" {
		return []string{"/sys/fs/cgroup"}
	}
	entries, _ := os.ReadDir("/sys/fs/cgroup")
	for _, e := range entries {
		if e.IsDir() { // not the links to those with several controllers
			dirs = append(dirs, filepath.Join("/sys/fs/cgroup", e.Name()))
		}
	}
	return dirs
}

// In has the runtime run in cgroups, by their directories.
func (b *Bundle) In(groups ...string) {
	script := ""
	for _, dir := range groups {
		script += "echo 0 >" + dir + "/cgroup.procs && "
	}
	b.in = []string{"sh", "-c", script + `exec "$@"`, "sh"}
}
