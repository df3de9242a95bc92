// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// snapshot is what a container may leave behind, by kind.
type snapshot map[string][]string

// take looks at everything the tests can see. cgroups are shared with the rest
// of the machine: of them only the tests' own names count.
func take() snapshot {
	return snapshot{
		"mount":             mounts(),
		"process":           processes(),
		"cgroup":            cgroups(),
		"terminal":          entries("/dev/pts"),
		"network namespace": networkNamespaces(),
		"System V IPC":      sysvIPC(),
		"abstract socket":   abstractSockets(),
	}
}

// CheckLeaks fails the test when, within Slow(5 s), there is not again what was
// there when the bundle was made.
func (b *Bundle) CheckLeaks() {
	b.t.Helper()
	left := b.Leaks()
	for patience := Patience(Slow(5 * time.Second)); len(left) > 0 && patience.Rest(20*time.Millisecond); {
		left = b.Leaks()
	}
	for _, l := range left {
		b.t.Error("left behind: " + l)
	}
}

// Leaks is what there is more than when the bundle was made.
func (b *Bundle) Leaks() []string {
	var left []string
	now := take()
	for _, kind := range slices.Sorted(maps.Keys(now)) {
		was := slices.Clone(b.begin[kind])
		for _, item := range now[kind] {
			if i := slices.Index(was, item); i >= 0 {
				was = slices.Delete(was, i, i+1)
				continue
			}
			if kind == "process" {
				item += " (" + strings.TrimSpace(read("/proc/"+item+"/comm")) + ")"
			}
			left = append(left, kind+" "+item)
		}
	}
	for _, name := range entries(b.Root) {
		if name != ".cache" { // compiled filters, which all containers share
			left = append(left, "state "+name)
		}
	}
	return left
}

// mounts lists mountinfo without mount ids, which are given out anew.
func mounts() []string {
	var all []string
	for line := range strings.Lines(read("/proc/self/mountinfo")) {
		all = append(all, strings.Join(strings.Fields(line)[2:], " "))
	}
	return all
}

// processes are the pids: by execve a process changes its name, but is no other.
// The dead that were left to the tests do not count; reap comes by in a moment.
func processes() []string {
	var all []string
	adopted := fmt.Sprintf(") Z %d ", os.Getpid())
	for _, pid := range pids() {
		if name := strconv.Itoa(pid); !strings.Contains(read("/proc/"+name+"/stat"), adopted) {
			all = append(all, name)
		}
	}
	return all
}

func cgroups() []string {
	var all []string
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, prefix) {
			all = append(all, path)
		}
		return nil
	})
	return all
}

func entries(dir string) []string {
	var all []string
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		all = append(all, e.Name())
	}
	return all
}

// networkNamespaces are those that a process of the tests is in or a mount shows.
func networkNamespaces() []string {
	seen := map[string]bool{}
	for _, pid := range append(pids(), os.Getpid()) {
		if link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil {
			seen[link] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func sysvIPC() []string {
	var all []string
	for _, kind := range []string{"shm", "msg", "sem"} {
		for line := range strings.Lines(read("/proc/sysvipc/" + kind)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] != "key" {
				all = append(all, kind+" "+f[1])
			}
		}
	}
	return all
}

// abstractSockets are the names in the runtime's network namespace; the
// runtime may make none (CVE-2020-15257).
func abstractSockets() []string {
	var all []string
	for line := range strings.Lines(read("/proc/net/unix")) {
		if f := strings.Fields(line); len(f) == 8 && strings.HasPrefix(f[7], "@") && strings.Contains(f[7], prefix) {
			all = append(all, f[7])
		}
	}
	return all
}

// unmountBelow detaches what is mounted below dir, the last first.
func unmountBelow(dir string) {
	lines := strings.Split(read("/proc/self/mountinfo"), "\n")
	slices.Reverse(lines)
	for _, line := range lines {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			unix.Unmount(f[4], unix.MNT_DETACH)
		}
	}
}
