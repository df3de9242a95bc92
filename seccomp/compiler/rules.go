// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// treeFrom is the number of rules from which a binary tree of system call
// numbers is worth it. libseccomp <= 2.5.4 generates a wrong tree for none.
const treeFrom = 32

// filter is the profile as libseccomp's rules, its default action, and the names of the system
// calls that libseccomp does not know.
func (p *profile) filter() (f *libseccomp.ScmpFilter, def libseccomp.ScmpAction, unknown []string, err error) {
	def, err = action("/defaultAction", p.DefaultAction, "/defaultErrnoRet", p.DefaultErrnoRet)
	if err != nil {
		return nil, def, nil, err
	}
	if f, err = libseccomp.NewFilter(def); err != nil {
		return nil, def, nil, faultf("/defaultAction", "seccomp_init: %w", err)
	}
	// The native architecture is in every filter from the start.
	for i, name := range p.Architectures {
		at := fmt.Sprintf("/architectures/%d", i)
		a := architecture(name)
		if a == nil {
			return nil, def, nil, faultf(at, "architecture %q is not known to libseccomp", name)
		}
		if err := f.AddArch(a.scmp); errors.Is(err, syscall.EDOM) {
			return nil, def, nil, faultf(at, "%s has another byte order than this machine", name)
		} else if err != nil {
			return nil, def, nil, faultf(at, "seccomp_arch_add %s: %w", name, err)
		}
	}
	names := 0
	for _, r := range p.Syscalls {
		names += len(r.Names)
	}
	if names > treeFrom {
		if err := f.SetOptimize(2); err != nil {
			return nil, def, nil, faultf("", "seccomp_attr_set SCMP_FLTATR_CTL_OPTIMIZE: %w", err)
		}
	}
	for i := range p.Syscalls {
		more, err := p.Syscalls[i].add(fmt.Sprintf("/syscalls/%d", i), f, def)
		if err != nil {
			return nil, def, nil, err
		}
		unknown = append(unknown, more...)
	}
	return f, def, unknown, nil
}

// add appends the rule for each of its names.
func (r *rule) add(at string, f *libseccomp.ScmpFilter, def libseccomp.ScmpAction) (unknown []string, err error) {
	act, err := action(at+"/action", r.Action, at+"/errnoRet", r.ErrnoRet)
	if err != nil {
		return nil, err
	}
	sets, err := conditions(at, r.Args)
	if err != nil {
		return nil, err
	}
	for i, name := range r.Names {
		at := fmt.Sprintf("%s/names/%d", at, i)
		if name == "" {
			return nil, faultf(at, "the name of a system call is empty")
		}
		nr, err := libseccomp.GetSyscallFromName(name)
		if err != nil {
			unknown = append(unknown, name)
			continue
		}
		// seccomp_rule_add(3) refuses the default action with EACCES.
		if act == def {
			continue
		}
		for _, set := range sets {
			if len(set) == 0 {
				err = f.AddRule(nr, act)
			} else {
				err = f.AddRuleConditional(nr, act, set)
			}
			if err != nil {
				return nil, faultf(at, "seccomp_rule_add %s for %q: %w", r.Action, name, err)
			}
		}
	}
	return unknown, nil
}

// conditions is the rules the arguments make, each a set of conditions that
// all must hold. libseccomp compares an argument once a rule, so conditions
// on the same argument become rules of their own.
//
// DEFENCE (CVE-2017-18367): what libseccomp-golang joined by AND then let
// calls through that the profile's author had denied, or denied what they had
// allowed. One set per condition is the OR that the profiles of engines are
// written for.
func conditions(at string, args []arg) ([][]libseccomp.ScmpCondition, error) {
	var all []libseccomp.ScmpCondition
	var used [6]bool
	repeated := false
	for i, a := range args {
		at := fmt.Sprintf("%s/args/%d", at, i)
		if a.Index > 5 {
			return nil, faultf(at+"/index", "argument %d: a system call has arguments 0 to 5", a.Index)
		}
		op := operator(a.Op)
		if op == libseccomp.CompareInvalid {
			return nil, faultf(at+"/op", "operator %q is not known", a.Op)
		}
		c, err := libseccomp.MakeCondition(a.Index, op, a.Value, a.ValueTwo)
		if err != nil {
			return nil, faultf(at, "%w", err)
		}
		repeated = repeated || used[a.Index]
		used[a.Index] = true
		all = append(all, c)
	}
	if !repeated {
		return [][]libseccomp.ScmpCondition{all}, nil
	}
	sets := make([][]libseccomp.ScmpCondition, len(all))
	for i := range all {
		sets[i] = all[i : i+1]
	}
	return sets, nil
}

