// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// Without a cgroup namespace of its own the container sees the host's cgroups:
// in a user namespace whose root owns some of them, those could be written to.
// The container's root is made the owner of the whole tree, as a rootless user
// is of a part.
//
// cve: CVE-2023-25809, CVE-2022-0492
func TestCVE_2023_25809_CgroupsOfTheHostCannotBeWritten(t *testing.T) {
	host := bundle.WithoutNamespace(specs.NetworkNamespace)
	sys := func(options ...string) bundle.Edit {
		return func(s *specs.Spec) {
			bundle.WithoutMount("/sys", "/sys/fs/cgroup")(s)
			bundle.Mount("/sys", "bind", "/sys", options...)(s)
		}
	}
	for name, edits := range map[string][]bundle.Edit{
		"rbind":                         {sys("rbind", "ro")},
		"rbind, rprivate":               {sys("rprivate", "nosuid", "noexec", "nodev", "ro", "rbind")},
		"cgroup mount":                  nil,
		"cgroup mount, rw":              {bundle.WithoutMount("/sys/fs/cgroup"), bundle.Mount("/sys/fs/cgroup", "cgroup", "cgroup", "rw")},
		"cgroup mount, rrw":             {bundle.WithoutMount("/sys/fs/cgroup"), bundle.Mount("/sys/fs/cgroup", "cgroup", "cgroup", "rw", "rrw")},
		"sysfs that falls back":         {host, bundle.WithoutMount("/sys/fs/cgroup")},
		"sysfs that falls back, rw":     {host, bundle.WithoutMount("/sys", "/sys/fs/cgroup"), bundle.Mount("/sys", "sysfs", "sysfs", "rrw")},
		"sysfs and cgroup on top of it": {host},
	} {
		for _, users := range []bool{true, false} {
			if !users && strings.HasPrefix(name, "sysfs") {
				continue // a new one
			}
			for _, view := range bundle.Views() {
				t.Run(name+", "+view.String()+map[bool]string{true: ", user namespace"}[users], func(t *testing.T) {
					b := bundle.New(t)
					b.View = view
					spec := bundle.Base()
					bundle.Capabilities("CAP_DAC_OVERRIDE")(spec)
					for _, edit := range edits {
						edit(spec)
					}
					if users {
						bundle.UserNamespace(0)(spec) // the host's ids: no file is another's
					}
					bundle.Shell(`for d in $(awk '$0 ~ / - cgroup2? / {print $5}' /proc/self/mountinfo); do
							mkdir $d/new 2>/dev/null && echo made $d/new
							for f in $d/cgroup.procs $d/memory.max $d/release_agent $d/*/cgroup.procs; do test -e $f && echo tried && probe open-write $f; done
						done | grep -v 'EROFS\|EACCES\|EPERM\|ENOENT' | sort -u`)(spec)
					b.Write(spec)
					r := b.Run()
					if r.Stdout != "tried\n" {
						t.Errorf("status %d, %q\n%s", r.Status, r.Stdout, r.Stderr)
					}
				})
			}
		}
	}
	made, _ := filepath.Glob("/sys/fs/cgroup/*/new")
	for _, dir := range append(made, "/sys/fs/cgroup/new") {
		if os.Remove(dir) == nil {
			t.Errorf("%s was made on the host", dir)
		}
	}
}
