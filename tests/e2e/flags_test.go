// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// shown are the words of mountinfo that a flag of a mount can change.
var shown = []string{"ro", "rw", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "nosymfollow"}

// flagsOf is what mountinfo shows of a mount's flags.
func flagsOf(m *bundle.MountPoint) string {
	if m == nil {
		return "no mount"
	}
	var list []string
	for _, s := range shown {
		if slices.Contains(m.Options, s) {
			list = append(list, s)
		}
	}
	return strings.Join(list, " ")
}

// flagged is a host mount with another below it, both with the flags.
func flagged(t *testing.T, attr uint64) string {
	t.Helper()
	dir := bundle.New(t).Volume("flagged")
	sub := filepath.Join(dir, "sub")
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", sub, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	set := unix.MountAttr{Attr_set: attr, Attr_clr: unix.MOUNT_ATTR__ATIME}
	if err := unix.MountSetattr(unix.AT_FDCWD, dir, unix.AT_RECURSIVE, &set); err != nil {
		t.Fatal(err)
	}
	return dir
}

const allFlags = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC |
	unix.MOUNT_ATTR_NODIRATIME | unix.MOUNT_ATTR_NOSYMFOLLOW

// Each option on a bind of two mounts, one below the other: what a plain one
// does to the upper, the recursive one does to both.
//
// spec: mounts[].options
func TestEveryFlagOfABindAndItsRecursiveForm(t *testing.T) {
	bundle.NeedCorten(t)
	none := flagged(t, 0)
	all := flagged(t, allFlags)
	noatime := flagged(t, unix.MOUNT_ATTR_NOATIME)
	strict := flagged(t, unix.MOUNT_ATTR_STRICTATIME)
	const had, have = "rw relatime", "ro nosuid nodev noexec nodiratime relatime nosymfollow"
	without := func(flag string) string { return strings.TrimSpace(strings.Replace(" "+have, " "+flag+" ", " ", 1)) }
	for _, c := range []struct{ option, source, before, after string }{
		{"ro", none, had, "ro relatime"}, {"rw", all, have, strings.Replace(have, "ro", "rw", 1)},
		{"nosuid", none, had, "rw nosuid relatime"}, {"suid", all, have, without("nosuid")},
		{"nodev", none, had, "rw nodev relatime"}, {"dev", all, have, without("nodev")},
		{"noexec", none, had, "rw noexec relatime"}, {"exec", all, have, without("noexec")},
		{"nodiratime", none, had, "rw nodiratime relatime"}, {"diratime", all, have, without("nodiratime")},
		{"nosymfollow", none, had, "rw relatime nosymfollow"}, {"symfollow", all, have, strings.TrimSuffix(have, " nosymfollow")},
		{"noatime", none, had, "rw noatime"}, {"atime", noatime, "rw noatime", had},
		{"relatime", noatime, "rw noatime", had}, {"norelatime", none, had, "rw"},
		{"strictatime", none, had, "rw"}, {"nostrictatime", strict, "rw", had},
	} {
		for _, prefix := range []string{"", "r"} {
			t.Run(prefix+c.option, func(t *testing.T) {
				b := bundle.New(t, bundle.Probe(), bundle.Mount("/m", "bind", c.source, "rbind", prefix+c.option))
				r, below := b.Report(), c.before
				if prefix == "r" {
					below = c.after
				}
				if top, sub := flagsOf(r.Mount("/m")), flagsOf(r.Mount("/m/sub")); top != c.after || sub != below {
					t.Errorf("top %q, want %q; below %q, want %q", top, c.after, sub, below)
				}
			})
		}
	}
}

// spec: mounts[].options
func TestFlagsOfTheFileSystemReachIt(t *testing.T) {
	bundle.NeedCorten(t)
	for options, want := range map[string]string{
		"sync": "sync", "dirsync": "dirsync", "lazytime": "lazytime", "mand": "mand",
		"sync,async": "", "lazytime,nolazytime": "", "mand,nomand": "",
		"iversion": "", "noiversion": "", "silent": "", "loud": "", "defaults": "",
	} {
		t.Run(options, func(t *testing.T) {
			m := mounted(t, "tmpfs", "tmpfs", strings.Split(options, ",")...)
			for _, flag := range []string{"sync", "dirsync", "lazytime", "mand"} {
				if got := slices.Contains(m.Super, flag); got != (flag == want) {
					t.Errorf("%s: %v of %v", flag, got, m.Super)
				}
			}
		})
	}
}

// Recursive attributes on a mount that is alone are those of the mount,
// whatever its type.
//
// spec: mounts[].options, mounts[].type
func TestRecursiveAttributesOfNewMounts(t *testing.T) {
	bundle.NeedCorten(t)
	for _, kind := range []string{"tmpfs", "ramfs", "proc", "sysfs", "devpts", "mqueue", "cgroup"} {
		for _, c := range [][2]string{{"rro", "ro"}, {"ro,rrw", "rw"}, {"rnosuid,rnodev,rnoexec", "nosuid"}, {"rnoatime", "noatime"}, {"nosuid,rsuid,rnosymfollow", "nosymfollow"}} {
			t.Run(kind+" "+c[0], func(t *testing.T) {
				if kind == "proc" && c[1] == "nosymfollow" {
					t.Skip("/proc/self is a link: nothing could be seen")
				}
				if kind == "cgroup" && c[0] == "ro,rrw" {
					t.Skip("without a cgroup namespace a cgroup mount is always read-only")
				}
				at := "/m"
				edits := []bundle.Edit{bundle.Probe()}
				if kind == "proc" {
					at = "/proc"
					edits = append(edits, bundle.WithoutMount("/proc"))
				}
				b := bundle.New(t, append(edits, bundle.Mount(at, kind, kind, strings.Split(c[0], ",")...))...)
				m := b.Report().Mount(at)
				if m == nil || !slices.Contains(m.Options, c[1]) || strings.HasPrefix(c[0], "nosuid,rsuid") && slices.Contains(m.Options, "nosuid") {
					t.Errorf("%+v, want %s", m, c[1])
				}
			})
		}
	}
}
