// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"fmt"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// leaky are descriptors of host directories that a careless caller leaves open.
func leaky(t *testing.T, c *bundle.Canary) []*os.File {
	t.Helper()
	var files []*os.File
	for range 8 {
		f, err := os.Open(c.Dir)
		must(t, err)
		t.Cleanup(func() { f.Close() })
		files = append(files, f)
	}
	return files
}

// cve: CVE-2024-21626
func TestCVE_2024_21626_NoCwdLeadsToTheHost(t *testing.T) {
	for n := range 14 {
		for _, cwd := range []string{fmt.Sprintf("/proc/self/fd/%d", n), fmt.Sprintf("/proc/self/fd/%d/../..", n), fmt.Sprintf("/link%d", n)} {
			b := bundle.New(t, bundle.Shell("cat secret ./*/secret; probe"), func(s *specs.Spec) { s.Process.Cwd = cwd })
			canary := b.Canary()
			symlink(t, fmt.Sprintf("/proc/self/fd/%d", n), b.Rootfs(fmt.Sprintf("link%d", n)))
			r := b.CortenWith(bundle.Options{ExtraFiles: leaky(t, canary)}, "run", "--bundle", b.Dir, b.ID)
			if strings.Contains(r.Stdout, "canary secret") {
				t.Errorf("cwd %s: the container reads the host", cwd)
			}
			if r.Status == 0 && strings.Contains(r.Stdout, `"cwd":"(unreachable)`) {
				t.Errorf("cwd %s: the payload runs in an unreachable directory", cwd)
			}
			canary.Check()
		}
	}
}

// cve: CVE-2024-21626
func TestCVE_2024_21626_NoExecCwdLeadsToTheHost(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	canary := b.Canary()
	b.CortenWith(bundle.Options{ExtraFiles: leaky(t, canary)}, "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
	for n := range 14 {
		r := b.CortenWith(bundle.Options{ExtraFiles: leaky(t, canary)}, "exec", "--cwd", fmt.Sprintf("/proc/self/fd/%d", n), b.ID,
			"sh", "-c", "cat secret; probe")
		if strings.Contains(r.Stdout, "canary secret") || strings.Contains(r.Stdout, `"cwd":"(unreachable)`) {
			t.Errorf("fd %d: %s", n, r.Stdout)
		}
	}
}

// cve: CVE-2024-21626
func TestCVE_2024_21626_DescriptorsOfTheCallerStayOutside(t *testing.T) {
	b := bundle.New(t, bundle.Probe())
	r := b.CortenWith(bundle.Options{ExtraFiles: leaky(t, b.Canary())}, "run", "--bundle", b.Dir, b.ID).OK(b)
	for _, fd := range bundle.ParseReport(t, r.Stdout).FDs {
		if fd.FD > 2 {
			t.Errorf("descriptor %d is open: %s", fd.FD, fd.Link)
		}
	}
}
