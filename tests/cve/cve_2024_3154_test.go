// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// An annotation was a property of the container's unit: one that runs a
// program ran it as root.
//
// cve: CVE-2024-3154
func TestCVE_2024_3154_AnnotationsAreNoProgramsOfSystemds(t *testing.T) {
	bundle.NeedCorten(t)
	for name, value := range map[string]string{
		"ExecStartPre": "[('/bin/sh', ['sh', '-c', 'touch /tmp/x'], false)]", "ExecStop": "[]", "Delegate": "false", "Slice": "'-.slice'", "PIDs": "[uint32 1]",
		"DeviceAllow": "[('/dev/sda', 'rwm')]", "Description": "'a'\nExecStop=[]",
	} {
		b := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) {
			s.Linux.CgroupsPath = "system.slice:ct:x"
			s.Annotations = map[string]string{"org.systemd.property." + name: value}
		})
		r := b.Corten("--systemd-cgroup", "run", "--bundle", b.Dir, b.ID)
		if r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/annotations/org.systemd.property."+name+": ") {
			t.Errorf("%s ends with %d: %s", name, r.Status, r.Stderr)
		}
	}
}
