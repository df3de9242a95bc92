// SPDX-License-Identifier: Apache-2.0

package bundle

import (
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
	name := prefix + "-delegated"
	for _, mount := range hierarchies() {
		dir := filepath.Join(mount, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(dir) })
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
		if mount == unifiedRoot() { // where a cgroup with controllers has no processes
			own(t, dir, uid)
			dir = filepath.Join(dir, "runtime")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Remove(dir) })
		}
		own(t, dir, uid)
		groups = append(groups, dir)
	}
	return groups
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
