// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// cve: CVE-2025-52565
func TestCVE_2025_52565_TheConsoleIsNotBoundThroughALink(t *testing.T) {
	for _, name := range []string{"console", "ptmx", "pts/0", "pts"} {
		for _, target := range []string{"/proc/sys/kernel/core_pattern", "CANARY", "CANARY/new"} {
			t.Run(name+" to "+target, func(t *testing.T) {
				b := bundle.New(t)
				canary := b.Canary()
				switch target {
				case "CANARY":
					target = filepath.Join(canary.Dir, "console")
				case "CANARY/new":
					target = filepath.Join(canary.Dir, "new")
				}
				volume := b.Volume("dev")
				symlink(t, target, filepath.Join(volume, name))
				b.Write(withSharedDev(volume, bundle.Shell("probe stat /dev/console; probe open-write /proc/sys/kernel/core_pattern; sleep 100")))
				console := b.Console()
				r := b.Run("--detach", "--console-socket", console.Path)
				if r.Status == 0 {
					console.Receive()
					console.WaitFor("EROFS\n")
				}
				canary.Check()
			})
		}
	}
}

// cve: CVE-2025-52565
func TestCVE_2025_52565_TheConsoleIsOursThoughItIsSwapped(t *testing.T) {
	b := bundle.New(t)
	canary := b.Canary()
	volume := b.Volume("dev")
	must(t, os.WriteFile(filepath.Join(volume, "console"), nil, 0o600))
	symlink(t, filepath.Join(canary.Dir, "console"), filepath.Join(volume, "link"))
	b.Write(withSharedDev(volume, bundle.Args("sleep", "100")))
	bundle.Swap(t, filepath.Join(volume, "console"), filepath.Join(volume, "link"))
	n, ran := starts(t), 0
	for range n {
		console := b.Console()
		if b.Run("--detach", "--console-socket", console.Path).Status == 0 {
			ran++
			console.Receive()
			ownConsole(t, b, volume)
		}
		console.Close()
		b.Corten("delete", "--force", b.ID).OK(b)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d of %d starts succeeded", ran, n)
	canary.Check()
}

// withSharedDev is a container with a terminal, whose /dev is the volume.
func withSharedDev(volume string, process func(*specs.Spec)) *specs.Spec {
	spec := bundle.Base()
	bundle.WithoutMount("/dev", "/dev/shm", "/dev/mqueue")(spec)
	spec.Mounts = append([]specs.Mount{spec.Mounts[0],
		{Destination: "/dev", Type: "bind", Source: volume, Options: []string{"rbind"}}}, spec.Mounts[1:]...)
	spec.Process.Terminal = true
	process(spec)
	return spec
}

// ownConsole checks that the terminal of the process is the one mounted on a
// file of the volume, and nowhere else. It follows the mounts' parents, as
// confined does.
func ownConsole(t *testing.T, b *bundle.Bundle, volume string) {
	t.Helper()
	pid := b.State().PID
	var terminal syscall.Stat_t
	must(t, syscall.Stat(fmt.Sprintf("/proc/%d/fd/0", pid), &terminal))
	mounts := outside(b, pid).Mounts()
	dev, consoles := "", 0
	for _, m := range mounts {
		// Of its file system's root only a part may be mounted here.
		if m.Root != "/" && (strings.HasSuffix(volume, m.Root) || strings.HasSuffix(m.Root, volume)) {
			dev = m.ID
		}
	}
	for _, m := range mounts {
		if m.Type == "devpts" && m.Root != "/" {
			consoles++
			if m.Parent != dev || unix.Major(terminal.Rdev) != 136 || m.Root != fmt.Sprint("/", unix.Minor(terminal.Rdev)) {
				t.Errorf("the console is %s of a devpts, mounted on %s of mount %s; the terminal is %d:%d and /dev is mount %s",
					m.Root, m.Path, m.Parent, unix.Major(terminal.Rdev), unix.Minor(terminal.Rdev), dev)
			}
		}
	}
	if consoles != 1 {
		t.Errorf("%d consoles are mounted", consoles)
	}
}
