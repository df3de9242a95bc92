// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// mounted runs the probe with one more mount and returns that on /m.
func mounted(t *testing.T, kind, source string, options ...string) *bundle.MountPoint {
	t.Helper()
	b := bundle.New(t, bundle.Probe(), bundle.Mount("/m", kind, source, options...))
	m := b.Report().Mount("/m")
	if m == nil {
		t.Fatalf("nothing is mounted on /m")
	}
	return m
}

// spec: mounts[].options, mounts[].source
func TestTmpfsOptionsReachTheKernel(t *testing.T) {
	m := mounted(t, "tmpfs", "tmpfs", "nosuid", "nodev", "noexec", "mode=0710", "size=64k", "nr_inodes=7", "uid=3", "gid=4")
	for _, want := range []string{"nosuid", "nodev", "noexec", "rw", "mode=710", "size=64k", "nr_inodes=7", "uid=3", "gid=4"} {
		if !m.Has(want) {
			t.Errorf("no %s: %+v", want, m)
		}
	}
	if m.Type != "tmpfs" || m.Source != "tmpfs" {
		t.Errorf("%+v", m)
	}
}

// spec: mounts[].options
func TestEveryMountFlagIsSetAndItsOppositeClearsIt(t *testing.T) {
	for _, c := range []struct {
		options string
		has     string
		lacks   string
	}{
		{"ro", "ro", "rw"}, {"ro,rw", "rw", "ro"}, {"rw,ro", "ro", "rw"},
		{"nosuid", "nosuid", ""}, {"nosuid,suid", "", "nosuid"},
		{"nodev", "nodev", ""}, {"nodev,dev", "", "nodev"},
		{"noexec", "noexec", ""}, {"noexec,exec", "", "noexec"},
		{"noatime", "noatime", "relatime"}, {"noatime,atime", "relatime", "noatime"},
		{"strictatime", "", "relatime"}, {"relatime", "relatime", "noatime"},
		{"nodiratime", "nodiratime", ""}, {"nodiratime,diratime", "", "nodiratime"},
		{"sync", "sync", ""}, {"sync,async", "", "sync"},
		{"dirsync", "dirsync", ""}, {"defaults", "rw", "ro"},
	} {
		t.Run(c.options, func(t *testing.T) {
			if c.options == "defaults" {
				bundle.NeedCorten(t) // Debian's runc hands it to the file system
			}
			m := mounted(t, "tmpfs", "tmpfs", strings.Split(c.options, ",")...)
			if c.has != "" && !m.Has(c.has) {
				t.Errorf("lacks %s: %+v", c.has, m)
			}
			if c.lacks != "" && slices.Contains(m.Options, c.lacks) {
				t.Errorf("has %s: %+v", c.lacks, m)
			}
		})
	}
}

// spec: mounts[].options
func TestNosymfollowIsSet(t *testing.T) {
	bundle.NeedCorten(t) // newer than Debian's runc
	if m := mounted(t, "tmpfs", "tmpfs", "nosymfollow"); !m.Has("nosymfollow") {
		t.Errorf("%+v", m)
	}
}

// spec: mounts[].source, mounts[].destination
func TestABindShowsTheSource(t *testing.T) {
	b := bundle.New(t)
	dir := b.Volume("v", "hello", "world\n")
	b = bundle.New(t, bundle.Shell("cat /m/hello; echo changed >/m/hello"), bundle.Mount("/m", "bind", dir, "bind"))
	if out := b.RunOK(); out != "world\n" {
		t.Errorf("printed %q", out)
	}
	if got := b.Text(dir + "/hello"); got != "changed" {
		t.Errorf("the source has %q", got)
	}
}

// spec: mounts[].destination
func TestABindOfAFileMakesItsTarget(t *testing.T) {
	b := bundle.New(t)
	dir := b.Volume("v", "hello", "world\n")
	b = bundle.New(t, bundle.Shell("cat /a/b/c"), bundle.Mount("/a/b/c", "bind", dir+"/hello", "bind", "ro"))
	if out := b.RunOK(); out != "world\n" {
		t.Errorf("printed %q", out)
	}
}

// spec: mounts[].options
func TestAReadOnlyBindCannotBeWritten(t *testing.T) {
	b := bundle.New(t)
	dir := b.Volume("v", "hello", "world\n")
	b = bundle.New(t, bundle.Shell("probe open-write /m/hello; probe create /m/new"),
		bundle.Mount("/m", "bind", dir, "rbind", "ro", "nosuid"))
	if out := b.Run().Stdout; out != "EROFS\nEROFS\n" {
		t.Errorf("printed %q", out)
	}
}

