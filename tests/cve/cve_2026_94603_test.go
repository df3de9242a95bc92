// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"strings"
	"testing"

	"corten/tests/bundle"
)

// What an image, or a checkpoint in it, says of its confinement overrode what the
// user had asked for. corten has no restore that could read one: it is refused
// before anything is made, whatever lies in the bundle.
//
// cve: CVE-2026-94603
func TestCVE_2026_94603_NoCheckpointOverridesTheConfinement(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe())
	must(t, os.Mkdir(b.Dir+"/checkpoint", 0o755))
	for _, name := range []string{"config.dump", "spec.dump", "descriptors.json"} {
		text := `{"process": {"capabilities": {"bounding": ["CAP_SYS_ADMIN"], "effective": ["CAP_SYS_ADMIN"]}, "noNewPrivileges": false}, "linux": {}}`
		must(t, os.WriteFile(b.Dir+"/checkpoint/"+name, []byte(text), 0o644))
	}
	r := b.Corten("restore", "--image-path", b.Dir+"/checkpoint", "--bundle", b.Dir, b.ID)
	if r.Status != 1 || !strings.Contains(r.Stderr, "no such command: restore") {
		t.Errorf("restore: exit status %d: %s", r.Status, r.Stderr)
	}
	if _, err := os.Stat(b.Root); err == nil {
		t.Errorf("restore has made %s", b.Root)
	}
	if caps := b.Report().Caps("CapBnd"); caps&(1<<21) != 0 {
		t.Errorf("a container of that bundle has CAP_SYS_ADMIN: CapBnd %x", caps)
	}
}
