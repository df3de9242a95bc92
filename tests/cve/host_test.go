// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// Nothing of the image is executed or loaded but the payload, by the last
// execve: the others are of corten's own files.
//
// cve: CVE-2026-84042, CVE-2019-14271
func TestCVE_2026_84042_NothingOfTheImageRunsBeforeThePayload(t *testing.T) {
	bundle.NeedStrace(t)
	b := bundle.New(t, bundle.Args("/bin/payload"), bundle.UserNamespace(100000), func(s *specs.Spec) {
		s.Process.Env = append(s.Process.Env, "LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/", "GCONV_PATH=/")
	})
	for _, name := range []string{"payload", "newuidmap", "passt", "ip", "criu"} {
		must(t, os.WriteFile(b.Rootfs("bin", name), []byte("#!/bin/sh\necho payload\n"), 0o755))
	}
	trace := filepath.Join(b.Home, "trace")
	r := b.CortenWith(bundle.Options{Dir: b.Rootfs("bin"), Env: []string{"PATH=" + b.Rootfs("bin") + ":" + os.Getenv("PATH")},
		Wrap: []string{"strace", "-f", "-q", "-o", trace, "-e", "trace=execve,execveat,%file", "-s", "200"}}, "run", "--bundle", b.Dir, b.ID).OK(b)
	before, _, found := strings.Cut(b.Raw(trace), `execve("/bin/payload"`)
	if r.Stdout != "payload\n" || !found {
		t.Fatalf("printed %q, execve seen: %v", r.Stdout, found)
	}
	for line := range strings.Lines(before) {
		if strings.Contains(line, "evil.so") || strings.Contains(line, "execve") && !strings.Contains(line, bundle.Runtime(t)) &&
			!strings.Contains(line, `"/proc/self/fd/`) && !strings.Contains(line, "resumed") {
			t.Errorf("before the payload: %s", line)
		}
	}
}

// cve: CVE-2015-1331
func TestCVE_2015_1331_NoDirectoryOfOthersHoldsTheState(t *testing.T) {
	for name, spoil := range map[string]func(root string) error{
		"writable by others": func(root string) error { return os.Chmod(root, 0o777) },
		"writable by groups": func(root string) error { return os.Chmod(root, 0o770) },
		"another's":          func(root string) error { return os.Chown(root, 1000, 1000) },
		"a link": func(root string) error {
			return os.Rename(root, root+".d")
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := bundle.New(t, bundle.Args("true"))
			must(t, os.MkdirAll(b.Root, 0o700))
			must(t, spoil(b.Root))
			if name == "a link" {
				must(t, os.Symlink(b.Root+".d", b.Root))
			}
			if r := b.Run(); r.Status == 0 {
				t.Error("the container was made")
			}
			must(t, os.RemoveAll(b.Root))
		})
	}
}

// cve: CVE-2020-15257
func TestCVE_2020_15257_NoSocketHasAnAbstractName(t *testing.T) {
	abstract := func() map[string]bool {
		names := map[string]bool{}
		text, err := os.ReadFile("/proc/net/unix")
		must(t, err)
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 8 && f[7][0] == '@' {
				names[f[7]] = true
			}
		}
		return names
	}
	b := bundle.New(t, bundle.Probe("pause"))
	before := abstract()
	b.Create()
	b.Start()
	b.Exec("ID", "true").OK(b)
	for name := range abstract() {
		if !before[name] && strings.Contains(name, "corten") {
			t.Errorf("socket %s", name)
		}
	}
}

// cve: CVE-2017-5985, CVE-2018-6556, CVE-2022-47952, CVE-2026-39402
func TestCVE_2018_6556_CortenHasNoPrivilegeOfItsOwn(t *testing.T) {
	info, err := os.Stat(bundle.Runtime(t))
	must(t, err)
	if info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
		t.Errorf("mode %v", info.Mode())
	}
	if _, err := unix.Getxattr(bundle.Runtime(t), "security.capability", nil); err != unix.ENODATA && err != unix.EOPNOTSUPP {
		t.Errorf("file capabilities: %v", err)
	}
}

// cve: CVE-2026-97029
func TestCVE_2026_97029_ASignalToItsGroupStaysInTheContainer(t *testing.T) {
	for _, target := range []string{"0", "-1"} {
		b := bundle.New(t, bundle.Shell("trap '' TERM; kill -TERM "+target+"; echo alive"), bundle.UserNamespace(100000),
			func(s *specs.Spec) {
				if target == "0" { // -1 is all that the host's root of these ids may signal
					bundle.WithoutNamespace(specs.PIDNamespace)(s)
					bundle.WithoutMount("/proc")(s)
					s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
				}
			})
		if r := b.Run(); r.Status != 0 || r.Stdout != "alive\n" {
			t.Errorf("kill %s: %d, %q, %s", target, r.Status, r.Stdout, r.Stderr)
		}
	}
}

// With few descriptors corten fails cleanly or works; the caller's are not
// closed by mistake.
//
// cve: CVE-2021-44717
func TestCVE_2021_44717_FewDescriptorsCloseNone(t *testing.T) {
	b := bundle.New(t, bundle.Args("cat"))
	for n := 3; n < 40; n += 3 {
		r := b.CortenWith(bundle.Options{Stdin: strings.NewReader("input"), Wrap: []string{"sh", "-c", fmt.Sprintf(`(ulimit -n %d; "$@"); s=$?; cat >/dev/null || exit 99; exit $s`, n), "sh"}},
			"run", "--bundle", b.Dir, b.ID)
		if r.Status == 99 || r.Status == 0 && r.Stdout != "input" || r.Status >= 128 {
			t.Errorf("%d descriptors: %d, %q, %s", n, r.Status, r.Stdout, r.Stderr)
		}
		b.Corten("delete", "--force", b.ID).OK(b)
	}
}

