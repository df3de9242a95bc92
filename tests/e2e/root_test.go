// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// spec: root.path
func TestTheRootIsTheDirectoryNamed(t *testing.T) {
	for name, c := range map[string]struct {
		path  func(b *bundle.Bundle) string
		words string // of the error; "": it works
	}{
		"relative":        {func(b *bundle.Bundle) string { return "../other/root" }, ""},
		"absolute":        {func(b *bundle.Bundle) string { return filepath.Join(b.Home, "other/root") }, ""},
		"a symbolic link": {func(b *bundle.Bundle) string { return "../link" }, ""},
		"a file":          {func(b *bundle.Bundle) string { return "config.json" }, "not a directory"},
		"missing":         {func(b *bundle.Bundle) string { return "none" }, "no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			b := bundle.New(t)
			if err := os.Mkdir(filepath.Join(b.Home, "other"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(b.Rootfs(), filepath.Join(b.Home, "other/root")); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(b.Home, "other/root/here"), []byte("yes"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("other/root", filepath.Join(b.Home, "link")); err != nil {
				t.Fatal(err)
			}
			s := bundle.Base()
			s.Process.Args, s.Root = []string{"cat", "/here"}, &specs.Root{Path: c.path(b)}
			b.Write(s)
			if c.words != "" {
				r := b.Run()
				refused(t, r, "#/root/path: ")
				refused(t, r, c.words)
				return
			}
			if out := b.RunOK(); out != "yes" {
				t.Errorf("printed %q", out)
			}
		})
	}
}

// spec: root.readonly
func TestTheRootIsReadOnlyIfAsked(t *testing.T) {
	for readonly, want := range map[bool]string{false: "ok\nok\n", true: "refused\nok\n"} {
		b := bundle.New(t, bundle.Shell("for dir in / /dev/shm; do touch $dir/file 2>/dev/null && echo ok || echo refused; done"), func(s *specs.Spec) { s.Root.Readonly = readonly })
		if out := b.RunOK(); out != want {
			t.Errorf("readonly %v: printed %q, want %q", readonly, out, want)
		}
	}
}
