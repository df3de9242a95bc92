// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"path/filepath"
	"testing"

	"corten/tests/bundle"
)

// cve: CVE-2024-45310
func TestCVE_2024_45310_MissingTargetsAreNotMadeOnTheHost(t *testing.T) {
	b := bundle.New(t)
	canary := b.Canary()
	volume, file := b.Volume("shared"), filepath.Join(b.Volume("files", "f", "file\n"), "f")
	must(t, os.Mkdir(filepath.Join(volume, "a"), 0o777))
	symlink(t, canary.Dir, filepath.Join(volume, "link"))
	spec := bundle.Base()
	bundle.Probe()(spec)
	bundle.Mount("/v", "bind", volume, "rbind")(spec)
	bundle.Mount("/v/a/new/deep", "tmpfs", "tmpfs")(spec)
	bundle.Mount("/v/a/file", "bind", file, "bind")(spec)
	b.Write(spec)
	stop := bundle.Swap(t, filepath.Join(volume, "a"), filepath.Join(volume, "link"))
	race(t, b, func(*bundle.Report) {})
	stop()
	canary.Check()
}

// cve: CVE-2024-45310
func TestCVE_2024_45310_DanglingLinksAreFollowedInTheRootOnly(t *testing.T) {
	b := bundle.New(t)
	canary := b.Canary()
	file := filepath.Join(b.Volume("files", "f", "file\n"), "f")
	for link, target := range map[string]string{"one": canary.Dir + "/new", "two": "../../../../../../../.." + canary.Dir + "/new2",
		"three": canary.Dir + "/pts/deep/er"} {
		symlink(t, target, b.Rootfs(link))
	}
	spec := bundle.Base()
	bundle.Probe()(spec)
	for _, link := range []string{"/one", "/two", "/three"} {
		bundle.Mount(link, "bind", file, "bind")(spec)
	}
	b.Write(spec)
	b.Run()
	canary.Check()
}
