// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// A clone made by open_tree(2) stays in the peer group of a shared mount: what
// the container mounted below it appeared on the host.
//
// cve: crun#2059
func TestCrun2059_NoMountOfTheContainerAppearsOnASharedHost(t *testing.T) {
	outer := bundle.New(t)
	tree := outer.Volume("tree")
	sub := filepath.Join(tree, "sub")
	must(t, os.MkdirAll(filepath.Join(sub, "in"), 0o755))
	must(t, os.MkdirAll(filepath.Join(tree, "in"), 0o755))
	for _, dir := range []string{tree, sub} { // both shared, as all mounts of these tests
		must(t, unix.Mount(dir, dir, "", unix.MS_BIND, ""))
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	}
	must(t, os.MkdirAll(filepath.Join(sub, "in"), 0o755))
	id := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 0, Size: 10}}
	for _, bind := range []string{"bind", "rbind"} {
		for _, option := range []string{"", "ro", "rprivate", "slave", "unbindable", "ridmap"} {
			for _, inside := range []string{"mounts of the config", "mounts of the payload", "a shared root"} {
				t.Run(bind+" "+option+", "+inside, func(t *testing.T) {
					m := specs.Mount{Destination: "/m", Type: "bind", Source: tree, Options: []string{bind}}
					if option != "" {
						m.Options = append(m.Options, option)
					}
					if option == "ridmap" {
						m.UIDMappings, m.GIDMappings = id, id
					}
					b := bundle.New(t, func(s *specs.Spec) { s.Mounts = append(s.Mounts, m) }, bundle.Capabilities("CAP_SYS_ADMIN"),
						bundle.Shell("mount -t tmpfs t /m/in; mount -t tmpfs t /m/sub/in; mount -t tmpfs t /tmp; echo ready; sleep 100"))
					if inside != "mounts of the payload" {
						spec := bundle.Base()
						spec.Mounts = append(spec.Mounts, m)
						bundle.Mount("/m/in", "tmpfs", "tmpfs")(spec)
						bundle.Mount("/m/sub/in", "tmpfs", "tmpfs")(spec)
						bundle.Shell("echo ready; sleep 100")(spec)
						if inside == "a shared root" {
							spec.Linux.RootfsPropagation = "rshared"
							spec.Mounts = append(spec.Mounts[:len(spec.Mounts)-2], spec.Mounts[len(spec.Mounts)-2])
						}
						b.Write(spec)
					}
					before := b.Raw("/proc/self/mountinfo")
					if r := b.Run("--detach"); r.Status != 0 {
						t.Fatalf("status %d, %s", r.Status, r.Stderr)
					}
					if !bundle.Eventually(func() bool { return b.Output(0) == "ready\n" }) {
						t.Errorf("printed %q", b.Output(0))
					}
					if now := b.Raw("/proc/self/mountinfo"); now != before {
						t.Errorf("the host's mounts:\n%s\nbefore:\n%s", now, before)
					}
				})
			}
		}
	}
}
