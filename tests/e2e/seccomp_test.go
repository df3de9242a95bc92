// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
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

// spec: linux.seccomp.syscalls[].names, linux.seccomp.syscalls[].action, linux.seccomp.syscalls[].errnoRet
func TestADeniedCallGetsTheErrnoAskedFor(t *testing.T) {
	b := bundle.New(t, call(fmt.Sprint(unix.SYS_GETPPID), fmt.Sprint(unix.SYS_GETPGID), fmt.Sprint(unix.SYS_GETUID)), bundle.Seccomp(
		specs.LinuxSyscall{Names: []string{"getppid"}, Action: specs.ActErrno},
		specs.LinuxSyscall{Names: []string{"getpgid", "no_such_call"}, Action: specs.ActErrno, ErrnoRet: bundle.Pointer[uint](uint(unix.EXDEV))},
	))
	if out := b.RunOK(); out != "EPERM\nEXDEV\nok\n" {
		t.Errorf("printed %q", out)
	}
}

// spec: linux.seccomp.defaultErrnoRet, linux.seccomp.defaultAction
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

// spec: linux.seccomp.syscalls[].action
func TestKillEndsThePayloadWithSIGSYS(t *testing.T) {
	for _, action := range []specs.LinuxSeccompAction{specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActTrap} {
		b := bundle.New(t, bundle.Args("probe", "syscall", fmt.Sprint(unix.SYS_GETPPID)),
			bundle.Seccomp(specs.LinuxSyscall{Names: []string{"getppid"}, Action: action}))
		if r := b.Run(); r.Status != 128+int(unix.SIGSYS) {
			t.Errorf("%s: exit status %d, %s", action, r.Status, r.Stderr)
		}
	}
}

// spec: linux.seccomp.syscalls[].args[].index, linux.seccomp.syscalls[].args[].op, linux.seccomp.syscalls[].args[].value, linux.seccomp.syscalls[].args[].valueTwo
func TestArgumentsAreComparedByEveryOperator(t *testing.T) {
	for _, c := range []struct {
		op           specs.LinuxSeccompOperator
		value, two   uint64
		hits, misses []uint64
	}{
		{specs.OpEqualTo, 5, 0, []uint64{5}, []uint64{6, 5 | 1<<32}},
		{specs.OpNotEqual, 5, 0, []uint64{6, 5 | 1<<32}, []uint64{5}},
		{specs.OpLessThan, 5, 0, []uint64{4}, []uint64{5, 1 << 32, 1 << 62}},
		{specs.OpLessEqual, 5, 0, []uint64{4, 5}, []uint64{6, 1 << 32}},
		{specs.OpGreaterThan, 5, 0, []uint64{6, 1 << 32}, []uint64{4, 5}},
		{specs.OpGreaterEqual, 5, 0, []uint64{5, 1 << 32}, []uint64{4}},
		{specs.OpMaskedEqual, 0xf0, 0x10, []uint64{0x1f, 0x10 | 1<<32}, []uint64{0x2f, 0x30}},
		{specs.OpMaskedEqual, 1<<32 | 1, 1 << 32, []uint64{1 << 32, 2 | 1<<32}, []uint64{0, 1 | 1<<32}},
	} {
		// In the second argument, so that the index matters.
		var calls []string
		want := ""
		for _, v := range c.hits {
			calls, want = append(calls, fmt.Sprintf("%d -1 %d -1 -1", unix.SYS_FADVISE64, v)), want+"EXDEV\n"
		}
		for _, v := range c.misses {
			calls, want = append(calls, fmt.Sprintf("%d -1 %d -1 -1", unix.SYS_FADVISE64, v)), want+"EBADF\n"
		}
		b := bundle.New(t, call(calls...), bundle.Seccomp(specs.LinuxSyscall{Names: []string{"fadvise64"},
			Action: specs.ActErrno, ErrnoRet: bundle.Pointer[uint](uint(unix.EXDEV)),
			Args: []specs.LinuxSeccompArg{{Index: 1, Op: c.op, Value: c.value, ValueTwo: c.two}}}))
		if out := b.RunOK(); out != want {
			t.Errorf("%s %#x %#x with %#x and %#x: %q", c.op, c.value, c.two, c.hits, c.misses, out)
		}
	}
}