// tree is a directory with a tmpfs on its sub.
func tree(t *testing.T) string {
	t.Helper()
	dir := bundle.New(t).Volume("tree")
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("sub", sub, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(sub, unix.MNT_DETACH) })
	return dir
}

// spec: mounts[].options
func TestRbindTakesWhatIsMountedBelowAndBindDoesNot(t *testing.T) {
	dir := tree(t)
	for option, below := range map[string]bool{"bind": false, "rbind": true} {
		b := bundle.New(t, bundle.Probe(), bundle.Mount("/m", "bind", dir, option))
		if got := b.Report().Mount("/m/sub") != nil; got != below {
			t.Errorf("%s: mounted below: %v", option, got)
		}
	}
}

// spec: mounts[].options
func TestRecursiveAttributesReachMountsBelow(t *testing.T) {
	bundle.NeedCorten(t)
	dir := tree(t)
	for option, want := range map[string]string{"rro": "ro", "rnosuid": "nosuid", "rnodev": "nodev", "rnoexec": "noexec",
		"rnoatime": "noatime", "rnodiratime": "nodiratime", "rnosymfollow": "nosymfollow"} {
		b := bundle.New(t, bundle.Probe(), bundle.Mount("/m", "bind", dir, "rbind", option))
		r := b.Report()
		for _, path := range []string{"/m", "/m/sub"} {
			if m := r.Mount(path); m == nil || !slices.Contains(m.Options, want) {
				t.Errorf("%s: %s is %+v", option, path, m)
			}
		}
	}
}

// spec: mounts[].options
func TestRoOfAnRbindIsForItsTopOnly(t *testing.T) {
	dir := tree(t)
	b := bundle.New(t, bundle.Probe(), bundle.Mount("/m", "bind", dir, "rbind", "ro"))
	r := b.Report()
	if top, sub := r.Mount("/m"), r.Mount("/m/sub"); !slices.Contains(top.Options, "ro") || !slices.Contains(sub.Options, "rw") {
		t.Errorf("top %+v, below %+v", top, sub)
	}
}

// spec: mounts[].options
func TestPropagationIsAsAsked(t *testing.T) {
	dir := bundle.New(t).Volume("v")
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	for option, want := range map[string]string{"rprivate": "", "private": "", "rslave": "master:", "slave": "master:",
		"rshared": "shared:", "shared": "shared:", "unbindable": "unbindable", "runbindable": "unbindable"} {
		b := bundle.New(t, bundle.Probe(), bundle.Mount("/m", "bind", dir, "rbind", option))
		m := b.Report().Mount("/m")
		if got := strings.Join(m.Propagation, " "); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q", option, got)
		}
	}
}

// spec: mounts[].type
func TestEveryFileSystemOfTheIssueCanBeMounted(t *testing.T) {
	b := bundle.New(t)
	lower, upper, work := b.Volume("lower", "f", "below\n"), b.Volume("upper"), b.Volume("work")
	b = bundle.New(t, bundle.Probe(),
		bundle.Mount("/overlay", "overlay", "overlay", "lowerdir="+lower+",upperdir="+upper+",workdir="+work),
		bundle.Mount("/ramfs", "ramfs", "ramfs"))
	r := b.Report()
	for path, kind := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "tmpfs", "/dev/pts": "devpts",
		"/dev/mqueue": "mqueue", "/dev/shm": "tmpfs", "/overlay": "overlay", "/ramfs": "ramfs"} {
		if m := r.Mount(path); m == nil || m.Type != kind {
			t.Errorf("%s: %+v, want %s", path, m, kind)
		}
	}
	if m := r.Mount("/dev/pts"); !m.Has("mode=620") || !m.Has("gid=5") || !m.Has("ptmxmode=666") {
		t.Errorf("%+v", m)
	}
}

// spec: mounts[].type
func TestTheCgroupMountShowsTheContainersCgroups(t *testing.T) {
	for _, view := range bundle.Views() {
		t.Run(view.String(), func(t *testing.T) {
			b := bundle.New(t, bundle.Shell("cat /sys/fs/cgroup/cgroup.procs 2>/dev/null || cat /sys/fs/cgroup/pids/cgroup.procs;"+
				"probe create /sys/fs/cgroup/x"), bundle.Namespace(specs.CgroupNamespace, ""))
			b.View = view
			if out := b.Run().Stdout; !strings.HasPrefix(out, "1\n") || strings.HasSuffix(out, "ok\n") {
				t.Errorf("cgroup.procs and creating a file: %q", out)
			}
		})
	}
}

