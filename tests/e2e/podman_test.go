// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"corten/tests/bundle"
)

// podman calls Debian's podman with storage beside the bundle and the runtime
// under test.
func podman(t *testing.T, b *bundle.Bundle, words ...string) (string, error) {
	t.Helper()
	dir := b.Home + "/podman"
	global := []string{"--root", dir + "/root", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp", "--storage-driver", "vfs",
		"--cgroup-manager=cgroupfs", "--events-backend=file", "--runtime", bundle.Runtime(t)}
	out, err := exec.Command("podman", append(global, words...)...).CombinedOutput()
	return string(out), err
}

func TestPodmanRunsAContainer(t *testing.T) {
	if _, err := exec.LookPath("podman"); err != nil {
		t.Skip("the package podman is missing")
	}
	// podman makes runtime roots under /run; in a mount of the test they go with it.
	if err := syscall.Mount("run", "/run", "tmpfs", 0, "mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount("/run", syscall.MNT_DETACH) })
	b := bundle.NewEmpty(t)
	t.Cleanup(removePodmansCgroups)
	limits := []string{"--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"}
	run := func(words ...string) (string, error) {
		return podman(t, b, append(append([]string{"run", "--rm"}, limits...), words...)...)
	}
	if out, err := run("--rootfs", b.Rootfs(), "echo", "hi"); err != nil || out != "hi\n" {
		t.Errorf("%v: %q", err, out)
	}
	if out, err := run("--rootfs", b.Rootfs(), "sh", "-c", "exit 7"); err == nil || err.(*exec.ExitError).ExitCode() != 7 {
		t.Errorf("%v: %q", err, out)
	}
	if out, err := run("--rootfs", b.Rootfs(), "no-such-command"); err == nil || err.(*exec.ExitError).ExitCode() != 127 ||
		!strings.Contains(out, "executable file not found") {
		t.Errorf("%v: %q", err, out)
	}
}

// removePodmansCgroups removes the parents that podman leaves, once its
// monitor has gone.
func removePodmansCgroups() {
	bundle.Eventually(func() bool {
		var dirs []string
		filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && strings.Contains(path, "libpod_parent") {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			os.Remove(dirs[i])
		}
		return len(dirs) == 0
	})
}
