// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// devLinks are the shapes of a link at /dev of an image.
var devLinks = []string{"CANARY", "../../../../../../../../../../CANARY", "chain", "/elsewhere", "/proc/self/cwd"}

// withoutDev is a bundle without a mount on /dev, whose image has a link there.
func withoutDev(t *testing.T, link string, edits ...bundle.Edit) (*bundle.Bundle, *bundle.Canary) {
	t.Helper()
	b := bundle.New(t, append([]bundle.Edit{bundle.WithoutMount("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")}, edits...)...)
	canary := b.Canary()
	must(t, os.Mkdir(b.Rootfs("elsewhere"), 0o755))
	symlink(t, canary.Dir, b.Rootfs("chain"))
	if link != "" {
		symlink(t, strings.Replace(strings.Replace(link, "/CANARY", canary.Dir, 1), "CANARY", canary.Dir, 1), b.Rootfs("dev"))
	}
	return b, canary
}

// With no mount on /dev, the devices and links of it were made, and its ptmx
// removed, where a link of the image led on the host.
//
// cve: CVE-2026-41579, CVE-2026-47766
func TestCVE_2026_41579_DevicesAreNotMadeThroughALinkAtDev(t *testing.T) {
	for _, link := range devLinks {
		for _, device := range []string{"", "/dev/mine", "/dev/deep/mine"} {
			t.Run(link+" "+device, func(t *testing.T) {
				b, canary := withoutDev(t, link, bundle.Shell("ls /dev/"), func(s *specs.Spec) {
					if device != "" {
						s.Linux.Devices = []specs.LinuxDevice{{Path: device, Type: "c", Major: 1, Minor: 3}}
					}
				})
				if r := b.Run(); r.Status == 0 {
					t.Errorf("started, with %q", r.Stdout)
				}
				canary.Check()
				if _, err := os.Stat(filepath.Join(canary.Dir, "ptmx")); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// cve: CVE-2026-41579, CVE-2026-47766
func TestCVE_2026_41579_DevIsNotSwappedForALink(t *testing.T) {
	b, canary := withoutDev(t, "", bundle.Shell("true"))
	symlink(t, canary.Dir, b.Rootfs("link"))
	bundle.Swap(t, b.Rootfs("dev"), b.Rootfs("link"))
	n, ran := starts(t), 0
	for range n {
		if b.Run().Status == 0 {
			ran++
		}
	}
	t.Logf("%d of %d starts succeeded", ran, n)
	canary.Check()
}

// The same for the terminal: /dev/console of the image was followed, and a
// file made on the host.
//
// cve: CVE-2026-88264
func TestCVE_2026_88264_TheConsoleIsNotMadeThroughALink(t *testing.T) {
	for _, readonly := range []bool{false, true} {
		for _, name := range []string{"console", "ptmx"} {
			for _, target := range []string{"CANARY/new", "CANARY/console", "../../../../../../../../CANARY/new", "/etc/new"} {
				t.Run(name+" to "+target+map[bool]string{true: ", read-only root"}[readonly], func(t *testing.T) {
					b, canary := withoutDev(t, "", bundle.Mount("/dev/pts", "devpts", "devpts", "newinstance", "ptmxmode=0666"),
						bundle.Shell("probe stat /dev/console; sleep 100"), func(s *specs.Spec) {
							s.Process.Terminal, s.Root.Readonly = true, readonly
						})
					symlink(t, strings.Replace(strings.Replace(target, "/CANARY", canary.Dir, 1), "CANARY", canary.Dir, 1), b.Rootfs("dev", name))
					console := b.Console()
					if r := b.Run("--detach", "--console-socket", console.Path); r.Status == 0 {
						console.Receive()
						console.WaitFor(" 136:") // a pseudo-terminal, of the container's own instance
					}
					canary.Check()
				})
			}
		}
	}
}
