// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// Flags is the flags for seccomp(2) of the profile at s. A profile without a
// list of flags gets SECCOMP_FILTER_FLAG_SPEC_ALLOW, as in runc; one with an
// empty list gets none. TSYNC and WAIT_KILLABLE_RECV change nothing for a
// process of one thread and no listener, and are left out.
func Flags(at plan.Pointer, s *specs.LinuxSeccomp) (uint64, error) {
	names := s.Flags
	if names == nil {
		names = []specs.LinuxSeccompFlag{specAllow}
	}
	bits := uint64(0)
	for i, name := range names {
		known := false
		for j := range flags {
			if flags[j].name == string(name) {
				bits |= flags[j].load
				known = true
			}
		}
		if !known {
			return 0, &plan.Error{At: at.Field("flags").Index(i), Err: fmt.Errorf("flag %q is not known", name)}
		}
	}
	return bits, nil
}

// Validate reports the first thing in the profile that no filter can be made
// of, or that corten does not handle, with its pointer. It asks the kernel
// nothing.
func Validate(at plan.Pointer, s *specs.LinuxSeccomp) error {
	if err := validAction(at.Field("defaultAction"), s.DefaultAction, at.Field("defaultErrnoRet"), s.DefaultErrnoRet); err != nil {
		return err
	}
	for i, name := range s.Architectures {
		if !ValidArch(string(name)) {
			return &plan.Error{At: at.Field("architectures").Index(i), Err: fmt.Errorf("architecture %q is not known to libseccomp", name)}
		}
	}
	if _, err := Flags(at, s); err != nil {
		return err
	}
	for i := range s.Syscalls {
		if err := validRule(at.Field("syscalls").Index(i), &s.Syscalls[i]); err != nil {
			return err
		}
	}
	return nil
}

func validRule(at plan.Pointer, r *specs.LinuxSyscall) error {
	if len(r.Names) == 0 {
		return &plan.Error{At: at.Field("names"), Err: fmt.Errorf("no system call is named")}
	}
	for i, name := range r.Names {
		if name == "" {
			return &plan.Error{At: at.Field("names").Index(i), Err: fmt.Errorf("the name of a system call is empty")}
		}
	}
	if err := validAction(at.Field("action"), r.Action, at.Field("errnoRet"), r.ErrnoRet); err != nil {
		return err
	}
	for i, arg := range r.Args {
		at := at.Field("args").Index(i)
		if arg.Index > 5 {
			return &plan.Error{At: at.Field("index"), Err: fmt.Errorf("argument %d: a system call has arguments 0 to 5", arg.Index)}
		}
		if !ValidOperator(string(arg.Op)) {
			return &plan.Error{At: at.Field("op"), Err: fmt.Errorf("operator %q is not known", arg.Op)}
		}
	}
	return nil
}

// validAction checks the action at at with its errno, if it has one, at
// errnoAt.
func validAction(at plan.Pointer, action specs.LinuxSeccompAction, errnoAt plan.Pointer, errno *uint) error {
	if !ValidAction(string(action)) {
		return &plan.Error{At: at, Err: fmt.Errorf("action %q is not known", action)}
	}
	if action == notify {
		return &plan.Error{At: at, Err: fmt.Errorf("%s is not handled by this version of corten", action)}
	}
	if errno == nil {
		return nil
	}
	most := uint(0)
	switch action {
	case specs.ActErrno:
		most = 4095 // MAX_ERRNO of linux/err.h: the kernel would return that for more
	case specs.ActTrace:
		most = 65535 // SECCOMP_RET_DATA
	default:
		return &plan.Error{At: errnoAt, Err: fmt.Errorf("%s has no errno", action)}
	}
	if *errno > most {
		return &plan.Error{At: errnoAt, Err: fmt.Errorf("%d is more than %d", *errno, most)}
	}
	return nil
}
