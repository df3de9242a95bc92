// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// spec: mounts[].type
func TestDefaultDevicesAndLinksAreThere(t *testing.T) {
	b := bundle.New(t, bundle.Shell(`for d in null zero full random urandom tty; do probe stat /dev/$d; done
		for l in fd stdin stdout stderr ptmx; do echo $l $(readlink /dev/$l); done`))
	want := "20666 0:0 1:3 0\n20666 0:0 1:5 0\n20666 0:0 1:7 0\n20666 0:0 1:8 0\n20666 0:0 1:9 0\n20666 0:0 5:0 0\n" +
		"fd /proc/self/fd\nstdin /proc/self/fd/0\nstdout /proc/self/fd/1\nstderr /proc/self/fd/2\nptmx pts/ptmx\n"
	if out := b.RunOK(); out != want {
		t.Errorf("printed\n%swant\n%s", out, want)
	}
}

func devices(s *specs.Spec) {
	s.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/mine", Type: "c", Major: 1, Minor: 11, FileMode: bundle.Pointer[os.FileMode](0o640),
			UID: bundle.Pointer[uint32](3), GID: bundle.Pointer[uint32](4)},
		{Path: "/dev/deep/block", Type: "b", Major: 7, Minor: 3},
		{Path: "/dev/pipe", Type: "p", FileMode: bundle.Pointer[os.FileMode](0o600)},
		{Path: "/else/where", Type: "u", Major: 1, Minor: 5, FileMode: bundle.Pointer[os.FileMode](0o666)},
	}
}

// spec: linux.devices[].path, linux.devices[].type, linux.devices[].major, linux.devices[].minor
// spec: linux.devices[].fileMode, linux.devices[].uid, linux.devices[].gid
func TestDevicesAskedForAreMade(t *testing.T) {
	b := bundle.New(t, devices, bundle.Shell("for d in /dev/mine /dev/deep/block /dev/pipe /else/where; do probe stat $d; done"))
	out := strings.Split(b.RunOK(), "\n")
	for i, want := range []string{"20640 3:4 1:11", "60666 0:0 7:3", "10600 0:0", "20666 0:0 1:5"} {
		if !strings.HasPrefix(out[i], want) {
			t.Errorf("device %d is %q, want %q", i, out[i], want)
		}
	}
}

// In a user namespace the host's nodes are bound, as they are; a FIFO is made.
//
// spec: linux.devices[].path, linux.devices[].type, linux.devices[].major, linux.devices[].minor
// spec: linux.devices[].fileMode, linux.devices[].uid, linux.devices[].gid
func TestDevicesOfAUserNamespaceAreTheHosts(t *testing.T) {
	device := func(path, kind string, major, minor int64) specs.LinuxDevice {
		return specs.LinuxDevice{Path: path, Type: kind, Major: major, Minor: minor, FileMode: bundle.Pointer[os.FileMode](0o620),
			UID: bundle.Pointer[uint32](7), GID: bundle.Pointer[uint32](8)}
	}
	run := func(d ...specs.LinuxDevice) bundle.Result {
		b := bundle.New(t, bundle.UserNamespace(100000), bundle.WithoutMount("/sys/fs/cgroup"), func(s *specs.Spec) { s.Linux.Devices = d },
			bundle.Shell("probe stat /dev/full; probe stat /dev/null; probe stat /dev/pipe; probe stat /dev/deep/pipe; head -c 1 /dev/full | wc -c"))
		own100000(t, b)
		return b.Run()
	}
	// The host's root is nobody here.
	r := run(device("/dev/full", "c", 1, 7), device("/dev/null", "u", 1, 3), device("/dev/pipe", "p", 0, 0), device("/dev/deep/pipe", "p", 0, 0))
	if want := "20666 65534:65534 1:7 0\n20666 65534:65534 1:3 0\n10620 7:8 0:0 0\n10620 7:8 0:0 0\n1\n"; r.Stdout != want {
		t.Errorf("printed %q, want %q\n%s", r.Stdout, want, r.Stderr)
	}
	for _, d := range []specs.LinuxDevice{device("/dev/full", "c", 1, 8), device("/dev/full", "b", 1, 7), device("/dev/no-such-device", "c", 1, 7)} {
		if r := run(d); r.Status == 0 || bundle.IsCorten(t) && !strings.Contains(r.Stderr, "config.json#/linux/devices/0") {
			t.Errorf("%+v: status %d, %s", d, r.Status, r.Stderr)
		}
	}
}

// spec: linux.maskedPaths, linux.readonlyPaths
func TestMaskedPathsAreUnreadableAndReadonlyPathsReadOnly(t *testing.T) {
	b := bundle.New(t, bundle.Shell("cat /etc/secret /proc/keys; ls /hidden; probe open-write /etc/secret; probe create /hidden/x;"+
		"probe open-write /etc/fixed; probe create /frozen/x; cat /frozen/deep/f; probe open-write /proc/sys/kernel/hostname"),
		func(s *specs.Spec) {
			s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/etc/secret", "/hidden", "/not/there")
			s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, "/etc/fixed", "/frozen", "/not/there")
		})
	for _, d := range []string{"hidden", "frozen/deep"} {
		if err := os.MkdirAll(b.Rootfs(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"etc/secret", "hidden/f", "etc/fixed", "frozen/deep/f"} {
		if err := os.WriteFile(b.Rootfs(f), []byte(f+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := b.Run().Stdout
	// A masked file is the null device: writing to it does nothing.
	if want := "ok\nEROFS\nEROFS\nEROFS\nfrozen/deep/f\nEROFS\n"; out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
	if text := b.Text(b.Rootfs("etc/secret")); text != "etc/secret" {
		t.Errorf("the masked file has %q", text)
	}
}
