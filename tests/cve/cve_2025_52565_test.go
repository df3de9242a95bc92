// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

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
				spec := bundle.Base()
				bundle.WithoutMount("/dev", "/dev/shm", "/dev/mqueue")(spec)
				spec.Mounts = append([]specs.Mount{spec.Mounts[0],
					{Destination: "/dev", Type: "bind", Source: volume, Options: []string{"rbind"}}}, spec.Mounts[1:]...)
				spec.Process.Terminal = true
				bundle.Shell("probe stat /dev/console; probe open-write /proc/sys/kernel/core_pattern; sleep 100")(spec)
				b.Write(spec)
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
