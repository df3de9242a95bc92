// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// linked is a volume with a file, a directory and links to them.
func linked(t *testing.T) string {
	t.Helper()
	dir := bundle.New(t).Volume("v", "file", "text\n")
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "dir"), 0o755),
		os.Symlink("file", filepath.Join(dir, "tofile")),
		os.Symlink(dir+"/dir", filepath.Join(dir, "todir")),
		os.Symlink("/no/where", filepath.Join(dir, "dangling")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// spec: mounts[].options, mounts[].source, mounts[].destination
func TestLinksAreCopiedOrMountedAsAsked(t *testing.T) {
	bundle.NeedCorten(t) // crun's options
	dir := linked(t)
	for _, c := range []struct {
		name, source, options string
		target                string // what is at /m before: a path to link to; "" nothing, "file" a file
		script, want          string // want "": an error
		err                   string
	}{
		{"a link is followed", "tofile", "bind", "", "probe stat /m | cut -c1-6; cat /m", "100644\ntext\n", ""},
		{"a dangling link", "dangling", "bind", "", "true", "", "no such file"},
		{"copied", "tofile", "bind,copy-symlink", "", "readlink /m", "file\n", ""},
		{"copied, absolute", "todir", "rbind,ro,copy-symlink", "", "readlink /m", dir + "/dir\n", ""},
		{"copied, dangling", "dangling", "bind,copy-symlink", "", "readlink /m", "/no/where\n", ""},
		{"copied, the same is there", "tofile", "bind,copy-symlink", "file", "readlink /m", "file\n", ""},
		{"copied, another is there", "tofile", "bind,copy-symlink", "fil", "", "", "file exists"},
		{"copied, a longer one is there", "tofile", "bind,copy-symlink", "filex", "", "", "file exists"},
		{"copied, a file is there", "tofile", "bind,copy-symlink", "FILE", "", "", "file exists"},
		{"copied, no link", "file", "bind,copy-symlink", "", "probe stat /m | cut -c1-6; cat /m", "100644\ntext\n", ""},
		{"copied, missing", "missing", "bind,copy-symlink", "", "", "", "no such file"},
		{"source not followed", "tofile", "bind,src-nofollow", "", "readlink /m; probe stat /m | cut -c1-6", "file\n120777\n", ""},
		{"source not followed, dangling", "dangling", "bind,src-nofollow", "", "readlink /m", "/no/where\n", ""},
		{"source not followed, no link", "file", "bind,src-nofollow", "", "cat /m", "text\n", ""},
		{"destination followed", "file", "bind", "/other", "readlink /m; cat /other", "/other\ntext\n", ""},
		{"destination not followed", "file", "bind,dest-nofollow", "/other", "probe stat /m | cut -c1-6; cat /m; ls /other 2>&1 | wc -l", "100644\ntext\n1\n", ""},
		{"destination not followed, missing", "dir", "bind,dest-nofollow", "", "probe stat /m | cut -c1-5", "40755\n", ""},
		{"a directory on a link", "dir", "bind,dest-nofollow", "/other", "", "", "not a directory"},
		{"neither followed", "dangling", "bind,src-nofollow,dest-nofollow", "/other", "readlink /m", "/no/where\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.New(t, bundle.Mount("/m", "bind", filepath.Join(dir, c.source), strings.Split(c.options, ",")...), bundle.Shell(c.script))
			var err error
			switch c.target {
			case "":
			case "FILE":
				err = os.WriteFile(b.Rootfs("m"), []byte("file"), 0o644)
			default:
				err = os.Symlink(c.target, b.Rootfs("m"))
			}
			if err != nil {
				t.Fatal(err)
			}
			r := b.Run()
			if r.Stdout != c.want || (r.Status == 0) != (c.err == "") {
				t.Errorf("status %d, got %q, want %q\n%s", r.Status, r.Stdout, c.want, r.Stderr)
			}
			if c.err != "" && (!strings.Contains(r.Stderr, c.err) || !strings.Contains(r.Stderr, "/mounts/7/")) {
				t.Errorf("error %q, want %q", r.Stderr, c.err)
			}
		})
	}
}

