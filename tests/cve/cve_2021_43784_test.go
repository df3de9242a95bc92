// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// What is too long for a field of the protocol between the runtime and the
// process it starts made the rest of it a message of the attacker's.
//
// cve: CVE-2021-43784
func TestCVE_2021_43784_NothingIsTooLongForThePlan(t *testing.T) {
	source := bundle.New(t).Volume("v", "f", "text\n")
	mounts := func(n int, kind string) bundle.Edit {
		return func(s *specs.Spec) {
			for i := range n {
				bundle.Mount(fmt.Sprintf("/m/%d", i), kind, source, "ro")(s)
			}
		}
	}
	long := func(n int) string { return "/" + strings.Repeat("x/", n/2) }
	for _, c := range []struct {
		name string
		edit bundle.Edit
		at   string // of the error; "": it works
	}{
		{"300 binds", mounts(300, "bind"), ""},
		{"1000 tmpfs", mounts(1000, "tmpfs"), ""},
		{"5000 binds", mounts(5000, "bind"), "#/mounts"},
		{"4200 tmpfs", mounts(4200, "tmpfs"), "#/mounts"},
		{"70000 binds", mounts(70000, "bind"), "#/mounts"},
		{"70000 tmpfs", mounts(70000, "tmpfs"), "#/mounts"},
		{"source of 64 KiB", bundle.Mount("/m", "bind", long(1<<16+1), "bind"), "#/mounts/7/source"},
		{"destination of 64 KiB", bundle.Mount(long(1<<16+1), "tmpfs", "tmpfs"), "#/mounts/7/destination"},
		{"destination of 1 MiB", bundle.Mount(long(1<<20), "tmpfs", "tmpfs"), "#/mounts/7/destination"},
		{"type of 64 KiB", bundle.Mount("/m", strings.Repeat("t", 1<<16+1), ""), "#/mounts/7/type"},
		{"option of 64 KiB", bundle.Mount("/m", "tmpfs", "tmpfs", "mode="+strings.Repeat("0", 1<<16)), "#/mounts/7/options/0"},
		{"namespace path of 64 KiB", bundle.Namespace(specs.NetworkNamespace, long(1<<16+1)), "#/linux/namespaces/1/path"},
		{"namespace path of 1 MiB", bundle.Namespace(specs.NetworkNamespace, long(1<<20)), "#/linux/namespaces/1/path"},
		{"20000 mappings", func(s *specs.Spec) {
			bundle.UserNamespace(100000)(s)
			s.Linux.UIDMappings = nil
			for i := range uint32(20000) {
				s.Linux.UIDMappings = append(s.Linux.UIDMappings, specs.LinuxIDMapping{ContainerID: i, HostID: 2 * i, Size: 1})
			}
		}, "#/linux/uidMappings"},
		{"masked path of 64 KiB", func(s *specs.Spec) { s.Linux.MaskedPaths = []string{long(1<<16 + 1)} }, "#/linux/maskedPaths/0"},
		{"2000 masked paths", func(s *specs.Spec) {
			for i := range 2000 {
				s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, fmt.Sprintf("/m/%d", i))
			}
		}, ""},
		{"20000 masked paths", func(s *specs.Spec) {
			for i := range 20000 {
				s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, fmt.Sprintf("/m/%d", i))
			}
		}, "#/linux/maskedPaths"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.New(t, c.edit, bundle.Shell("echo fine"))
			canary := b.Canary()
			r := b.Run()
			if c.at == "" && r.Stdout != "fine\n" || c.at != "" && (r.Status == 0 || !strings.Contains(r.Stderr, c.at)) ||
				strings.Contains(r.Stderr, "goroutine") || len(r.Stderr) > 1<<20+4096 {
				t.Errorf("status %d, printed %q, said %.300s", r.Status, r.Stdout, r.Stderr)
			}
			canary.Check()
		})
	}
	if _, err := os.Stat(filepath.Join(source, "f")); err != nil {
		t.Error(err)
	}
}