// TestConditionsOfOneRule: on several arguments all must hold, on one argument
// any (CVE-2017-18367).
//
// spec: linux.seccomp.syscalls[].args[].index
// cve: CVE-2017-18367
func TestConditionsOfOneRule(t *testing.T) {
	arg := func(index uint, value uint64) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: index, Op: specs.OpEqualTo, Value: value}
	}
	for _, c := range []struct {
		args []specs.LinuxSeccompArg
		want string // of (1,2), (1,3), (2,2), (3,3)
	}{
		{[]specs.LinuxSeccompArg{arg(1, 1), arg(2, 2)}, "EXDEV EBADF EBADF EBADF "},
		{[]specs.LinuxSeccompArg{arg(1, 1), arg(1, 2)}, "EXDEV EXDEV EXDEV EBADF "},
		{[]specs.LinuxSeccompArg{arg(1, 2), arg(1, 3), arg(2, 3)}, "EBADF EXDEV EXDEV EXDEV "},
	} {
		n := func(a, b int) string { return fmt.Sprintf("%d -1 %d %d -1", unix.SYS_FADVISE64, a, b) }
		b := bundle.New(t, call(n(1, 2), n(1, 3), n(2, 2), n(3, 3)), bundle.Seccomp(specs.LinuxSyscall{Names: []string{"fadvise64"},
			Action: specs.ActErrno, ErrnoRet: bundle.Pointer[uint](uint(unix.EXDEV)), Args: c.args}))
		if out := strings.ReplaceAll(b.RunOK(), "\n", " "); out != c.want {
			t.Errorf("%+v: %s, want %s", c.args, out, c.want)
		}
	}
}

// spec: linux.seccomp.syscalls[].args[].value
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

// TestOtherArchitecturesAreDeniedUnlessListed: the native one is always there.
//
// spec: linux.seccomp.architectures
func TestOtherArchitecturesAreDeniedUnlessListed(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the second architecture tested is that of amd64")
	}
	const getuid32 = 24 // of asm/unistd_32.h
	for _, c := range []struct {
		words string
		archs []specs.Arch
		want  string // "": killed
	}{
		{fmt.Sprint("value32 ", getuid32), nil, ""},
		{fmt.Sprint("value32 ", getuid32), []specs.Arch{specs.ArchX86}, "EXDEV\n"},
		{fmt.Sprint("value32 ", getuid32), []specs.Arch{specs.ArchX32}, ""},
		{fmt.Sprint("value ", unix.SYS_GETUID), []specs.Arch{specs.ArchX86}, "EXDEV\n"},
		{fmt.Sprint("value ", unix.SYS_GETUID), nil, "EXDEV\n"},
		{fmt.Sprint("value ", 1<<30|unix.SYS_GETUID), []specs.Arch{specs.ArchX86, specs.ArchX86_64}, ""},
		{fmt.Sprint("value ", 1<<30|unix.SYS_GETUID), []specs.Arch{specs.ArchX32}, "EXDEV\n"},
	} {
		b := bundle.New(t, bundle.Probe(strings.Fields(c.words)...), bundle.Seccomp(specs.LinuxSyscall{Names: []string{"getuid"},
			Action: specs.ActErrno, ErrnoRet: bundle.Pointer[uint](uint(unix.EXDEV))}), func(s *specs.Spec) {
			s.Linux.Seccomp.Architectures = c.archs
		})
		if r := b.Run(); r.Stdout != c.want || c.want == "" && r.Status != 128+int(unix.SIGSYS) {
			t.Errorf("%s with %v: %q, exit status %d, %s", c.words, c.archs, r.Stdout, r.Status, r.Stderr)
		}
	}
}