func operator(name string) libseccomp.ScmpCompareOp {
	switch name {
	case "SCMP_CMP_NE":
		return libseccomp.CompareNotEqual
	case "SCMP_CMP_LT":
		return libseccomp.CompareLess
	case "SCMP_CMP_LE":
		return libseccomp.CompareLessOrEqual
	case "SCMP_CMP_EQ":
		return libseccomp.CompareEqual
	case "SCMP_CMP_GE":
		return libseccomp.CompareGreaterEqual
	case "SCMP_CMP_GT":
		return libseccomp.CompareGreater
	case "SCMP_CMP_MASKED_EQ":
		return libseccomp.CompareMaskedEqual
	}
	return libseccomp.CompareInvalid
}

// action is the action called name, with the errno (or, for SCMP_ACT_TRACE,
// the message) in value, EPERM if nil. at and valueAt are their pointers.
func action(at, name, valueAt string, value *uint) (libseccomp.ScmpAction, error) {
	act, kernel, most := libseccomp.ActInvalid, uint32(0), uint(0)
	switch name {
	case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD":
		act, kernel = libseccomp.ActKillThread, unix.SECCOMP_RET_KILL_THREAD
	case "SCMP_ACT_KILL_PROCESS":
		act, kernel = libseccomp.ActKillProcess, unix.SECCOMP_RET_KILL_PROCESS
	case "SCMP_ACT_TRAP":
		act, kernel = libseccomp.ActTrap, unix.SECCOMP_RET_TRAP
	case "SCMP_ACT_ERRNO":
		act, kernel, most = libseccomp.ActErrno, unix.SECCOMP_RET_ERRNO, 4094 // libseccomp: below MAX_ERRNO of linux/err.h
	case "SCMP_ACT_TRACE":
		act, kernel, most = libseccomp.ActTrace, unix.SECCOMP_RET_TRACE, 65535 // SECCOMP_RET_DATA
	case "SCMP_ACT_ALLOW":
		act, kernel = libseccomp.ActAllow, unix.SECCOMP_RET_ALLOW
	case "SCMP_ACT_LOG":
		act, kernel = libseccomp.ActLog, unix.SECCOMP_RET_LOG
	case "SCMP_ACT_NOTIFY":
		act, kernel = libseccomp.ActNotify, unix.SECCOMP_RET_USER_NOTIF
	default:
		return act, faultf(at, "action %q is not known", name)
	}
	if most == 0 && value != nil {
		return act, faultf(valueAt, "%s has no errno", name)
	}
	if err := available(kernel); err != nil {
		return act, faultf(at, "seccomp SECCOMP_GET_ACTION_AVAIL %s: %w", name, err)
	}
	if most == 0 {
		return act, nil
	}
	if value == nil {
		return act.SetReturnCode(int16(unix.EPERM)), nil
	}
	if *value > most {
		return act, faultf(valueAt, "%d is more than %d", *value, most)
	}
	return act.SetReturnCode(int16(uint16(*value))), nil
}

// available asks the kernel whether it has the action (Linux 4.14, commit
// d612b1fd8010), so that one it lacks is an error when the container is made.
func available(ret uint32) error {
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&ret))); errno != 0 {
		return errno
	}
	return nil
}