// spec: root.path
func TestTheRootIsWhereverThePathSays(t *testing.T) {
	for name, path := range map[string]func(b *bundle.Bundle) string{
		"relative":  func(*bundle.Bundle) string { return "rootfs" },
		"with dots": func(*bundle.Bundle) string { return "./x/../rootfs/" },
		"absolute":  func(b *bundle.Bundle) string { return b.Rootfs() },
		"a link":    func(*bundle.Bundle) string { return "link" },
		"elsewhere": func(b *bundle.Bundle) string { return filepath.Join(b.Home, "moved") },
	} {
		t.Run(name, func(t *testing.T) {
			b := bundle.New(t)
			spec := bundle.Base()
			bundle.Shell("cat /etc/mark")(spec)
			spec.Root.Path = path(b)
			b.Write(spec)
			for _, err := range []error{os.WriteFile(b.Rootfs("etc/mark"), []byte("here\n"), 0o644), os.Symlink("rootfs", filepath.Join(b.Dir, "link")),
				os.Mkdir(filepath.Join(b.Dir, "x"), 0o755)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			if name == "elsewhere" {
				if err := os.Rename(b.Rootfs(), spec.Root.Path); err != nil {
					t.Fatal(err)
				}
			}
			if out := b.RunOK(); out != "here\n" {
				t.Errorf("printed %q", out)
			}
		})
	}
	b := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) { s.Root.Path = "no-such-root" })
	if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "no-such-root") {
		t.Errorf("status %d, %s", r.Status, r.Stderr)
	}
}

// spec: root.readonly
func TestTheRootIsReadOnlyWhenAsked(t *testing.T) {
	b := bundle.New(t, bundle.Shell("probe create /x; probe create /dev/x; probe open-write /etc/passwd"),
		func(s *specs.Spec) { s.Root.Readonly = true })
	if out := b.Run().Stdout; out != "EROFS\nok\nEROFS\n" {
		t.Errorf("printed %q", out)
	}
}

// The tests' host has shared mounts only, so the root, a clone, is a slave if
// nothing is asked. Another mount of the host is below it.
//
// spec: linux.rootfsPropagation
func TestRootfsPropagationIsAsAsked(t *testing.T) {
	bundle.NeedCorten(t) // Debian's runc leaves shared private
	for option, want := range map[string]string{"": "master:", "private": "", "rprivate": "", "slave": "master:", "rslave": "master:",
		"shared": "shared:", "rshared": "shared:", "unbindable": "unbindable", "runbindable": "unbindable"} {
		t.Run(option, func(t *testing.T) {
			b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Linux.RootfsPropagation = option })
			if err := os.Mkdir(b.Rootfs("below"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount("below", b.Rootfs("below"), "tmpfs", 0, ""); err != nil {
				t.Fatal(err)
			}
			defer unix.Unmount(b.Rootfs("below"), unix.MNT_DETACH)
			r := b.Report()
			for path, want := range map[string]string{"/": want, "/below": map[bool]string{true: want, false: "master:"}[strings.HasPrefix(option, "r")]} {
				got := strings.Join(r.Mount(path).Propagation, " ")
				if !strings.HasPrefix(got, want) || want == "" && got != "" {
					t.Errorf("%s: %q, want %q", path, got, want)
				}
			}
		})
	}
}

func TestNoMountComesOutOfTheContainer(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"), bundle.Mount("/m", "tmpfs", "tmpfs"), bundle.Mount("/n", "bind", "/usr", "rbind", "rprivate"))
	before := b.Text("/proc/self/mountinfo")
	b.Detach()
	if now := b.Text("/proc/self/mountinfo"); now != before {
		t.Errorf("mounts of the host while the container runs:\n%s\nbefore:\n%s", now, before)
	}
}

// spec: mounts[].destination
// cve: CVE-2024-0132
func TestMountsOnSymlinksStayInTheRoot(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), bundle.Mount("/link/x", "tmpfs", "tmpfs"))
	canary := b.Canary()
	if err := os.Symlink(canary.Dir, b.Rootfs("link")); err != nil {
		t.Fatal(err)
	}
	r := b.Report()
	if r.Mount(canary.Dir+"/x") == nil {
		t.Error("an absolute symlink does not lead to the same path in the root")
	}
	canary.Check()
}

func TestNoPivotRunsAsWell(t *testing.T) {
	b := bundle.New(t, bundle.Shell("echo $$; ls /"))
	if out := b.RunOK("--no-pivot"); !strings.HasPrefix(out, "1\nbin\n") {
		t.Errorf("printed %q", out)
	}
}
