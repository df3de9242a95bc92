// SPDX-License-Identifier: Apache-2.0

// Package seccomp turns the linux.seccomp section of a config.json into the
// program and the flags for seccomp(2).
//
// The program comes from libseccomp, which a small program of its own wraps
// (seccomp/compiler); corten carries that program and runs it when the filter
// is not in the cache.
package seccomp

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The names of the runtime specification, config-linux.md "Seccomp", sorted.
// The architectures are those libseccomp 2.5 knows.
var (
	actions = [...]string{
		"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
		"SCMP_ACT_LOG", notify, "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
	}
	operators = [...]string{
		"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
	}
	archs = [...]string{
		"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32",
		"SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64",
		"SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_RISCV64", "SCMP_ARCH_S390",
		"SCMP_ARCH_S390X", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64",
	}
	flags = [...]struct {
		name   string
		probe  uint64 // what shows that the kernel has it
		load   uint64
		listen uint64 // added with a listener
		since  string // Linux version
	}{
		{"SECCOMP_FILTER_FLAG_LOG", unix.SECCOMP_FILTER_FLAG_LOG, unix.SECCOMP_FILTER_FLAG_LOG, 0, "4.14"},
		{specAllow, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, 0, "4.17"},
		// The executor has one thread, and so has the payload when it starts.
		{"SECCOMP_FILTER_FLAG_TSYNC", unix.SECCOMP_FILTER_FLAG_TSYNC, 0, 0, "3.17"},
		// The kernel refuses it without a listener, where nobody waits for one.
		{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", waitKillableRecv | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, 0, waitKillableRecv, "5.19"},
	}
)

const (
	notify    = "SCMP_ACT_NOTIFY"
	specAllow = "SECCOMP_FILTER_FLAG_SPEC_ALLOW"

	waitKillableRecv = 1 << 5 // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: Linux 5.19, commit c2aa2dfef243
)

// ValidAction reports whether the specification has the action.
func ValidAction(name string) bool { return slices.Contains(actions[:], name) }

// ValidOperator reports whether the specification has the operator.
func ValidOperator(name string) bool { return slices.Contains(operators[:], name) }

// ValidArch reports whether libseccomp has the architecture.
func ValidArch(name string) bool { return slices.Contains(archs[:], name) }

// ValidFlag reports whether the specification has the flag.
func ValidFlag(name string) bool { return slices.Contains(KnownFlags(), name) }

// KnownActions is the actions a profile can have.
func KnownActions() []string { return slices.Clone(actions[:]) }

// KnownOperators is the operators of argument conditions.
func KnownOperators() []string { return slices.Clone(operators[:]) }

// KnownArchs is the architectures a filter can have.
func KnownArchs() []string { return slices.Clone(archs[:]) }

// KnownFlags is the flags a profile can have.
func KnownFlags() []string {
	names := make([]string, len(flags))
	for i := range flags {
		names[i] = flags[i].name
	}
	return names
}

// SupportedFlags is the known flags this kernel has.
func SupportedFlags() []string {
	var names []string
	for i := range flags {
		if supported(flags[i].probe) {
			names = append(names, flags[i].name)
		}
	}
	return names
}

// supported asks the kernel: a filter at address 0 is EFAULT once the flags
// were found good, seccomp(2).
func supported(flags uint64) bool {
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(flags), uintptr(unsafe.Pointer(nil)))
	return errno == unix.EFAULT
}
