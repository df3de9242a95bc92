// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// In CVE-2023-27561 and CVE-2023-28642 the check had got lost.
//
// cve: CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-54867
func TestCVE_2019_19921_ProcAndSysAreNotMountedThroughLinks(t *testing.T) {
	for _, name := range []string{"proc", "sys", "sys/fs/cgroup", "dev", "dev/pts"} {
		for _, target := range []string{"/elsewhere", "../elsewhere", "..", "/proc/self/cwd", "CANARY"} {
			t.Run(name+" to "+target, func(t *testing.T) {
				b := bundle.New(t, bundle.Probe(), bundle.Namespace(specs.CgroupNamespace, ""))
				canary := b.Canary()
				if target == "CANARY" {
					target = canary.Dir
				}
				must(t, os.MkdirAll(b.Rootfs("elsewhere"), 0o755))
				symlink(t, target, b.Rootfs(name))
				if r := b.Run(); r.Status == 0 {
					report := bundle.ParseReport(t, r.Stdout)
					if confined(t, report); report.Mount("/proc") == nil {
						t.Error("/proc is no mount")
					}
				}
				canary.Check()
			})
		}
	}
}

// cve: CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-54867
func TestCVE_2019_19921_ProcIsConfinedThoughItIsSwappedForALink(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	canary := b.Canary()
	must(t, os.MkdirAll(b.Rootfs("fake/sys"), 0o755))
	symlink(t, "/fake", b.Rootfs("link"))
	bundle.Swap(t, b.Rootfs("proc"), b.Rootfs("link"))
	raceConfined(t, b)
	canary.Check()
}
