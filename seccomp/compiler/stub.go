// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"encoding/binary"

	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// arch is an architecture of the profile. Only those with the byte order of
// amd64 and arm64 can be in one filter with them; the others are known so
// that libseccomp says so.
type arch struct {
	name  string
	scmp  libseccomp.ScmpArch
	audit uint32 // AUDIT_ARCH_* of linux/audit.h
}

var arches = [...]arch{
	{"SCMP_ARCH_X86", libseccomp.ArchX86, 0x40000003},
	{"SCMP_ARCH_X86_64", libseccomp.ArchAMD64, auditX86_64},
	{"SCMP_ARCH_X32", libseccomp.ArchX32, auditX86_64},
	{"SCMP_ARCH_ARM", libseccomp.ArchARM, 0x40000028},
	{"SCMP_ARCH_AARCH64", libseccomp.ArchARM64, 0xc00000b7},
	{"SCMP_ARCH_MIPS", libseccomp.ArchMIPS, 0x00000008},
	{"SCMP_ARCH_MIPS64", libseccomp.ArchMIPS64, 0x80000008},
	{"SCMP_ARCH_MIPS64N32", libseccomp.ArchMIPS64N32, 0xa0000008},
	{"SCMP_ARCH_MIPSEL", libseccomp.ArchMIPSEL, 0x40000008},
	{"SCMP_ARCH_MIPSEL64", libseccomp.ArchMIPSEL64, 0xc0000008},
	{"SCMP_ARCH_MIPSEL64N32", libseccomp.ArchMIPSEL64N32, 0xe0000008},
	{"SCMP_ARCH_PPC", libseccomp.ArchPPC, 0x00000014},
	{"SCMP_ARCH_PPC64", libseccomp.ArchPPC64, 0x80000015},
	{"SCMP_ARCH_PPC64LE", libseccomp.ArchPPC64LE, 0xc0000015},
	{"SCMP_ARCH_S390", libseccomp.ArchS390, 0x00000016},
	{"SCMP_ARCH_S390X", libseccomp.ArchS390X, 0x80000016},
	{"SCMP_ARCH_PARISC", libseccomp.ArchPARISC, 0x0000000f},
	{"SCMP_ARCH_PARISC64", libseccomp.ArchPARISC64, 0x8000000f},
	{"SCMP_ARCH_RISCV64", libseccomp.ArchRISCV64, 0xc00000f3},
}

const (
	auditX86_64 = 0xc000003e
	audit64     = 0x80000000 // __AUDIT_ARCH_64BIT
	x32Bit      = 1 << 30    // __X32_SYSCALL_BIT of asm/unistd.h
)

// width is the mask of the bits of an argument that a filter compares.
func (a *arch) width() uint64 {
	if a.scmp == libseccomp.ArchX32 || a.audit&audit64 == 0 {
		return 0xffffffff
	}
	return ^uint64(0)
}

func architecture(name string) *arch {
	for i := range arches {
		if arches[i].name == name {
			return &arches[i]
		}
	}
	return nil
}

// stub is the code put in front of libseccomp's: it answers ENOSYS for the
// system calls that are newer than every one the profile names, so that a
// libc that tries a new call first falls back to the old one, which it would
// not do on the default action's EPERM. It is empty for a default action that
// lets calls happen, and for one that is ENOSYS anyway. A tracer or an agent is
// expected to know new calls.
func (p *profile) stub() ([]byte, error) {
	switch p.DefaultAction {
	case "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY":
		return nil, nil
	case "SCMP_ACT_ERRNO":
		if p.DefaultErrnoRet != nil && *p.DefaultErrnoRet == uint(unix.ENOSYS) {
			return nil, nil
		}
	}
	native, err := libseccomp.GetNativeArch()
	if err != nil {
		return nil, faultf("", "seccomp_arch_native: %w", err)
	}
	var sections [][]instruction
	seen := map[uint32]bool{}
	for _, a := range p.scope(native) {
		if seen[a.audit] {
			continue
		}
		seen[a.audit] = true
		if s := p.section(a.audit, native); s != nil {
			sections = append(sections, s)
		}
	}
	return assemble(sections), nil
}

