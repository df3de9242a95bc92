// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// hostileDev replaces all of /dev by a volume.
func hostileDev(volume string) bundle.Edit {
	return func(s *specs.Spec) {
		bundle.WithoutMount("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")(s)
		bundle.Mount("/dev", "bind", volume, "rbind")(s)
	}
}

// cve: CVE-2025-31133, CVE-2025-62161
func TestCVE_2025_31133_MaskedPathsAreMaskedWhateverNullIs(t *testing.T) {
	for name, make := range map[string]func(null string) error{
		"link to core_pattern": func(null string) error { return os.Symlink("/proc/sys/kernel/core_pattern", null) },
		"link to secret":       func(null string) error { return os.Symlink("/etc/visible", null) },
		"regular file":         func(null string) error { return os.WriteFile(null, []byte("regular\n"), 0o666) },
		"missing":              func(string) error { return nil },
		"zero":                 func(null string) error { return unix.Mknod(null, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))) },
		"directory":            func(null string) error { return os.Mkdir(null, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			b := bundle.New(t)
			volume := b.Volume("dev")
			must(t, make(filepath.Join(volume, "null")))
			spec := bundle.Base()
			hostileDev(volume)(spec)
			bundle.Shell("head -c 20 /etc/masked; probe stat /etc/masked; probe open-write /proc/sys/kernel/core_pattern; probe")(spec)
			spec.Linux.MaskedPaths = append(spec.Linux.MaskedPaths, "/etc/masked", "/proc/sysrq-trigger")
			b.Write(spec)
			for _, f := range []string{"masked", "visible"} {
				must(t, os.WriteFile(b.Rootfs("etc", f), []byte(f+" text\n"), 0o666))
			}
			canary := b.Canary()
			r := b.Run()
			if r.Status != 0 {
				return // refused
			}
			lines := strings.Split(r.Stdout, "\n")
			if len(lines) < 3 || !strings.HasPrefix(lines[0], "20666 ") || !strings.Contains(lines[0], " 1:3 ") || lines[1] != "EROFS" {
				t.Errorf("the masked file, then core_pattern: %q", lines[:min(2, len(lines))])
			}
			confined(t, bundle.ParseReport(t, lines[len(lines)-2]))
			canary.Check()
		})
	}
}

// cve: CVE-2025-31133, CVE-2025-62161
func TestCVE_2025_31133_MaskedPathsAreMaskedThoughNullIsSwapped(t *testing.T) {
	b := bundle.New(t)
	volume := b.Volume("dev")
	must(t, unix.Mknod(filepath.Join(volume, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	symlink(t, "/proc/sys/kernel/core_pattern", filepath.Join(volume, "link"))
	spec := bundle.Base()
	hostileDev(volume)(spec)
	bundle.Probe()(spec)
	b.Write(spec)
	canary := b.Canary()
	bundle.Swap(t, filepath.Join(volume, "null"), filepath.Join(volume, "link"))
	race(t, b, func(r *bundle.Report) {
		confined(t, r)
		for _, path := range []string{"/proc/keys", "/proc/timer_list"} {
			if m := r.Mount(path); m == nil || strings.Contains(m.Root, "core_pattern") {
				t.Errorf("%s is %+v", path, m)
			}
		}
	})
	canary.Check()
}
