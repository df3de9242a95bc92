// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

const softNode = " (may fail with EEXIST)"

func withDevices(devices ...specs.LinuxDevice) *specs.Spec {
	spec := box(dev)
	spec.Linux.Devices = devices
	return spec
}

func mode(m uint32) *os.FileMode { return new(os.FileMode(m)) }

func TestEveryContainerHasTheDefaultDevicesOnce(t *testing.T) {
	calls := mustBuild(t, withDevices(), Facts{}).calls("devices")
	for name, number := range map[string]string{"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"} {
		if !slices.Contains(calls, `mknodat s2 "`+name+`" character device 0666 `+number+softNode) {
			t.Errorf("no %s in %q", name, calls)
		}
	}
	if n := count(calls, "mknodat"); n != 6 {
		t.Errorf("%d nodes", n)
	}
	for _, want := range []string{`symlinkat "/proc/self/fd" s2 "fd"`, `symlinkat "/proc/self/fd/2" s2 "stderr"`, `symlinkat "/proc/kcore" s2 "core"`, `symlinkat "pts/ptmx" s2 "ptmx"`} {
		if index(calls, 0, want) < 0 {
			t.Errorf("no %s", want)
		}
	}
	if un := index(calls, 0, `unlinkat s2 "ptmx"`); un < 0 || un > index(calls, 0, `symlinkat "pts/ptmx"`) {
		t.Error("ptmx is linked before the old one is gone")
	}
}

func TestAConfiguredDeviceStandsForTheDefaultOne(t *testing.T) {
	p := mustBuild(t, withDevices(
		specs.LinuxDevice{Path: "/dev//null", Type: "c", Major: 1, Minor: 3, FileMode: mode(0o100600), UID: new(uint32(5))},
		specs.LinuxDevice{Path: "/dev/loop", Type: "b", Major: 7, Minor: 300, GID: new(uint32(6))},
		specs.LinuxDevice{Path: "/dev/pipe", Type: "p", Major: 9, Minor: 9},
		specs.LinuxDevice{Path: "/dev/raw", Type: "u", Major: 4, Minor: 64},
		specs.LinuxDevice{Path: "/opt/dev/node", Type: "c", Major: 1, Minor: 1}), Facts{})
	calls := p.calls("devices")
	for _, want := range []string{`mknodat s2 "null" character device 0600 1:3` + softNode, `fchownat s2 "null" 5 0`, `mknodat s2 "loop" block device 0666 7:300` + softNode, `fchownat s2 "loop" 0 6`,
		`mknodat s2 "pipe" fifo 0666 0:0` + softNode, `mknodat s2 "raw" character device 0666 4:64` + softNode, `target s0 "opt/dev" 040755 → s1`, `mknodat s1 "node" character device 0666 1:1` + softNode} {
		if !slices.Contains(calls, want) {
			t.Errorf("no %s in\n%s", want, strings.Join(calls, "\n"))
		}
	}
	if n := count(calls, "mknodat"); n != 5+5 {
		t.Errorf("%d nodes", n)
	}
	for i, s := range p.Steps {
		if s.Op == plan.OpMknodat && s.Args[1] == "node" && s.At.String() != "/linux/devices/4" {
			t.Errorf("step %d comes from %s", i, s.At)
		}
	}
}

func TestADeviceThatIsThereMustBeTheSame(t *testing.T) {
	p := mustBuild(t, withDevices(
		specs.LinuxDevice{Path: "/dev/x", Type: "c", Major: 1, Minor: 3},
		specs.LinuxDevice{Path: "/dev/x", Type: "b", Major: 8, Minor: 1}), Facts{})
	want := []uint64{unix.S_IFCHR, unix.Mkdev(1, 3), unix.S_IFBLK, unix.Mkdev(8, 1)}
	var got []uint64
	for i, s := range p.Steps {
		if s.Op != plan.OpMknodat || s.Args[1] != "x" {
			continue
		}
		open, check := p.Steps[i+1], p.Steps[i+2]
		if open.Op != plan.OpOpenat2 || !open.Else || check.Op != plan.OpCheck || open.Args[5] != check.Args[0] || !strings.Contains(open.Call(), "O_NOFOLLOW") {
			t.Errorf("after %s: %s, %s", s.Call(), open.Call(), check.Call())
		}
		got = append(got, check.Args[1].(uint64), check.Args[2].(uint64))
	}
	if !slices.Equal(got, want) {
		t.Errorf("checked: %#x", got)
	}
}

func TestInAUserNamespaceDevicesAreInputsCheckedBeforeTheyAreBound(t *testing.T) {
	p := mustBuild(t, withDevices(specs.LinuxDevice{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}, specs.LinuxDevice{Path: "/dev/pipe", Type: "p"}), Facts{UserNS: true, Mapped: true})
	var paths []string
	for i, in := range p.Inputs[1:] {
		slot := plan.Slot(i + 1)
		paths = append(paths, in.Path)
		if in.Kind != plan.KindTree || in.Tree {
			t.Errorf("%+v", in)
		}
		calls := p.calls("devices")
		check, move := index(calls, 0, "check "+slot.String()+" character device "), index(calls, 0, "move_mount "+slot.String()+" ")
		if check < 0 || move < check || index(calls, move, "close "+slot.String()) < 0 {
			t.Errorf("%s: checked at %d, bound at %d", in.Path, check, move)
		}
	}
	if want := []string{"/dev/fuse", "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}; !slices.Equal(paths, want) {
		t.Errorf("inputs %q", paths)
	}
	for _, s := range p.Steps {
		if s.Op == plan.OpMknodat && s.Args[2] != uint64(unix.S_IFREG|0o666) && s.Args[2] != uint64(unix.S_IFIFO|0o666) {
			t.Errorf("%s is not permitted there", s.Call())
		}
	}
}