// TestEveryArchitectureName: in the filter, or refused by its name.
//
// spec: linux.seccomp.architectures
func TestEveryArchitectureName(t *testing.T) {
	for _, arch := range []specs.Arch{specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64, specs.ArchMIPS,
		specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32, specs.ArchPPC, specs.ArchPPC64,
		specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X, specs.ArchPARISC, specs.ArchPARISC64, specs.ArchRISCV64, specs.ArchLOONGARCH64,
		specs.ArchM68K, specs.ArchSH, specs.ArchSHEB} {
		b := bundle.New(t, call(fmt.Sprint(unix.SYS_GETPPID)), bundle.Seccomp(specs.LinuxSyscall{Names: []string{"getppid"}, Action: specs.ActErrno}),
			func(s *specs.Spec) { s.Linux.Seccomp.Architectures = []specs.Arch{arch} })
		r := b.Run()
		if r.Status == 0 && r.Stdout == "EPERM\n" {
			continue
		}
		if !strings.Contains(r.Stderr, "config.json#/linux/seccomp/architectures/0: ") || !strings.Contains(r.Stderr, string(arch)) ||
			!strings.Contains(r.Stderr, "another byte order") && !strings.Contains(r.Stderr, "unknown architecture") {
			t.Errorf("%s: %d, %q, %s", arch, r.Status, r.Stdout, r.Stderr)
		}
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

// TestTheFilterDoesNotHinderWhatComesBeforeIt: with noNewPrivileges it is the
// last thing, and may forbid what corten did before; without, the capabilities
// go under it, and a filter that forbids that ends the start.
func TestTheFilterDoesNotHinderWhatComesBeforeIt(t *testing.T) {
	for _, names := range [][]string{{"capset"}, {"setresuid", "setresgid", "setgroups"}, {"umask", "fchdir", "openat2", "mount", "prlimit64"}} {
		for _, privileges := range []bool{true, false} {
			b := bundle.New(t, bundle.Args("true"), noNewPrivileges(privileges), bundle.Seccomp(specs.LinuxSyscall{Names: names, Action: specs.ActErrno}))
			first := b.Run()
			b.Corten("delete", "--force", b.ID).OK(b)
			want := privileges || names[0] == "umask"
			if ok := first.Status == 0; ok != want || !want && !strings.Contains(first.Stderr, "config.json#/process/") {
				t.Errorf("%v, noNewPrivileges %v: %d, %s", names, privileges, first.Status, first.Stderr)
			}
		}
	}
}

// TestADamagedCacheIsNoFilter: what somebody left in the cache is not loaded.
func TestADamagedCacheIsNoFilter(t *testing.T) {
	b := bundle.New(t, call(fmt.Sprint(unix.SYS_GETPPID)), bundle.Seccomp(specs.LinuxSyscall{Names: []string{"getppid"}, Action: specs.ActErrno}))
	cache := filepath.Join(b.Root, ".cache/seccomp")
	entry := func() string {
		entries, err := os.ReadDir(cache)
		if err != nil || len(entries) != 1 {
			t.Fatalf("the cache has %v, %v", entries, err)
		}
		return filepath.Join(cache, entries[0].Name())
	}
	if out := b.RunOK(); out != "EPERM\n" {
		t.Fatalf("printed %q", out)
	}
	good := b.Raw(entry())
	allow := good[:len(good)-8] + "\x06\x00\x00\x00\x00\x00\xff\x7f" // one that returns SECCOMP_RET_ALLOW
	for name, spoil := range map[string]func(path string) error{
		"empty":    func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"cut":      func(path string) error { return os.Truncate(path, int64(len(good)-8)) },
		"changed":  func(path string) error { return os.WriteFile(path, []byte(allow), 0o600) },
		"foreign":  func(path string) error { return os.Chown(path, 1000, 1000) },
		"writable": func(path string) error { return os.Chmod(path, 0o666) },
	} {
		if err := spoil(entry()); err != nil {
			t.Fatal(err)
		}
		if out := b.RunOK(); out != "EPERM\n" {
			t.Errorf("%s: %q", name, out)
		}
		info, err := os.Stat(entry())
		if err != nil || b.Raw(entry()) != good || info.Mode().Perm() != 0o600 || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%s: the entry was not made anew: %v", name, info)
		}
	}
}
