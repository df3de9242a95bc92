// SPDX-License-Identifier: Apache-2.0

package lsm

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// Labels of a container, of its files, of those of another, and of all's.
const (
	processLabel = "system_u:system_r:container_t:s0:c1,c2"
	fileLabel    = "system_u:object_r:container_file_t:s0:c1,c2"
	othersLabel  = "system_u:object_r:container_file_t:s0:c3,c4"
	sharedLabel  = "system_u:object_r:container_file_t:s0"
)

// needSELinux skips unless a policy is loaded and enforced.
func needSELinux(t *testing.T) {
	t.Helper()
	if text, err := os.ReadFile("/sys/fs/selinux/enforce"); err != nil || string(text) != "1" {
		t.Skip("SELinux is not enforcing on this machine")
	}
}

// relabel gives a tree the label, as an engine does.
func relabel(t *testing.T, dir, label string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return unix.Lsetxattr(path, "security.selinux", []byte(label), 0)
	}))
}

// labelled is a bundle whose payload and rootfs have their labels.
func labelled(t *testing.T, edits ...bundle.Edit) *bundle.Bundle {
	t.Helper()
	needSELinux(t)
	with := func(s *specs.Spec) { s.Process.SelinuxLabel = processLabel }
	b := bundle.New(t, append([]bundle.Edit{with}, edits...)...)
	secrets(t, b)
	relabel(t, b.Rootfs(), fileLabel)
	// What is made there, as the files of its output, every container may write to.
	must(t, unix.Lsetxattr(b.Home, "security.selinux", []byte(sharedLabel), 0))
	return b
}

// spec: process.selinuxLabel
func TestTheLabelConfinesThePayload(t *testing.T) {
	for _, c := range []struct {
		name, label string // of /secret; "" leaves it what the host's files are
		want        string
	}{
		{"its own file", fileLabel, "secret\n"},
		{"another container's", othersLabel, "Permission denied\n"},
		{"the host's", "system_u:object_r:file_t:s0", "Permission denied\n"},
	} {
		for _, user := range []string{"", "in a user namespace"} {
			t.Run(c.name+" "+user, func(t *testing.T) {
				edits := []bundle.Edit{bundle.Shell("tr -d '\\0' </proc/self/attr/current; echo; cat /open; cat /secret 2>&1; true")}
				if user != "" {
					edits = append(edits, bundle.UserNamespace(100000))
				}
				b := labelled(t, edits...)
				relabel(t, b.Rootfs("secret"), c.label)
				if out := b.RunOK(); !strings.HasPrefix(out, processLabel+"\nopen\n") || !strings.HasSuffix(out, c.want) {
					t.Errorf("%q, want %s, open, %q", out, processLabel, c.want)
				}
			})
		}
	}
}

// spec: process.selinuxLabel
func TestExecHasTheContainersLabelOrItsOwn(t *testing.T) {
	b := labelled(t, bundle.Probe("pause"))
	b.Detach()
	const another = "system_u:system_r:container_t:s0:c1,c2,c5"
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"ID", "cat", "/proc/self/attr/current"}, processLabel},
		{[]string{"--process-label", another, "ID", "cat", "/proc/self/attr/current"}, another},
	} {
		if out := strings.TrimRight(b.Exec(c.words...).OK(b).Stdout, "\x00\n"); out != c.want {
			t.Errorf("%q: %q, want %q", c.words, out, c.want)
		}
	}
	if r := b.Exec("--process-label", "system_u:system_r:nobody_t:s0", "ID", "echo", "ran"); r.Status == 0 || r.Stdout != "" {
		t.Errorf("exec with an unknown label: status %d, %q", r.Status, r.Stdout)
	}
}

// spec: process.selinuxLabel, linux.mountLabel
func TestALabelThatThePolicyDoesNotKnowIsAnErrorOfItsField(t *testing.T) {
	for _, label := range []string{"system_u:system_r:nobody_t:s0", "container_t", "system_u:system_r:container_t:s0:c2000"} {
		t.Run("process "+label, func(t *testing.T) {
			b := labelled(t, bundle.Shell("echo ran"), func(s *specs.Spec) { s.Process.SelinuxLabel = label })
			refused(t, b.Run(), "config.json#/process/selinuxLabel")
		})
		t.Run("mounts "+label, func(t *testing.T) {
			b := labelled(t, bundle.Shell("echo ran"), func(s *specs.Spec) { s.Linux.MountLabel = label })
			refused(t, b.Run(), "config.json#/linux/mountLabel")
		})
	}
}

// spec: linux.mountLabel
func TestTheFileSystemsOfTheContainerHaveTheMountLabel(t *testing.T) {
	labelFor := func(label string) bundle.Edit { return func(s *specs.Spec) { s.Linux.MountLabel = label } }
	b := labelled(t, bundle.Probe("pause"), labelFor(fileLabel), bundle.Mount("/own", "tmpfs", "tmpfs"))
	b.Detach()
	root := "/proc/" + strconv.Itoa(b.State().PID) + "/root"
	for _, path := range []string{"/dev", "/dev/null", "/dev/shm", "/dev/mqueue", "/own"} {
		label := make([]byte, 200)
		n, err := unix.Getxattr(root+path, "security.selinux", label)
		if err != nil || string(bytes.TrimRight(label[:max(n, 0)], "\x00")) != fileLabel {
			t.Errorf("%s: %q, %v", path, label[:max(n, 0)], err)
		}
	}
	b.Exec("ID", "sh", "-c", "echo written >/own/file && echo >/dev/null").OK(b)

	// The payload has no access to a file system of another container.
	others := labelled(t, bundle.Shell("echo written >/own/file"), labelFor(othersLabel), bundle.WithoutMount("/dev"),
		bundle.Mount("/own", "tmpfs", "tmpfs", "mode=777"))
	if r := others.Run(); r.Status == 0 {
		t.Error("written to a file system with another's label")
	}
}
