// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// cover fills a directory of the rootfs with a file of every kind.
func cover(t *testing.T, dir string) {
	t.Helper()
	join := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.MkdirAll(join("a/b/c"), 0o755),
		os.WriteFile(join("text"), []byte("hello\n"), 0o644),
		os.WriteFile(join("a/b/c/deep"), []byte("deep\n"), 0o600),
		os.WriteFile(join("large"), make([]byte, 300<<10), 0o644),
		os.WriteFile(join("program"), []byte("x"), 0o755),
		os.Chown(join("program"), 11, 12),
		unix.Chmod(join("program"), 0o4755),
		os.Chown(join("a/b"), 3, 4),
		unix.Chmod(join("a/b"), 0o2710),
		unix.Setxattr(join("text"), "trusted.corten", []byte("kept"), 0),
		os.Symlink("/etc/../nowhere", join("link")),
		os.Lchown(join("link"), 5, 6),
		unix.Mkfifo(join("fifo"), 0o640),
		unix.Mknod(join("device"), unix.S_IFCHR|0o604, int(unix.Mkdev(1, 3))),
		os.WriteFile(join("holes"), nil, 0o644),
		os.Truncate(join("holes"), 1<<40),
		os.Chmod(dir, 0o751),
		os.Chown(dir, 21, 22),
		os.Chtimes(join("text"), time.Unix(1e9, 0), time.Unix(1e9, 0)),
		os.Chtimes(join("a"), time.Unix(1e9, 0), time.Unix(1e9, 0)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.OpenFile(join("holes"), os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteAt([]byte("end"), 1<<40-3)
		file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// spec: mounts[].options
func TestTmpcopyupCopiesWhatTheTmpfsCovers(t *testing.T) {
	for _, readonly := range []bool{false, true} {
		options := []string{"tmpcopyup", "size=4m"}
		if readonly {
			options = append(options, "ro")
		}
		b := bundle.New(t, bundle.Mount("/data", "tmpfs", "tmpfs", options...), bundle.Shell(`cd /data
			for f in . text a/b a/b/c/deep large program link fifo device holes; do probe stat $f; done
			cat text a/b/c/deep; readlink link; tail -c 3 holes; echo; stat -c %Y text a; probe xattr text trusted.corten; probe create new; ls | wc -l`),
			bundle.Capabilities("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"))
		if err := os.Mkdir(b.Rootfs("data"), 0o755); err != nil {
			t.Fatal(err)
		}
		cover(t, b.Rootfs("data"))
		created, count := "ok", "9"
		if readonly {
			created, count = "EROFS", "8"
		}
		want := "40751 21:22 |100644 0:0 0:0 6|42710 3:4 |100600 0:0 0:0 5|100644 0:0 0:0 307200|104755 11:12 0:0 1|" +
			"120777 5:6 |10640 0:0 |20604 0:0 1:3 |100644 0:0 0:0 1099511627776|hello|deep|/etc/../nowhere|end|1000000000|1000000000|kept|" + created + "|" + count
		got := strings.Split(strings.TrimSpace(b.RunOK()), "\n")
		for i, w := range strings.Split(want, "|") {
			if i >= len(got) || !strings.HasPrefix(got[i], w) {
				t.Errorf("line %d: want %q, got %q", i, w, got)
			}
		}
		if text := b.Text(b.Rootfs("data/text")); text != "hello" {
			t.Errorf("the covered file has %q", text)
		}
	}
}

// spec: mounts[].options
func TestTmpcopyupIsBoundedByTheTmpfs(t *testing.T) {
	b := bundle.New(t, bundle.Args("true"), bundle.Mount("/data", "tmpfs", "tmpfs", "size=64k", "tmpcopyup"))
	if err := os.Mkdir(b.Rootfs("data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.Rootfs("data/large"), make([]byte, 100<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := b.Run(); r.Status == 0 || bundle.IsCorten(t) && (!strings.Contains(r.Stderr, "/mounts/7/") || !strings.Contains(r.Stderr, "no space left on device (large)")) {
		t.Errorf("status %d, %s", r.Status, r.Stderr)
	}
}

func TestTmpcopyupOfATreeWithoutEndFails(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Args("true"), bundle.Mount("/data", "tmpfs", "tmpfs", "tmpcopyup"))
	if err := os.MkdirAll(b.Rootfs("data", strings.Repeat("d/", 300)), 0o755); err != nil {
		t.Fatal(err)
	}
	if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "too many levels") {
		t.Errorf("status %d, %s", r.Status, r.Stderr)
	}
}

// What is mounted below the covered directory is not of it.
func TestTmpcopyupStaysInItsFileSystem(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t)
	outside := b.Volume("outside", "secret", "secret\n")
	b = bundle.New(t, bundle.Mount("/data/sub", "bind", outside, "bind"), bundle.Mount("/data", "tmpfs", "tmpfs", "tmpcopyup"),
		bundle.Shell("ls -A /data /data/sub; cat /data/f"))
	if err := os.MkdirAll(b.Rootfs("data/sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.Rootfs("data/f"), []byte("f\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := b.RunOK(); out != "/data:\nf\nsub\n\n/data/sub:\nf\n" {
		t.Errorf("printed %q", out)
	}
}

func TestTmpcopyupWorksInAUserNamespace(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.UserNamespace(100000), bundle.WithoutMount("/sys/fs/cgroup"), bundle.Mount("/data", "tmpfs", "tmpfs", "tmpcopyup"),
		bundle.Shell("probe stat /data/f; cat /data/f; ls /data | wc -l"))
	if err := os.Mkdir(b.Rootfs("data"), 0o755); err != nil {
		t.Fatal(err)
	}
	// More than one reading of the directory.
	for i := range 300 {
		if err := os.WriteFile(b.Rootfs("data", strings.Repeat("n", 50)+string(rune('A'+i/26))+string(rune('a'+i%26))), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(b.Rootfs("data/f"), []byte("f\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	own100000(t, b)
	if out := b.RunOK(); !strings.HasPrefix(out, "100644 0:0 ") || !strings.HasSuffix(out, "\nf\n301\n") {
		t.Errorf("printed %q", out)
	}
}

// A neighbour exchanges directories for links out of the volume meanwhile.
func TestTmpcopyupOfASwappedTreeCopiesNothingOfTheHost(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t)
	canary := b.Canary()
	volume := b.Volume("shared")
	if err := os.MkdirAll(filepath.Join(volume, "data/dir/fs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(canary.Dir, filepath.Join(volume, "data/link")); err != nil {
		t.Fatal(err)
	}
	spec := bundle.Base()
	bundle.Shell("cat /v/data/*/secret; cat /v/data/secret")(spec)
	bundle.Mount("/v", "bind", volume, "rbind")(spec)
	bundle.Mount("/v/data", "tmpfs", "tmpfs", "tmpcopyup")(spec)
	b.Write(spec)
	bundle.Swap(t, filepath.Join(volume, "data/dir"), filepath.Join(volume, "data/link"))
	for range 100 {
		if out := b.Run().Stdout; strings.Contains(out, "canary") {
			t.Fatalf("the host's file is in the copy: %q", out)
		}
	}
	canary.Check()
}

// spec: mounts[].options
func TestATmpfsHasTheModeOfTheDirectoryItCovers(t *testing.T) {
	for _, c := range []struct {
		options []string
		exists  bool
		want    string
	}{
		{nil, true, "41770 0:0 "}, {[]string{"mode=700"}, true, "40700 0:0 "}, {nil, false, "41777 0:0 "}, {[]string{"uid=5"}, true, "41770 5:0 "},
	} {
		b := bundle.New(t, bundle.Shell("probe stat /d/e"), bundle.Mount("/d/e", "tmpfs", "tmpfs", c.options...))
		if c.exists {
			if err := os.MkdirAll(b.Rootfs("d/e"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unix.Chmod(b.Rootfs("d/e"), 0o1770); err != nil {
				t.Fatal(err)
			}
		}
		if out := b.RunOK(); !strings.HasPrefix(out, c.want) {
			t.Errorf("%v, the directory exists: %v: %q, want %q", c.options, c.exists, out, c.want)
		}
	}
}

// spec: mounts[].options, linux.devices[].path
func TestAReadOnlyDevHasItsDevicesAndMounts(t *testing.T) {
	for _, option := range []string{"ro", "rro"} {
		b := bundle.New(t, bundle.Shell("probe create /dev/x; probe open-read /dev/zero; ls -d /dev/pts/ptmx; probe create /dev/shm/x"), func(s *specs.Spec) {
			for i := range s.Mounts {
				if s.Mounts[i].Destination == "/dev" {
					s.Mounts[i].Options = append(s.Mounts[i].Options, option)
				}
			}
		})
		if out := b.RunOK(); out != "EROFS\nok\n/dev/pts/ptmx\nok\n" {
			t.Errorf("%s: %q", option, out)
		}
	}
}
