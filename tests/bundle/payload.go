// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// applets are the names busybox answers to in a rootfs.
const applets = "sh cat echo ls id env sleep true false mount umount grep stat hostname kill ps wc head tail " +
	"touch mkdir rm ln test readlink dd sed awk sort seq tr ulimit find chmod date stty tty sysctl setsid"

// Of prepare: the files that every rootfs gets a copy of.
var busyboxPath, probePath string

// prepare finds busybox and builds the probe, once for each content of it,
// below build/tests of the repository.
func prepare() error {
	root, err := repository()
	if err != nil {
		return err
	}
	if busyboxPath, err = findBusybox(); err != nil {
		return err
	}
	source := filepath.Join(root, "tests/probe/probe.c")
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "build/tests")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	probePath = filepath.Join(dir, fmt.Sprintf("probe-%.8x", sha256.Sum256(text)))
	if _, err := os.Stat(probePath); err == nil {
		return nil
	}
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "gcc"
	}
	// Packages are tested side by side, each as process 1: a pid is no name.
	work, err := os.MkdirTemp(dir, "probe-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	temporary := filepath.Join(work, "probe")
	out, err := exec.Command(cc, "-static", "-O1", "-Wall", "-Wextra", "-o", temporary, source).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", cc, source, err, out)
	}
	return os.Rename(temporary, probePath)
}

func findBusybox() (string, error) {
	for _, path := range []string{"/bin/busybox", "/usr/bin/busybox"} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no /bin/busybox: the package busybox-static is missing")
}

// makeRootfs fills an existing directory with busybox, the probe and the few
// files of /etc that a payload looks for.
func makeRootfs(dir string) error {
	for _, d := range []string{"bin", "etc", "proc", "sys", "dev", "tmp", "root", "run", "usr", "var"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(dir, "tmp"), 0o777|os.ModeSticky); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(dir, "bin/busybox"), busyboxPath); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(dir, "bin/probe"), probePath); err != nil {
		return err
	}
	for applet := range strings.FieldsSeq(applets) {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", applet)); err != nil {
			return err
		}
	}
	passwd := "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/home/guest:/bin/sh\n"
	if err := os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte(passwd), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "etc/group"), []byte("root:x:0:\nguest:x:1000:\n"), 0o644)
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
