// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// validateSeccomp checks a profile's names and numbers. Names of system calls
// are not checked: profiles are written for more kernels than this one.
func validateSeccomp(at plan.Pointer, s *specs.LinuxSeccomp) error {
	if s == nil {
		return nil
	}
	if err := validateAction(at, "defaultAction", s.DefaultAction, "defaultErrnoRet", s.DefaultErrnoRet); err != nil {
		return err
	}
	for i, a := range s.Architectures {
		if !knownArch(a) {
			return refuse(at.Field("architectures").Index(i), "unknown architecture %q", clip(string(a)))
		}
	}
	for i, f := range s.Flags {
		switch f {
		case specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow, specs.LinuxSeccompFlagWaitKillableRecv,
			"SECCOMP_FILTER_FLAG_TSYNC":
		default:
			return refuse(at.Field("flags").Index(i), "unknown flag %q", clip(string(f)))
		}
	}
	for i := range s.Syscalls {
		if err := validateSyscall(at, i, &s.Syscalls[i]); err != nil {
			return err
		}
	}
	return nil
}

func validateSyscall(at plan.Pointer, i int, s *specs.LinuxSyscall) error {
	at = at.Field("syscalls").Index(i)
	if len(s.Names) == 0 {
		return refuse(at.Field("names"), "must not be empty")
	}
	for i, name := range s.Names {
		if name == "" {
			return refuse(at.Field("names").Index(i), "must not be empty")
		}
	}
	if err := validateAction(at, "action", s.Action, "errnoRet", s.ErrnoRet); err != nil {
		return err
	}
	for i := range s.Args {
		at, a := at.Field("args").Index(i), &s.Args[i]
		if a.Index > 5 {
			return refuse(at.Field("index"), "want 0 to 5, got %d", a.Index)
		}
		switch a.Op {
		case specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo, specs.OpGreaterEqual,
			specs.OpGreaterThan, specs.OpMaskedEqual:
		default:
			return refuse(at.Field("op"), "unknown operator %q", clip(string(a.Op)))
		}
	}
	return nil
}

// validateAction checks member action and the number that goes with it, which
// only two actions have: the specification wants an error from the others.
func validateAction(at plan.Pointer, action string, a specs.LinuxSeccompAction, errno string, ret *uint) error {
	var top uint
	switch a {
	case specs.ActErrno:
		top = 4095 // MAX_ERRNO, what seccomp(2) cuts it to
	case specs.ActTrace:
		top = maxUint16
	case specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActTrap, specs.ActAllow, specs.ActLog,
		specs.ActNotify:
		if ret != nil {
			return refuse(at.Field(errno), "%s has no errno", a)
		}
	default:
		return refuse(at.Field(action), "unknown action %q", clip(string(a)))
	}
	if ret != nil && *ret > top {
		return refuse(at.Field(errno), "want 0 to %d, got %d", top, *ret)
	}
	return nil
}

func knownArch(a specs.Arch) bool {
	switch a {
	case specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64, specs.ArchMIPS,
		specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32,
		specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X, specs.ArchPARISC,
		specs.ArchPARISC64, specs.ArchRISCV64, specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB:
		return true
	}
	return false
}
