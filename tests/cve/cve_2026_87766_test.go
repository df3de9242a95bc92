// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"corten/tests/bundle"
)

// bubblewrap made mount points through a link of the image on the old root; a
// fix that went too far broke images that use links as they may.
//
// cve: CVE-2026-87766
func TestCVE_2026_87766_MountPointsAreMadeBelowLinksThatStayInTheRoot(t *testing.T) {
	source := bundle.New(t).Volume("v", "f", "text\n")
	for _, c := range []struct{ name, link, target, destination, lands string }{
		{"absolute", "var/run", "/run", "/var/run/lock/new", "/run/lock/new"},
		{"relative", "var/run", "../run", "/var/run/new", "/run/new"},
		{"beyond the root", "var/run", "../../../../../run", "/var/run/new", "/run/new"},
		{"dangling", "var/run", "/not/there/yet", "/var/run/new", "/not/there/yet/new"},
		{"dangling at the end", "etc/resolv.conf", "/run/resolv/conf", "/etc/resolv.conf", "/run/resolv/conf"},
		{"two of them", "a", "/b/c", "/a/x", "/b/c/x"},
		{"the host's name", "var/run", "CANARY", "/var/run/new", "CANARY/new"},
	} {
		for _, kind := range []string{"directory", "file", "tmpfs"} {
			t.Run(c.name+" "+kind, func(t *testing.T) {
				b := bundle.New(t)
				canary := b.Canary()
				in := func(s string) string { return strings.Replace(s, "CANARY", canary.Dir, 1) }
				spec := bundle.Base()
				bundle.Probe()(spec)
				switch kind {
				case "directory":
					bundle.Mount(c.destination, "bind", source, "bind")(spec)
				case "file":
					bundle.Mount(c.destination, "bind", source+"/f", "bind")(spec)
				default:
					bundle.Mount(c.destination, "tmpfs", "tmpfs")(spec)
				}
				b.Write(spec)
				symlink(t, in(c.target), b.Rootfs(c.link))
				must(t, os.Chmod(b.Rootfs("var"), 0o711))
				if m := b.Report().Mount(in(c.lands)); m == nil {
					t.Errorf("nothing is mounted on %s", in(c.lands))
				}
				canary.Check()
				if _, err := os.Lstat(filepath.Join(canary.Dir, "new")); err == nil {
					t.Error("made on the host")
				}
			})
		}
	}
}
