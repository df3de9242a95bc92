// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// A sysctl's name or value that means another one to whoever writes it sets
// kernel.core_pattern, and so what the host runs as root.
//
// cve: CVE-2022-0811, GHSA-w2j5-3rcx-vx7x
func TestCVE_2022_0811_NoSysctlReachesTheHost(t *testing.T) {
	read := func() string {
		b, err := os.ReadFile("/proc/sys/kernel/core_pattern")
		must(t, err)
		return string(b)
	}
	before := read()
	for _, key := range []string{
		"kernel.core_pattern", "kernel/core_pattern", "kernel.shm_rmid_forced=1+kernel.core_pattern", "kernel.shm_rmid_forced+kernel.core_pattern",
		"kernel.shm_rmid_forced 1 kernel.core_pattern", "kernel.shm_rmid_forced\nkernel.core_pattern", "net/../kernel/core_pattern",
		"net.//.kernel.core_pattern", "net/ipv4/../../kernel/core_pattern", "net//kernel/core_pattern", "/kernel/core_pattern",
		"../sys/kernel/core_pattern", "net.\x00.kernel.core_pattern", "kernel.shmmax/../core_pattern", "fs.mqueue./././kernel.core_pattern",
		"kernel.modprobe", "kernel.sysrq", "vm.overcommit_memory", "fs.binfmt_misc.register", "fs.file-max", "kernel", "", ".", "net", "net.",
		"kernel.hostname", "KERNEL.SHMMAX", "kernel.ns_last_pid", "kernel.shmmaxx", "fs.mqueue",
	} {
		b := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{key: "|/bin/evil #"} })
		if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "#/linux/sysctl") {
			t.Errorf("%q: exit status %d: %s", key, r.Status, r.Stderr)
		}
	}
	// A value is the value of its key alone.
	for _, value := range []string{"1+kernel.core_pattern=|/bin/evil #", "1\nkernel.core_pattern=|/bin/evil #", "1 kernel.core_pattern=|/bin/evil"} {
		b := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"kernel.shm_rmid_forced": value} })
		b.Run()
	}
	if after := read(); after != before {
		must(t, os.WriteFile("/proc/sys/kernel/core_pattern", []byte(before), 0))
		t.Errorf("core_pattern was %q, is %q", before, after)
	}
}
