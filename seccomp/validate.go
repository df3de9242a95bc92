// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// Notifies reports whether an agent is asked about some system calls.
func Notifies(s *specs.LinuxSeccomp) bool {
	return s != nil && (s.DefaultAction == notify ||
		slices.ContainsFunc(s.Syscalls, func(r specs.LinuxSyscall) bool { return r.Action == notify }))
}

// Flags is the flags for seccomp(2) of a validated profile. One without a list
// of flags gets SECCOMP_FILTER_FLAG_SPEC_ALLOW, as in runc; one with an empty
// list gets none. One that notifies gets SECCOMP_FILTER_FLAG_NEW_LISTENER.
func Flags(s *specs.LinuxSeccomp) (bits uint64) {
	listens := Notifies(s)
	if listens {
		bits = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	if s.Flags == nil {
		return bits | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	}
	for i := range flags {
		if slices.Contains(s.Flags, specs.LinuxSeccompFlag(flags[i].name)) {
			bits |= flags[i].load
			if listens {
				bits |= flags[i].listen
			}
		}
	}
	return bits
}

// Supported refuses the first flag that this kernel has not.
func Supported(at plan.Pointer, s *specs.LinuxSeccomp) error {
	for i, name := range s.Flags {
		for j := range flags {
			if flags[j].name == string(name) && !supported(flags[j].probe) {
				return refuse(at.Field("flags").Index(i), "%s needs Linux %s", name, flags[j].since)
			}
		}
	}
	return nil
}

// Validate reports the first thing in the profile that no filter can be made
// of, with its pointer. It asks the kernel nothing. Names of system calls are
// not checked: profiles are written for more kernels than this one.
func Validate(at plan.Pointer, s *specs.LinuxSeccomp) error {
	if err := validAction(at, "defaultAction", s.DefaultAction, "defaultErrnoRet", s.DefaultErrnoRet); err != nil {
		return err
	}
	for i, name := range s.Architectures {
		if !ValidArch(string(name)) {
			return refuse(at.Field("architectures").Index(i), "unknown architecture %s", quote(string(name)))
		}
	}
	for i, name := range s.Flags {
		if !ValidFlag(string(name)) {
			return refuse(at.Field("flags").Index(i), "unknown flag %s", quote(string(name)))
		}
	}
	for i := range s.Syscalls {
		if err := validRule(at.Field("syscalls").Index(i), &s.Syscalls[i]); err != nil {
			return err
		}
	}
	switch {
	case Notifies(s) && s.ListenerPath == "":
		return refuse(at.Field("listenerPath"), "SCMP_ACT_NOTIFY needs the socket of an agent")
	case s.ListenerMetadata != "" && s.ListenerPath == "":
		return refuse(at.Field("listenerMetadata"), "must not be set without listenerPath")
	}
	return nil
}

func validRule(at plan.Pointer, r *specs.LinuxSyscall) error {
	if len(r.Names) == 0 {
		return refuse(at.Field("names"), "must not be empty")
	}
	for i, name := range r.Names {
		if name == "" {
			return refuse(at.Field("names").Index(i), "must not be empty")
		}
	}
	if err := validAction(at, "action", r.Action, "errnoRet", r.ErrnoRet); err != nil {
		return err
	}
	for i, arg := range r.Args {
		at := at.Field("args").Index(i)
		if arg.Index > 5 {
			return refuse(at.Field("index"), "want 0 to 5, got %d", arg.Index)
		}
		if !ValidOperator(string(arg.Op)) {
			return refuse(at.Field("op"), "unknown operator %s", quote(string(arg.Op)))
		}
	}
	return nil
}

// validAction checks member action of what at points to, and the number that
// goes with it, which only two actions have: the specification wants an error
// from the others.
func validAction(at plan.Pointer, action string, a specs.LinuxSeccompAction, errno string, ret *uint) error {
	if !ValidAction(string(a)) {
		return refuse(at.Field(action), "unknown action %s", quote(string(a)))
	}
	if ret == nil {
		return nil
	}
	most := uint(0)
	switch a {
	case specs.ActErrno:
		most = 4094 // libseccomp: below MAX_ERRNO of linux/err.h, which the kernel would return for more
	case specs.ActTrace:
		most = 65535 // SECCOMP_RET_DATA
	default:
		return refuse(at.Field(errno), "%s has no errno", a)
	}
	if *ret > most {
		return refuse(at.Field(errno), "want 0 to %d, got %d", most, *ret)
	}
	return nil
}

// quote quotes a hostile string, cut to a line.
func quote(unsafe string) string {
	if len(unsafe) > 64 {
		return fmt.Sprintf("%q…", unsafe[:64])
	}
	return fmt.Sprintf("%q", unsafe)
}

func refuse(at plan.Pointer, format string, args ...any) error {
	return &plan.Error{At: at, Err: fmt.Errorf(format, args...)}
}
