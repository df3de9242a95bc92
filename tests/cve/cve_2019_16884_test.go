// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"strings"
	"testing"

	"corten/tests/bundle"
)

// An image with VOLUME /proc had something else than a procfs there, where the
// labels went.
//
// cve: CVE-2019-16884, CVE-2015-3630
func TestCVE_2019_16884_NothingButProcIsMountedOnProc(t *testing.T) {
	dir := bundle.New(t).Volume("v", "f", "")
	for _, c := range []struct {
		name string
		edit bundle.Edit
		ok   bool
	}{
		{"tmpfs", bundle.Mount("/proc", "tmpfs", "tmpfs"), false},
		{"tmpfs, another spelling", bundle.Mount("/x/..//proc/.", "tmpfs", "tmpfs"), false},
		{"tmpfs, relative", bundle.Mount("proc", "tmpfs", "tmpfs"), false},
		{"sysfs", bundle.Mount("/proc", "sysfs", "sysfs"), false},
		{"bind of a volume", bundle.Mount("/proc", "bind", dir, "rbind"), false},
		{"bind of a process", bundle.Mount("/proc", "bind", "/proc/self", "rbind"), false},
		{"bind of a file", bundle.Mount("/proc/version", "bind", dir+"/f", "bind"), false},
		{"through a link", bundle.Mount("/link", "tmpfs", "tmpfs"), false},
		{"through a link into it", bundle.Mount("/link/self/attr", "bind", dir, "bind"), false},
		{"below it", bundle.Mount("/proc/sys/kernel", "tmpfs", "tmpfs"), false},
		{"a link of the host into it", bundle.Mount("/link/sys", "bind", dir, "bind", "dest-nofollow"), false},
		{"copied link into it", bundle.Mount("/proc/sys", "bind", dir+"/l", "bind", "copy-symlink"), false},
		{"copied link on it", bundle.Mount("/proc", "bind", dir+"/l", "bind", "copy-symlink"), false},
		{"statistics", bundle.Mount("/proc/meminfo", "bind", dir+"/f", "bind"), true},
		{"proc again", bundle.Mount("/proc", "proc", "proc"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.New(t, bundle.Shell("echo started"), c.edit)
			symlink(t, "/proc", b.Rootfs("link"))
			symlink(t, "/etc", dir+"/l")
			r := b.Run()
			if (r.Status == 0) != c.ok || !c.ok && (strings.Contains(r.Stdout, "started") || !strings.Contains(r.Stderr, "/mounts/7/")) {
				t.Errorf("status %d, printed %q, said %s", r.Status, r.Stdout, r.Stderr)
			}
		})
	}
	if _, err := os.Stat(dir + "/f"); err != nil {
		t.Error(err)
	}
}
