// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// hostilePasswd makes /etc/passwd what no passwd is.
var hostilePasswd = map[string]func(path string) error{
	"8 GiB of nothing":       func(path string) error { return truncate(path, 8<<30) },
	"10 MiB and a byte":      func(path string) error { return truncate(path, 10<<20+1) },
	"1 MiB of NUL":           func(path string) error { return truncate(path, 1<<20) },
	"a line of 100 MiB":      func(path string) error { return fill(path, 100<<20) },
	"a line of 9 MiB":        func(path string) error { return fill(path, 9<<20) },
	"a line of 64 KiB and 1": func(path string) error { return fill(path, 64<<10+1) },
	"a fifo":                 func(path string) error { return unix.Mkfifo(path, 0o644) },
	"a device": func(path string) error {
		return unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5)))
	},
	"a directory":         func(path string) error { return os.Mkdir(path, 0o755) },
	"a socket":            func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0o644, 0) },
	"a link to kmsg":      func(path string) error { return os.Symlink("/proc/kmsg", path) },
	"a link to a passwd":  func(path string) error { return os.Symlink("/proc/1/root/etc/passwd", path) },
	"a link to itself":    func(path string) error { return os.Symlink("passwd", path) },
	"a link through proc": func(path string) error { return os.Symlink("/proc/self/fd/0", path) },
}

func truncate(path string, size int64) error {
	f, err := os.Create(path)
	if err == nil {
		err = f.Truncate(size)
		f.Close()
	}
	return err
}

func fill(path string, size int) error {
	return os.WriteFile(path, []byte(strings.Repeat("a", size)+"\nroot:x:0:0::/wrong:\n"), 0o644)
}

// The image's passwd is read for HOME: no file of its may hold a start up, or
// use memory beyond the container's, which is 16 MiB here.
//
// cve: CVE-2026-47262, CVE-2025-4437
func TestCVE_2026_47262_APasswdThatIsNoneIsNotRead(t *testing.T) {
	for name, place := range hostilePasswd {
		for _, how := range []string{"run", "create", "exec"} {
			t.Run(how+" with "+name, func(t *testing.T) {
				b := bundle.New(t, bundle.Shell("echo $HOME; exec sleep 100"), func(s *specs.Spec) {
					s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: bundle.Pointer[int64](16 << 20)}
				})
				path := b.Rootfs("etc/passwd")
				if how == "exec" {
					b.Detach()
				}
				must(t, os.Remove(path))
				must(t, place(path))
				log := b.Home + "/log"
				home := func() string { return "" }
				switch how {
				case "exec":
					r := b.Corten("--log", log, "exec", b.ID, "sh", "-c", "echo $HOME").OK(b)
					home = func() string { return r.Stdout }
				case "run":
					b.Corten("--log", log, "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
					home = func() string { return b.Output(0) }
				case "create":
					b.Corten("--log", log, "create", "--bundle", b.Dir, b.ID).OK(b)
					b.Start()
					home = func() string { return b.Output(1) }
				}
				if !bundle.Eventually(func() bool { return strings.HasSuffix(home(), "\n") }) || home() != "/\n" {
					t.Errorf("HOME %q, want /", home())
				}
				if text := b.Text(log); !strings.Contains(text, "HOME is /, because the container's /etc/passwd") {
					t.Errorf("no warning: %q", text)
				}
			})
		}
	}
}
