// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// What is mounted over /proc takes no write from the runtime.
//
// cve: CVE-2025-52881, CVE-2019-16884, CVE-2025-65105, CVE-2025-64750, CVE-2025-62596
func TestCVE_2025_52881_NoWriteGoesToAFalseProc(t *testing.T) {
	for _, target := range []string{"/proc", "/proc/sys", "/proc/sys/net", "/proc/self", "/proc/self/attr", "/proc/thread-self", "/proc/1"} {
		for _, kind := range []string{"tmpfs", "bind"} {
			t.Run(kind+" on "+target, func(t *testing.T) {
				b := bundle.New(t)
				canary := b.Canary()
				source, options := "tmpfs", []string{}
				if kind == "bind" {
					source, options = canary.Dir, []string{"rbind"}
				}
				spec := bundle.Base()
				bundle.Shell("cat /proc/sys/net/ipv4/ip_forward")(spec)
				bundle.Mount(target, kind, source, options...)(spec)
				spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
				b.Write(spec)
				if r := b.Run(); r.Status == 0 && r.Stdout != "1\n" {
					t.Errorf("started, and the sysctl is %q", r.Stdout)
				} else if r.Status == 0 && target != "/proc" {
					t.Errorf("a mount on %s is accepted", target)
				}
				canary.Check()
			})
		}
	}
}

// cve: CVE-2025-52881
func TestCVE_2025_52881_SysctlsAreWrittenThoughProcIsSwapped(t *testing.T) {
	b := bundle.New(t)
	canary := b.Canary()
	must(t, os.MkdirAll(b.Rootfs("fake/sys/net/ipv4"), 0o755))
	symlink(t, filepath.Join(canary.Dir, "sys/kernel/core_pattern"), b.Rootfs("fake/sys/net/ipv4/ip_forward"))
	symlink(t, "/fake", b.Rootfs("link"))
	spec := bundle.Base()
	bundle.Probe("pause")(spec)
	spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
	spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	b.Write(spec)
	bundle.Swap(t, b.Rootfs("proc"), b.Rootfs("link"))
	raceConfined(t, b)
	canary.Check()
}
