// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"corten/tests/bundle"
)

// podman calls Debian's podman with storage beside the bundle and the runtime at
// a path.
func podman(t *testing.T, b *bundle.Bundle, runtime string, words ...string) (string, error) {
	t.Helper()
	dir := b.Home + "/podman"
	global := []string{"--root", dir + "/root", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp", "--storage-driver", "vfs",
		"--cgroup-manager=cgroupfs", "--events-backend=file", "--runtime", runtime}
	out, err := exec.Command("podman", append(global, words...)...).CombinedOutput()
	return string(out), err
}

// podmanRuns is podman run of the bundle's rootfs with what this machine lacks
// left out.
func podmanRuns(t *testing.T, b *bundle.Bundle, runtime string, words ...string) (string, int) {
	t.Helper()
	out, err := podman(t, b, runtime, append([]string{"run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"}, words...)...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		return out, exit.ExitCode()
	}
	return out, 0
}

// podmansRun gives podman a /run of the test's own, for the runtime's root.
func podmansRun(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("podman"); err != nil {
		t.Skip("the package podman is missing")
	}
	// podman makes runtime roots under /run; in a mount of the test they go with it.
	if err := syscall.Mount("run", "/run", "tmpfs", 0, "mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount("/run", syscall.MNT_DETACH) })
}

// Under the names of other runtimes, too, from whose callers podman expects more.
func TestPodmanRunsAContainer(t *testing.T) {
	for _, name := range []string{"corten", "runc", "crun"} {
		t.Run(name, func(t *testing.T) {
			podmansRun(t)
			b := bundle.NewEmpty(t)
			t.Cleanup(removePodmansCgroups)
			runtime := bundle.Runtime(t)
			if name != "corten" {
				bundle.NeedCorten(t)
				runtime = filepath.Join(b.Home, name)
				if err := os.Symlink(bundle.Runtime(t), runtime); err != nil {
					t.Fatal(err)
				}
			}
			if out, status := podmanRuns(t, b, runtime, "--rootfs", b.Rootfs(), "echo", "hi"); status != 0 || out != "hi\n" {
				t.Errorf("status %d, %q", status, out)
			}
			if out, status := podmanRuns(t, b, runtime, "--rootfs", b.Rootfs(), "sh", "-c", "exit 7"); status != 7 {
				t.Errorf("status %d, %q", status, out)
			}
			for command, want := range map[string]struct {
				status int
				text   string
			}{"no-such-command": {127, "executable file not found in $PATH"}, "/etc": {126, "permission denied"}} {
				out, status := podmanRuns(t, b, runtime, "--rootfs", b.Rootfs(), command)
				if status != want.status || !strings.Contains(out, want.text) {
					t.Errorf("%s: status %d, %q", command, status, out)
				}
				// Of those it knows podman reads the log, which has the message alone.
				if strings.Contains(out, "Error: "+runtime+": config.json#") != (name != "corten") {
					t.Errorf("%s: %q", command, out)
				}
			}
			out, status := podmanRuns(t, b, runtime, "--cgroups=disabled", "--rootfs", b.Rootfs(), "cat", "/proc/self/cgroup")
			if name == "crun" && (status != 0 || strings.Contains(out, "libpod")) {
				t.Errorf("--cgroups=disabled: status %d, %q", status, out)
			}
			out, err := podman(t, b, runtime, "info", "--format", "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Version}}")
			if err != nil || !strings.HasPrefix(out, runtime+" "+name+" version ") {
				t.Errorf("info: %v, %q", err, out)
			}
		})
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