// cve: CVE-2026-39822, CVE-2026-32282, CVE-2026-27139, CVE-2025-22873
func TestCVE_2026_39822_CortenIsBuiltByAGoWithoutTheFaults(t *testing.T) {
	out, err := exec.Command("go", "version", bundle.Runtime(t)).Output()
	must(t, err)
	var minor, patch int
	if _, err := fmt.Sscanf(string(out[strings.LastIndex(string(out), "go1."):]), "go1.%d.%d", &minor, &patch); err != nil || minor < 26 || minor == 26 && patch < 5 {
		t.Errorf("%s: want 1.26.5", out)
	}
}

// cve: GHSA-7ww5
func TestGHSA_7ww5_TheTemplateMasksThePowerMeters(t *testing.T) {
	b := bundle.NewEmpty(t)
	b.Corten("spec", "--bundle", b.Dir).OK(b)
	if !strings.Contains(b.Raw(filepath.Join(b.Dir, "config.json")), `"/sys/devices/virtual/powercap"`) {
		t.Error("/sys/devices/virtual/powercap is not masked")
	}
}

// The owner of the host's /dev/null stays, and an image's own is no way out.
//
// cve: CVE-2026-88265
func TestCVE_2026_88265_StdioIsTheCallersAndNotTheImages(t *testing.T) {
	owner := func() uint32 {
		info, err := os.Stat("/dev/null")
		must(t, err)
		return info.Sys().(*syscall.Stat_t).Uid
	}
	for _, kind := range []string{"link", "file", "device"} {
		t.Run(kind, func(t *testing.T) {
			b := bundle.New(t, bundle.Probe(), bundle.WithoutMount("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"),
				func(s *specs.Spec) { s.Process.User.UID = 1000 })
			canary, before := b.Canary(), owner()
			switch null := b.Rootfs("dev/null"); kind {
			case "link":
				symlink(t, filepath.Join(canary.Dir, "null"), null)
			case "file":
				must(t, os.WriteFile(null, []byte("image"), 0o644))
			case "device":
				must(t, unix.Mknod(null, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))))
			}
			if r := b.Run(); r.Status == 0 {
				for _, fd := range bundle.ParseReport(t, r.Stdout).FDs {
					if fd.FD == 0 && fd.Rdev != "1:3" {
						t.Errorf("stdin is %+v", fd)
					}
				}
			}
			canary.Check()
			if after := owner(); after != before {
				t.Errorf("/dev/null belonged to %d, now to %d", before, after)
			}
		})
	}
}

// Whatever stands in the image where corten makes or mounts something, nothing
// is written to and nothing made but mount points and devices.
//
// cve: CVE-2026-1386, CVE-2025-24965, CVE-2024-23651, CVE-2024-23652, CVE-2024-5154, CVE-2026-55686
func TestCVE_2026_1386_WhatTheImageHasInTheWayIsNotWrittenTo(t *testing.T) {
	for _, kind := range []string{"symlink", "hardlink", "fifo", "device"} {
		t.Run(kind, func(t *testing.T) {
			b := bundle.New(t, bundle.Args("true"), bundle.WithoutMount("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"),
				func(s *specs.Spec) { s.Process.Cwd = "/work" })
			canary := b.Canary()
			must(t, os.MkdirAll(b.Rootfs("etc"), 0o755))
			symlink(t, filepath.Join(canary.Dir, "work"), b.Rootfs("work"))
			for _, name := range []string{"dev/null", "dev/console", "dev/ptmx", "dev/fd", "etc/mtab", "etc/resolv.conf", "etc/hosts", ".krun_config.json", "run/lock"} {
				path := b.Rootfs(name)
				must(t, os.RemoveAll(path))
				switch kind {
				case "symlink":
					must(t, os.Symlink(filepath.Join(canary.Dir, "secret"), path))
				case "hardlink":
					must(t, os.Link(filepath.Join(canary.Dir, "secret"), path))
				case "fifo":
					must(t, unix.Mkfifo(path, 0o600))
				case "device":
					must(t, unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 7))))
				}
			}
			b.Run()
			if kind != "hardlink" { // its link count is the canary's too
				canary.Check()
			} else if text := b.Raw(filepath.Join(canary.Dir, "secret")); text != "canary secret\n" {
				t.Errorf("the canary has %q", text)
			}
			for _, name := range []string{"etc/mtab", "etc/resolv.conf", "etc/hosts", ".krun_config.json", "run/lock"} {
				if _, err := os.Lstat(b.Rootfs(name)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A name from the configuration is one file of the cgroup, and the cgroup is
// the one asked for.
//
// cve: runc#4103, CVE-2023-6476, CVE-2025-47291
func TestRunc4103_NoLimitGoesToAnotherFile(t *testing.T) {
	for _, name := range []string{"../x", "a/b", "..", "", "2MB/../../memory", "memory.high\ncgroup.procs", "/memory.high"} {
		for field, edit := range map[string]func(*specs.LinuxResources){
			"hugepageLimits": func(r *specs.LinuxResources) {
				r.HugepageLimits = []specs.LinuxHugepageLimit{{Pagesize: name, Limit: 1}}
			},
			"unified": func(r *specs.LinuxResources) { r.Unified = map[string]string{name: "1"} },
		} {
			b := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) { edit(s.Linux.Resources) })
			if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "#/linux/resources/"+field) {
				t.Errorf("%s %q: %d, %s", field, name, r.Status, r.Stderr)
			}
		}
	}
}
