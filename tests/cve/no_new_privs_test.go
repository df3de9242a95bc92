// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// youki went on when the kernel refused no_new_privs. corten does not, nor when
// the kernel says yes and does nothing; and likewise with the capabilities.
//
// spec: process.noNewPrivileges
func TestYouki_NothingStartsWithoutTheNoNewPrivilegesAskedFor(t *testing.T) {
	bundle.NeedStrace(t)
	b := bundle.New(t, bundle.Shell("echo ran"), func(s *specs.Spec) { s.Process.NoNewPrivileges = true })
	out := filepath.Join(b.Home, "trace")
	run := func(words ...string) bundle.Result {
		wrap := append([]string{"strace", "-f", "-o", out, "-e", "trace=prctl"}, words...)
		return b.CortenWith(bundle.Options{Wrap: wrap}, "run", "--no-subreaper", "--bundle", b.Dir, b.ID)
	}
	run().OK(b)
	// strace counts the calls of each process: the runtime makes none that matters.
	calls, nth := map[string]int{}, 0
	for line := range strings.Lines(b.Text(out)) {
		pid, call, _ := strings.Cut(line, " ")
		if !strings.Contains(call, "prctl(") {
			continue
		}
		if calls[pid]++; strings.Contains(call, "PR_SET_NO_NEW_PRIVS") {
			nth = calls[pid]
		}
	}
	if nth == 0 {
		t.Fatal("no PR_SET_NO_NEW_PRIVS:\n" + b.Text(out))
	}
	for _, lie := range []string{"error=EPERM", "retval=0"} {
		r := run("-e", "inject=prctl:"+lie+":when="+strconv.Itoa(nth))
		if r.Status == 0 || r.Stdout != "" || !strings.Contains(r.Stderr, "config.json#/process/noNewPrivileges: no_new_privs: operation not permitted") {
			t.Errorf("%s: status %d, %q, %s", lie, r.Status, r.Stdout, r.Stderr)
		}
	}
}
