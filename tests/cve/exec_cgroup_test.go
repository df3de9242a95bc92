// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"corten/tests/bundle"
)

// A path that begins like the container's cgroup may be another's: exec takes
// none that is not below it, by whatever way.
//
// cve: runc#5351
func TestRunc5351_ExecStaysInTheContainersCgroup(t *testing.T) {
	bundle.NeedCorten(t) // Debian's runc is older than the fault
	for _, view := range bundle.Views() {
		t.Run(view.String(), func(t *testing.T) {
			b := bundle.New(t, bundle.Args("sleep", "1000"))
			b.View = view
			b.Detach()
			other := b.ID + "x" // the container's own is a prefix of its name
			dirs := cgroupsOf(t, b)
			for _, dir := range dirs {
				must(t, os.MkdirAll(filepath.Join(filepath.Dir(dir), other, "in"), 0o755))
				// A v1 cpuset takes nobody until it has what its parent has.
				_ = os.WriteFile(filepath.Join(dir, "cgroup.clone_children"), []byte("1"), 0)
				must(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755))
				t.Cleanup(func() {
					os.Remove(filepath.Join(filepath.Dir(dir), other, "in"))
					os.Remove(filepath.Join(filepath.Dir(dir), other))
				})
			}
			for _, path := range []string{"../" + other, "/../" + other, "../" + other + "/in", "..", "../..", "a/../..", "a/b/../../../" + other,
				"/../../" + filepath.Base(filepath.Dir(dirs[0])) + "/" + other, other, "x", "nosuch", dirs[0], "a/./../..", "a\x01"} {
				r := b.Exec("--cgroup", path, "ID", "cat", "/proc/self/cgroup")
				if r.Status != 255 || !strings.HasPrefix(r.Stderr, "corten: --cgroup ") || strings.Contains(r.Stderr, "no such file") {
					t.Errorf("%q: status %d, %s%s", path, r.Status, r.Stdout, r.Stderr)
				}
			}
			for path, below := range map[string]string{"/": "", "a": "/a", "/a/b": "/a/b", "a/b/": "/a/b", "./a": "/a", "": ""} {
				out := b.Exec("--cgroup", path, "ID", "cat", "/proc/self/cgroup").OK(b).Stdout
				if strings.Count(out, "/"+b.ID) != len(dirs) || strings.Count(out, "/"+b.ID+below+"\n") != len(dirs) {
					t.Errorf("%q: %s", path, out)
				}
			}
		})
	}
}

// cgroupsOf are the directories of a process's cgroups whose name has the id.
func cgroupsOf(t *testing.T, b *bundle.Bundle) (dirs []string) {
	t.Helper()
	for line := range strings.Lines(b.Raw(fmt.Sprintf("/proc/%d/cgroup", b.State().PID))) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if controller, _, _ := strings.Cut(strings.TrimPrefix(part[1], "name="), ","); strings.HasSuffix(part[2], "/"+b.ID) {
			dirs = append(dirs, bundle.CgroupDir(controller, part[2]))
		}
	}
	return dirs
}