func TestNothingIsMadeInADevOfTheHost(t *testing.T) {
	for _, m := range []specs.Mount{{Destination: "/dev", Type: "bind", Source: "/dev"}, {Destination: "dev/", Source: "/dev", Options: []string{"rbind", "ro"}}} {
		p := mustBuild(t, box(m), Facts{UserNS: true, Mapped: true})
		if calls := p.calls("devices"); len(calls) != 0 || len(p.Inputs) != 2 {
			t.Errorf("%d inputs, %q", len(p.Inputs), calls)
		}
	}
	over := mustBuild(t, box(specs.Mount{Destination: "/dev", Type: "bind", Source: "/dev"}, dev), Facts{})
	if len(over.calls("devices")) == 0 {
		t.Error("a tmpfs over a bind mount at /dev has no devices")
	}
}

func TestWithoutAMountAtDevItIsNoLink(t *testing.T) {
	calls := mustBuild(t, box(), Facts{}).calls("devices")
	open := index(calls, 0, `openat2 s0 "dev" `)
	if open != 0 || !strings.Contains(calls[0], "NO_SYMLINKS → s1") || index(calls, 0, `mknodat s1 "null"`) < 0 {
		t.Errorf("%q", calls[:4])
	}
}

func TestTheConsoleIsBoundAfterTheMountsAndBeforeTheMasks(t *testing.T) {
	spec := box(proc, dev, pts)
	spec.Linux.MaskedPaths, spec.Linux.ReadonlyPaths = []string{"/proc/kcore"}, []string{"/proc/sys"}
	spec.Process = &specs.Process{Terminal: true}
	p := mustBuild(t, spec, Facts{})
	var order []string
	for _, part := range p.parts {
		if len(order) == 0 || order[len(order)-1] != part {
			order = append(order, part)
		}
	}
	if want := []string{"attach", "mounts", "devices", "console", "readonly", "masked", "pivot"}; !slices.Equal(order, want) {
		t.Errorf("%q", order)
	}
	calls, dev := p.calls("console"), mounted(p, 1)
	for _, want := range []string{`openat2 s0 "dev/pts" `, "check s", `openat2 s`, "check s", "ioctl s", "ioctl_tiocgptpeer", "send_fd s1 ", "close s1", `mknodat ` + dev + ` "console" regular file 0600` + softNode,
		`openat2 ` + dev + ` "console" `, "open_tree s", "move_mount"} {
		i := index(calls, 0, want)
		if i < 0 {
			t.Fatalf("no %s in %q", want, calls)
		}
		calls = calls[i+1:]
	}
	for _, c := range p.calls("console") {
		if strings.HasPrefix(c, "openat2") && !strings.Contains(c, "NO_SYMLINKS") {
			t.Errorf("follows links: %s", c)
		}
	}
}

func TestMasksHideBehindTheHostsNullOrAnEmptyDirectory(t *testing.T) {
	spec := box(proc)
	spec.Linux.MaskedPaths = []string{"/proc/kcore", "/sys/firmware"}
	p := mustBuild(t, spec, Facts{})
	attach, masked := p.calls("attach"), p.calls("masked")
	null := index(attach, 0, `openat2 cwd "/dev/null" `)
	if null < 0 || !strings.Contains(attach[null], "NO_SYMLINKS") || attach[null+1] != "check s1 character device 1:3" || null > index(attach, 0, "move_mount") {
		t.Errorf("the null device is not the host's: %q", attach)
	}
	for i, dirName := range []string{mounted(p, 0) + ` "kcore"`, `s0 "sys/firmware"`} {
		open := index(masked, 0, "openat2 "+dirName)
		if open < 0 || !strings.HasSuffix(masked[open], "(may fail with ENOENT, ENOTDIR)") {
			t.Errorf("mask %d: %q", i, masked)
		}
	}
	for source, want := range map[string]int{"open_tree s1 ": 2, "open_tree ": 4, "mount_setattr ": 4, "move_mount ": 6, "move_mount s3 ": 2} {
		if n := count(masked, source); n != want {
			t.Errorf("%d of %s", n, source)
		}
	}
	for _, s := range p.Steps {
		if s.Op == plan.OpOpenTree && s.At.Index(0).String() == "/linux/maskedPaths/0/0" && s.When == plan.None {
			t.Errorf("%s does not depend on what the path is", s.Call())
		}
	}
}

func TestReadonlyPathsAreReadOnlyWithAllBelowBeforeTheyAreSeen(t *testing.T) {
	spec := box(proc)
	spec.Linux.ReadonlyPaths = []string{"/proc/sys"}
	got := mustBuild(t, spec, Facts{}).calls("readonly")
	want := []string{`openat2 s2 "sys" O_PATH|O_CLOEXEC IN_ROOT|NO_MAGICLINKS → s1 (may fail with ENOENT, ENOTDIR)`,
		`open_tree s1 "" OPEN_TREE_CLONE|AT_EMPTY_PATH|AT_RECURSIVE → s3`, "mount_setattr s3 AT_EMPTY_PATH|AT_RECURSIVE set RDONLY propagation MS_PRIVATE", "move_mount s3 s1", "close s1", "close s3"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
