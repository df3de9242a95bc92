// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"corten/tests/bundle"
)

// cve: CVE-2021-30465
func TestCVE_2021_30465_AMountTargetSwappedForALinkStaysInTheRoot(t *testing.T) {
	b := bundle.New(t)
	canary := b.Canary()
	volume, second := b.Volume("shared"), b.Volume("second", "mine", "second\n")
	must(t, os.MkdirAll(filepath.Join(volume, "dir/target"), 0o755))
	symlink(t, canary.Dir, filepath.Join(volume, "link"))
	must(t, os.MkdirAll(filepath.Join(canary.Dir, "target"), 0o755))
	canary = b.Canary()
	spec := bundle.Base()
	bundle.Probe()(spec)
	bundle.Mount("/v", "bind", volume, "rbind")(spec)
	bundle.Mount("/v/dir/target", "bind", second, "rbind")(spec)
	bundle.Mount("/v/dir/target/mine", "tmpfs", "tmpfs")(spec)
	must(t, os.Remove(filepath.Join(second, "mine")))
	must(t, os.Mkdir(filepath.Join(second, "mine"), 0o755))
	b.Write(spec)
	bundle.Swap(t, filepath.Join(volume, "dir"), filepath.Join(volume, "link"))
	host := b.Raw("/proc/self/mountinfo")
	race(t, b, func(r *bundle.Report) {
		for _, m := range r.Mounts() {
			if strings.HasPrefix(m.Root, canary.Dir) {
				t.Errorf("the host's %s is mounted on %s", m.Root, m.Path)
			}
		}
		if b.Raw("/proc/self/mountinfo") != host {
			t.Error("the host's mounts changed")
		}
	})
	canary.Check()
}