// spec: mounts[].source, mounts[].destination
func TestRelativePathsBeginInTheBundleAndTheRoot(t *testing.T) {
	b := bundle.New(t, bundle.Mount("some/where", "bind", "beside", "bind"), bundle.Mount("./a/../b", "tmpfs", "tmpfs"),
		bundle.Shell("cat /some/where; mount | grep -c ' /b '"))
	if err := os.WriteFile(filepath.Join(b.Dir, "beside"), []byte("beside\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := b.Corten("--debug", "run", "--bundle", b.Dir, b.ID)
	if r.Stdout != "beside\n1\n" {
		t.Errorf("status %d, printed %q\n%s", r.Status, r.Stdout, r.Stderr)
	}
	if bundle.IsCorten(t) && !strings.Contains(r.Stderr, `/mounts/7/destination: "some/where" is not absolute`) {
		t.Errorf("no warning, but %q", r.Stderr)
	}
}

// spec: mounts[].source
func TestAMissingSourceIsNamed(t *testing.T) {
	b := bundle.New(t, bundle.Args("true"), bundle.Mount("/m", "bind", "/no/such/source", "bind"))
	if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "/no/such/source") || !strings.Contains(r.Stderr, "no such file or directory") {
		t.Errorf("status %d, %s", r.Status, r.Stderr)
	}
	if bundle.IsCorten(t) {
		if r := b.Run(); !strings.Contains(r.Stderr, "config.json#/mounts/7/source: ") {
			t.Errorf("%s", r.Stderr)
		}
	}
}

// Docker gives 126, a command's fault, when the text has "is a directory".
//
// spec: mounts[].destination
func TestAFileAndADirectoryAreNotBoundOnEachOther(t *testing.T) {
	dir := bundle.New(t).Volume("v", "file", "text\n")
	for source, target := range map[string]string{dir + "/file": "/etc", dir: "/etc/file"} {
		b := bundle.New(t, bundle.Args("true"), bundle.Mount(target, "bind", source, "bind"))
		if err := os.WriteFile(b.Rootfs("etc", "file"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		r := b.Run()
		if r.Status == 0 || !strings.Contains(r.Stderr, "not a directory") || strings.Contains(r.Stderr, "is a directory") {
			t.Errorf("%s on %s: status %d, %s", source, target, r.Status, r.Stderr)
		}
	}
}

// spec: mounts[].options
func TestABindWithOptionsOfAFileSystemIsRefused(t *testing.T) {
	dir := bundle.New(t).Volume("v")
	for _, option := range []string{"size=1m", "mode=755", "uid=3", "context=a:b:c", "rsync"} {
		b := bundle.New(t, bundle.Args("true"), bundle.Mount("/m", "bind", dir, "ro", option, "rbind"))
		if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "bind mounts cannot have any filesystem-specific options applied") {
			t.Errorf("%s: status %d, %s", option, r.Status, r.Stderr)
		}
	}
}

// spec: mounts[].destination
func TestMountsNestInTheirOrder(t *testing.T) {
	b := bundle.New(t)
	one, two := b.Volume("one", "f", "one\n"), b.Volume("two", "f", "two\n")
	b = bundle.New(t, bundle.Mount("/a", "bind", one, "bind"), bundle.Mount("/a/b", "tmpfs", "tmpfs"), bundle.Mount("/a/b/c", "bind", two, "bind"),
		bundle.Mount("/a/b/c/f", "bind", filepath.Join(one, "f"), "bind"), bundle.Mount("/z/y", "bind", one, "bind"), bundle.Mount("/z", "tmpfs", "tmpfs"),
		bundle.Shell("cat /a/f /a/b/c/f; ls -A /z | wc -l"))
	if out := b.RunOK(); out != "one\none\n0\n" {
		t.Errorf("printed %q", out)
	}
	if info, err := os.Stat(filepath.Join(one, "b")); err != nil || !info.IsDir() {
		t.Error("the mount point below the first volume was not made")
	}
}

// spec: mounts[].options
func TestARemountChangesTheFlagsOfAMount(t *testing.T) {
	b := bundle.New(t)
	dir := b.Volume("v", "f", "text\n")
	b = bundle.New(t, bundle.Probe(), bundle.Mount("/m", "bind", dir, "bind", "nosuid"), bundle.Mount("/m", "", "", "remount", "bind", "ro", "noexec"),
		bundle.Mount("/t", "tmpfs", "tmpfs", "ro"), bundle.Mount("/t", "tmpfs", "", "remount", "nodev"))
	r := b.Report()
	if m := r.Mount("/m"); !m.Has("nosuid") || !m.Has("noexec") || m.Options[0] != "ro" {
		t.Errorf("%+v", m)
	}
	if m := r.Mount("/t"); !m.Has("nodev") {
		t.Errorf("%+v", m)
	}
}

// lowers makes n directories, each with a file of its name.
func lowers(t *testing.T, b *bundle.Bundle, n int) (list []string) {
	t.Helper()
	for i := range n {
		name := fmt.Sprintf("lower-with-a-name-that-is-rather-long-%03d", i)
		list = append(list, b.Volume(name, fmt.Sprint("f", i), ""))
	}
	return list
}

// spec: mounts[].options, mounts[].type
func TestOverlayTakesMoreLowerDirectoriesThanAPageHasNamesOf(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t)
	list := lowers(t, b, 120)
	odd := b.Volume(`odd:na\me`, "odd", "")
	data := b.Volume("data", "hidden", "")
	all := strings.Join(append(list, strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(odd)), ":")
	if len(all) < 4096 {
		t.Fatal("too short to show anything")
	}
	b = bundle.New(t, bundle.Mount("/m", "overlay", "overlay", "lowerdir="+all), bundle.Mount("/n", "overlay", "overlay", "metacopy=on", "lowerdir="+all+"::"+data),
		bundle.Shell("ls /m | wc -l; ls /m/odd /m/f119; ls /n | wc -l"))
	r := b.Run()
	if strings.Contains(r.Stderr, "Unknown parameter 'lowerdir+'") || strings.Contains(r.Stderr, "VFS: Legacy:") {
		t.Skip("lowerdir+ needs Linux 6.7")
	}
	if r.Stdout != "121\n/m/f119\n/m/odd\n121\n" {
		t.Errorf("printed %q\n%s", r.Stdout, r.Stderr)
	}
}

// spec: mounts[].options
func TestAnRBindOfSysIsReadOnlyWithItsCgroups(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.WithoutMount("/sys", "/sys/fs/cgroup"), bundle.Mount("/sys", "bind", "/sys", "rbind", "ro"),
		bundle.Shell("for d in $(awk '{print $5}' /proc/self/mountinfo | grep ^/sys); do mkdir $d/x 2>&1 | grep -v Read-only; done; mount | grep -c cgroup"))
	r := b.Run()
	if strings.Contains(r.Stdout, "mkdir") || strings.TrimSpace(r.Stdout) == "0" {
		t.Errorf("printed %q", r.Stdout)
	}
	if unix.Access("/sys/fs/cgroup/x", 0) == nil {
		t.Error("a cgroup was made")
	}
}
