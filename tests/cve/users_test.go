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

// ids is the uid and gid in a report.
func ids(r *bundle.Report) string {
	return strings.Fields(r.Status("Uid"))[0] + ":" + strings.Fields(r.Status("Gid"))[0]
}

// A number is an id, whatever the image's passwd makes of it, and is no other
// number: not its low half, not 0 for what cannot be read.
//
// cve: CVE-2016-3697, CVE-2026-30892, CVE-2024-40635, CVE-2026-46680
func TestCVE_2016_3697_AUserIsTheNumberGiven(t *testing.T) {
	passwd := "1000:x:0:0::/:/bin/sh\n1:x:0:0::/:/bin/sh\n"
	for _, uid := range []uint32{1, 1000, 1 << 31, 1<<32 - 2} {
		b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Process.User = specs.User{UID: uid, GID: 7} })
		must(t, os.WriteFile(b.Rootfs("etc/passwd"), []byte(passwd), 0o644))
		if got, want := ids(b.Report()), fmt.Sprintf("%d:7", uid); got != want {
			t.Errorf("uid %d: %s", uid, got)
		}
	}
	b := bundle.New(t, bundle.Args("sleep", "100"), func(s *specs.Spec) { s.Process.User = specs.User{UID: 5, GID: 6} })
	must(t, os.WriteFile(b.Rootfs("etc/passwd"), []byte(passwd), 0o644))
	b.Detach()
	for user, want := range map[string]string{
		"1": "1:6", "1:2": "1:2", "0:5": "0:5", "1000": "1000:6", "01": "1:6", "4294967294": "4294967294:6",
		"-1": "", "4294967295": "", "4294967296": "", "1:": "", ":5": "", " 1": "", "+1": "", "root": "", "1:-1": "", "10000000000": "",
	} {
		r := b.Exec("-u", user, "ID", "probe")
		got := ""
		if r.Status == 0 {
			got = ids(bundle.ParseReport(t, r.Stdout))
		}
		if got != want {
			t.Errorf("exec -u %q: %q, want %q", user, got, want)
		}
	}
	for _, number := range []string{"-1", "4294967295", "4294967296", "10000000000"} {
		b := bundle.New(t, bundle.Args("true"))
		text := strings.Replace(b.Raw(b.Dir+"/config.json"), `"uid":0`, `"uid":`+number, 1)
		b.WriteText([]byte(text))
		if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "#/process/user/uid") {
			t.Errorf("uid %s: %d, %s", number, r.Status, r.Stderr)
		}
	}
}

// cve: CVE-2025-47906, CVE-2022-29526
func TestCVE_2025_47906_OnlyAFileThatMayBeExecutedIsFound(t *testing.T) {
	for _, name := range []string{"", ".", "..", "/", "/etc", "./", "bin/..", "/etc/passwd", "passwd"} {
		b := bundle.New(t, bundle.Args(name), func(s *specs.Spec) { s.Process.Env = []string{"PATH=/etc:/bin:."} })
		if r := b.Run(); r.Status == 0 || strings.Contains(r.Stderr, "panic") {
			t.Errorf("args[0] %q: %d, %s", name, r.Status, r.Stderr)
		}
	}
	// For the group of the file, not of the caller.
	b := bundle.New(t, bundle.Args("/run/tool"), func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} })
	must(t, os.WriteFile(b.Rootfs("run/tool"), []byte("#!/bin/sh\n"), 0o710))
	if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "permission denied") {
		t.Errorf("a tool for root's group: %d, %s", r.Status, r.Stderr)
	}
}
