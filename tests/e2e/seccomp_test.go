// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"runtime"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// call is the probe's words for system calls, one outcome a line.
func call(calls ...string) bundle.Edit {
	script := ""
	for _, c := range calls {
		script += "probe syscall " + c + ";"
	}
	return bundle.Shell(script + "true")
}

func TestADeniedCallGetsTheErrnoAskedFor(t *testing.T) {
	b := bundle.New(t, call(fmt.Sprint(unix.SYS_GETPPID), fmt.Sprint(unix.SYS_GETPGRP), fmt.Sprint(unix.SYS_GETUID)), bundle.Seccomp(
		specs.LinuxSyscall{Names: []string{"getppid"}, Action: specs.ActErrno},
		specs.LinuxSyscall{Names: []string{"getpgrp", "no_such_call"}, Action: specs.ActErrno, ErrnoRet: bundle.Pointer[uint](uint(unix.EXDEV))},
	))
	if out := b.RunOK(); out != "EPERM\nEXDEV\nok\n" {
		t.Errorf("printed %q", out)
	}
}

func TestTheDefaultErrnoIsTaken(t *testing.T) {
	b := bundle.New(t, bundle.Args("probe", "syscall", fmt.Sprint(unix.SYS_REQUEST_KEY)), func(s *specs.Spec) {
		_, text := captured(t, "docker")
		s.Linux.Seccomp = seccompOf(t, text)
		s.Linux.Seccomp.DefaultErrnoRet = bundle.Pointer[uint](uint(unix.ENOTTY))
	})
	if out := b.Run().Stdout; out != "ENOTTY\n" {
		t.Errorf("printed %q", out)
	}
}

func TestKillEndsThePayloadWithSIGSYS(t *testing.T) {
	for _, action := range []specs.LinuxSeccompAction{specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActTrap} {
		b := bundle.New(t, bundle.Args("probe", "syscall", fmt.Sprint(unix.SYS_GETPPID)),
			bundle.Seccomp(specs.LinuxSyscall{Names: []string{"getppid"}, Action: action}))
		if r := b.Run(); r.Status != 128+int(unix.SIGSYS) {
			t.Errorf("%s: exit status %d, %s", action, r.Status, r.Stderr)
		}
	}
}

func TestArgumentsAreComparedByEveryOperator(t *testing.T) {
	for _, c := range []struct {
		op          specs.LinuxSeccompOperator
		value, two  uint64
		hit, missed int
	}{
		{specs.OpEqualTo, 5, 0, 5, 6}, {specs.OpNotEqual, 5, 0, 6, 5}, {specs.OpLessThan, 5, 0, 4, 5}, {specs.OpLessEqual, 5, 0, 5, 6},
		{specs.OpGreaterThan, 5, 0, 6, 5}, {specs.OpGreaterEqual, 5, 0, 5, 4}, {specs.OpMaskedEqual, 0xf0, 0x10, 0x1f, 0x2f},
	} {
		n := func(pid int) string { return fmt.Sprintf("%d %d", unix.SYS_MADVISE, pid) }
		b := bundle.New(t, call(n(c.hit), n(c.missed)), bundle.Seccomp(specs.LinuxSyscall{Names: []string{"madvise"},
			Action: specs.ActErrno, ErrnoRet: bundle.Pointer[uint](uint(unix.EXDEV)),
			Args: []specs.LinuxSeccompArg{{Index: 0, Op: c.op, Value: c.value, ValueTwo: c.two}}}))
		want := "EXDEV\nEINVAL\n" // madvise of an unaligned address is EINVAL
		if out := b.RunOK(); out != want {
			t.Errorf("%s %#x %#x with %#x and %#x: %q", c.op, c.value, c.two, c.hit, c.missed, out)
		}
	}
}

func TestSeveralRulesOfOneCallAreAlternatives(t *testing.T) {
	rule := func(value uint64) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{"madvise"}, Action: specs.ActErrno, ErrnoRet: bundle.Pointer[uint](uint(unix.EXDEV)),
			Args: []specs.LinuxSeccompArg{{Index: 0, Op: specs.OpEqualTo, Value: value}}}
	}
	n := func(v int) string { return fmt.Sprintf("%d %d", unix.SYS_MADVISE, v) }
	b := bundle.New(t, call(n(1), n(2), n(3)), bundle.Seccomp(rule(1), rule(2)))
	if out := b.RunOK(); out != "EXDEV\nEXDEV\nEINVAL\n" {
		t.Errorf("printed %q", out)
	}
}

func TestACallNewerThanTheProfileGetsENOSYS(t *testing.T) {
	b := bundle.New(t, bundle.Args("probe", "syscall", "1000"), func(s *specs.Spec) {
		// An engine's profile, whose default is EPERM.
		_, text := captured(t, "docker")
		s.Linux.Seccomp = seccompOf(t, text)
	})
	if out := b.Run().Stdout; out != "ENOSYS\n" {
		t.Errorf("printed %q", out)
	}
}

func TestTheFilterIsInForceWithAndWithoutNoNewPrivileges(t *testing.T) {
	for _, nnp := range []bool{false, true} {
		b := bundle.New(t, bundle.Probe(), bundle.Seccomp(specs.LinuxSyscall{Names: []string{"reboot"}, Action: specs.ActErrno}),
			func(s *specs.Spec) { s.Process.NoNewPrivileges = nnp })
		r := b.Report()
		if r.Status("Seccomp") != "2" || r.Status("Seccomp_filters") != "1" {
			t.Errorf("noNewPrivileges %v: Seccomp %s, filters %s", nnp, r.Status("Seccomp"), r.Status("Seccomp_filters"))
		}
	}
}

func TestOtherArchitecturesAreDeniedUnlessListed(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the second architecture tested is that of amd64")
	}
	b := bundle.New(t, call(fmt.Sprint(0x40000000+unix.SYS_GETUID)), bundle.Seccomp())
	if r := b.Run(); r.Stdout == "ok\n" {
		t.Error("an x32 call went through a filter that does not list x32")
	}
}

func TestExecHasTheFilterToo(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"), bundle.Seccomp(
		specs.LinuxSyscall{Names: []string{"getppid"}, Action: specs.ActErrno, ErrnoRet: bundle.Pointer[uint](uint(unix.EXDEV))}))
	b.Detach()
	if out := b.Exec("ID", "probe", "syscall", fmt.Sprint(unix.SYS_GETPPID)).Stdout; out != "EXDEV\n" {
		t.Errorf("printed %q", out)
	}
}