// scope is the architectures of the filter, the native one first.
func (p *profile) scope(native libseccomp.ScmpArch) []*arch {
	var scope []*arch
	for i := range arches {
		if arches[i].scmp == native {
			scope = append(scope, &arches[i])
		}
	}
	for _, name := range p.Architectures {
		if a := architecture(name); a != nil {
			scope = append(scope, a)
		}
	}
	return scope
}

// Targets of jumps that assemble resolves. next is the next section.
const (
	here = iota // the next instruction
	over        // the one after it
	next
	enosys
	filter
)

type instruction struct {
	code   uint16
	jt, jf int
	k      uint32
}

// Codes of linux/bpf_common.h, and offsets in struct seccomp_data.
const (
	loadWord    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	jumpEqual   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	jumpGreater = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	jumpSet     = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	ret         = unix.BPF_RET | unix.BPF_K

	offsetNr   = 0
	offsetArch = 4
)

// section is the code for the architecture with the given AUDIT_ARCH, nil if
// the profile names no system call that it has. It expects the architecture
// in the accumulator. x86_64 and x32 share one value and differ in a bit of
// the number; if only one of them is in the filter, the numbers of the other
// go on to libseccomp's code, which has the action for a bad architecture.
func (p *profile) section(audit uint32, native libseccomp.ScmpArch) []instruction {
	head := []instruction{{jumpEqual, here, next, audit}, {loadWord, 0, 0, offsetNr}}
	if audit != auditX86_64 {
		last := uint32(0)
		for _, a := range p.scope(native) {
			if a.audit == audit {
				last = p.last(a.scmp)
			}
		}
		if last == 0 {
			return nil
		}
		return append(head, instruction{jumpGreater, enosys, filter, last})
	}
	var x64, x32 uint32
	for _, a := range p.scope(native) {
		switch a.scmp {
		case libseccomp.ArchAMD64:
			x64 = p.last(a.scmp)
		case libseccomp.ArchX32:
			x32 = p.last(a.scmp)
		}
	}
	switch {
	case x64 == 0 && x32 == 0:
		return nil
	case x32 == 0:
		return append(head, instruction{jumpSet, filter, here, x32Bit}, instruction{jumpGreater, enosys, filter, x64})
	case x64 == 0:
		return append(head, instruction{jumpSet, here, filter, x32Bit}, instruction{jumpGreater, enosys, filter, x32 | x32Bit})
	}
	return append(head, instruction{jumpSet, here, over, x32Bit},
		instruction{jumpGreater, enosys, filter, x32 | x32Bit}, instruction{jumpGreater, enosys, filter, x64})
}

// last is the greatest number of a named system call, 0 if there is none.
// Names that the architecture lacks have negative numbers in libseccomp.
func (p *profile) last(a libseccomp.ScmpArch) uint32 {
	last := uint32(0)
	for _, r := range p.Syscalls {
		for _, name := range r.Names {
			nr, err := libseccomp.GetSyscallFromNameByArch(name, a)
			if err == nil && nr > 0 {
				last = max(last, uint32(nr))
			}
		}
	}
	return last
}

// assemble joins the sections, of at most five instructions each and at most
// one an architecture, so that no jump is longer than a byte tells.
func assemble(sections [][]instruction) []byte {
	if len(sections) == 0 {
		return nil
	}
	code := []instruction{{loadWord, 0, 0, offsetArch}}
	starts := make([]int, 0, len(sections)+1)
	var nexts []int
	for i, s := range sections {
		starts = append(starts, len(code))
		for range s {
			nexts = append(nexts, i+1)
		}
		code = append(code, s...)
	}
	end := len(code) // where ENOSYS is returned; the filter follows
	code = append(code, instruction{ret, 0, 0, unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	starts = append(starts, end+1)

	var program []byte
	for at, in := range code {
		resolve := func(target int) byte {
			switch target {
			case next:
				return byte(starts[nexts[at-1]] - at - 1)
			case enosys:
				return byte(end - at - 1)
			case filter:
				return byte(end - at)
			}
			return byte(target)
		}
		program = binary.NativeEndian.AppendUint16(program, in.code)
		program = append(program, resolve(in.jt), resolve(in.jf))
		program = binary.NativeEndian.AppendUint32(program, in.k)
	}
	return program
}
