// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// Every field that has a path of the container, with every shape of link in
// the image: resolved in the root, or an error.
//
// cve: CVE-2019-18837, CVE-2015-1335, CVE-2015-3627, CVE-2015-3629, CVE-2015-3631
func TestCVE_2019_18837_LinksOfTheImageAreResolvedInTheRoot(t *testing.T) {
	source := bundle.New(t).Volume("v", "f", "text\n")
	symlink(t, "somewhere", filepath.Join(source, "l"))
	up := strings.Repeat("../", 30)
	for shape, target := range map[string]string{
		"absolute": "CANARY", "relative": up + "CANARY", "long chain": "/long/0",
		"magic":    "/proc/self/root/CANARY",
		"dangling": "CANARY/new",
	} {
		for field, edit := range map[string]bundle.Edit{
			"bind of a directory": bundle.Mount("/link", "bind", source, "bind"),
			"bind of a file":      bundle.Mount("/link/secret", "bind", source+"/f", "bind"),
			"bind below":          bundle.Mount("/link/new/dir", "bind", source, "rbind", "ro"),
			"file on the link":    bundle.Mount("/link", "bind", source+"/f", "bind"),
			"link not followed":   bundle.Mount("/link", "bind", source+"/f", "bind", "dest-nofollow"),
			"copied link":         bundle.Mount("/link/l", "bind", source+"/l", "bind", "copy-symlink"),
			"tmpfs":               bundle.Mount("/link", "tmpfs", "tmpfs"),
			"tmpfs below":         bundle.Mount("/link/sys/new", "tmpfs", "tmpfs"),
			"tmpcopyup":           bundle.Mount("/link", "tmpfs", "tmpfs", "tmpcopyup"),
			"tmpcopyup above":     bundle.Mount("/above", "tmpfs", "tmpfs", "tmpcopyup"),
			"remount":             bundle.Mount("/link", "", "", "remount", "ro"),
			"cwd":                 func(s *specs.Spec) { s.Process.Cwd = "/link" },
			"cwd below":           func(s *specs.Spec) { s.Process.Cwd = "/link/new" },
			"maskedPaths":         func(s *specs.Spec) { s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/link", "/link/secret") },
			"readonlyPaths":       func(s *specs.Spec) { s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, "/link", "/link/sys") },
			"device": func(s *specs.Spec) {
				s.Linux.Devices = []specs.LinuxDevice{{Path: "/link/null", Type: "c", Major: 1, Minor: 3}}
			},
			"device on the link": func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{{Path: "/link", Type: "p"}} },
		} {
			t.Run(field+", "+shape, func(t *testing.T) {
				b := bundle.New(t, bundle.Shell("cat /link/secret secret /above/*/secret 2>/dev/null; echo; probe"), edit)
				canary := b.Canary()
				to := func(s string) string { return strings.Replace(s, "CANARY", strings.TrimPrefix(canary.Dir, "/"), 1) }
				if strings.HasPrefix(target, "CANARY") {
					to = func(s string) string { return strings.Replace(s, "CANARY", canary.Dir, 1) }
				}
				symlink(t, to(target), b.Rootfs("link"))
				symlink(t, to(target), b.Rootfs("above/link"))
				for i := range 45 {
					symlink(t, fmt.Sprint("/long/", i+1), b.Rootfs("long", fmt.Sprint(i)))
				}
				symlink(t, canary.Dir, b.Rootfs("long/45"))
				if r := b.Run(); r.Status == 0 {
					out := r.Stdout[strings.Index(r.Stdout, "{"):]
					if strings.Contains(r.Stdout, "canary secret") {
						t.Error("the host's file can be read")
					}
					report := bundle.ParseReport(t, out)
					if !strings.HasPrefix(report.Cwd, "/") {
						t.Errorf("working directory %q", report.Cwd)
					}
					for _, m := range report.Mounts() {
						if strings.HasPrefix(m.Root, canary.Dir) {
							t.Errorf("the host's %s is mounted on %s", m.Root, m.Path)
						}
					}
				}
				canary.Check()
				if _, err := os.Lstat(filepath.Join(canary.Dir, "new")); err == nil {
					t.Error("something was made on the host")
				}
			})
		}
	}
}
