// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"slices"

	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// oracle is what a profile means, said without libseccomp's code generator.
// It holds for profiles in which all rules of one system call have one action.
type oracle struct {
	p     *profile
	modes []mode
}

// mode is a calling convention.
type mode struct {
	audit   uint32
	x32     bool
	bits    uint // of an argument
	rules   map[uint32][]*rule
	last    uint32
	inScope bool
}

func newOracle(p *profile) *oracle {
	o := &oracle{p: p}
	for _, m := range []struct {
		name  string
		arch  libseccomp.ScmpArch
		audit uint32
		bits  uint
	}{
		{"SCMP_ARCH_X86_64", libseccomp.ArchAMD64, 0xc000003e, 64},
		{"SCMP_ARCH_X32", libseccomp.ArchX32, 0xc000003e, 32},
		{"SCMP_ARCH_X86", libseccomp.ArchX86, 0x40000003, 32},
		{"SCMP_ARCH_AARCH64", libseccomp.ArchARM64, 0xc00000b7, 64},
		{"SCMP_ARCH_ARM", libseccomp.ArchARM, 0x40000028, 32},
	} {
		native, _ := libseccomp.GetNativeArch()
		md := mode{audit: m.audit, x32: m.name == "SCMP_ARCH_X32", bits: m.bits, rules: map[uint32][]*rule{},
			inScope: m.arch == native || slices.Contains(p.Architectures, m.name)}
		for i := range p.Syscalls {
			for _, name := range p.Syscalls[i].Names {
				nr, err := libseccomp.GetSyscallFromNameByArch(name, m.arch)
				if err != nil || nr < 0 {
					continue
				}
				n := uint32(nr)
				if md.x32 {
					n |= 1 << 30
				}
				md.rules[n] = append(md.rules[n], &p.Syscalls[i])
				md.last = max(md.last, n)
			}
		}
		o.modes = append(o.modes, md)
	}
	return o
}

// verdict is the value the filter must return.
func (o *oracle) verdict(c *call) uint32 {
	const badArch = unix.SECCOMP_RET_KILL_THREAD
	for i := range o.modes {
		m := &o.modes[i]
		if m.audit != c.arch || m.audit == 0xc000003e && m.x32 != (c.nr&(1<<30) != 0) {
			continue
		}
		def := verdictOf(o.p.DefaultAction, o.p.DefaultErrnoRet)
		if !m.inScope && m.x32 && c.nr == ^uint32(0) {
			return def // -1, by which a tracer skips a call, is of no ABI: seccomp_rule_add(3)
		}
		if !m.inScope {
			return badArch
		}
		permissive := slices.Contains([]string{"SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY"}, o.p.DefaultAction)
		if !permissive && c.nr > m.last && m.last&^(1<<30) != 0 {
			return unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
		}
		for _, r := range m.rules[c.nr] {
			if r.matches(&c.args, ^uint64(0)>>(64-m.bits)) {
				return verdictOf(r.Action, r.ErrnoRet)
			}
		}
		return def
	}
	return badArch
}

func verdictOf(action string, errno *uint) uint32 {
	data := uint32(1)
	if errno != nil {
		data = uint32(*errno)
	}
	switch action {
	case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD":
		return unix.SECCOMP_RET_KILL_THREAD
	case "SCMP_ACT_KILL_PROCESS":
		return unix.SECCOMP_RET_KILL_PROCESS
	case "SCMP_ACT_TRAP":
		return unix.SECCOMP_RET_TRAP
	case "SCMP_ACT_ERRNO":
		return unix.SECCOMP_RET_ERRNO | data
	case "SCMP_ACT_TRACE":
		return unix.SECCOMP_RET_TRACE | data
	case "SCMP_ACT_ALLOW":
		return unix.SECCOMP_RET_ALLOW
	case "SCMP_ACT_LOG":
		return unix.SECCOMP_RET_LOG
	case "SCMP_ACT_NOTIFY":
		return unix.SECCOMP_RET_USER_NOTIF
	}
	panic(action)
}
