// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { Main(m) }

func TestSnapshotSeesEveryKindOfLeak(t *testing.T) {
	b := &Bundle{t: t, Home: t.TempDir()}
	b.Root = filepath.Join(b.Home, "run")
	b.begin = take()
	dir := filepath.Join(b.Home, "mnt")
	for _, err := range []error{
		os.MkdirAll(dir, 0o755),
		os.MkdirAll(filepath.Join(b.Root, "some-id"), 0o755),
		unix.Mount("x", dir, "tmpfs", 0, ""),
		os.Mkdir(CgroupDir("pids", prefix+"-leak"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	defer os.Remove(CgroupDir("pids", prefix+"-leak"))
	defer unix.Unmount(dir, 0)
	sleeper := exec.Command("unshare", "-n", "sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleeper.Process.Kill(); sleeper.Wait() }()
	ptmx, err := os.OpenFile("/dev/pts/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ptmx.Close()
	shm, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.SysvShmCtl(shm, unix.IPC_RMID, nil)
	kinds := []string{"mount", "process", "cgroup", "terminal", "System V IPC", "state", "network namespace"}
	all := func() bool {
		left := b.Leaks()
		return !slices.ContainsFunc(kinds, func(kind string) bool {
			return !slices.ContainsFunc(left, func(l string) bool { return strings.HasPrefix(l, kind+" ") })
		})
	}
	if !Eventually(all) {
		t.Errorf("leaks of %q seen: %q", kinds, b.Leaks())
	}
}

func TestCanaryNoticesAChange(t *testing.T) {
	b := &Bundle{t: t, Home: t.TempDir()}
	c := b.Canary()
	if err := os.WriteFile(filepath.Join(c.Dir, "new"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if c.look() == c.begin {
		t.Error("a new file changes nothing")
	}
}
