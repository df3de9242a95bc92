// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"corten/nsenter"
	"corten/nsenter/plan"
)

func TestTheErrorOfAStepSaysWhatFailedInTheUsersWords(t *testing.T) {
	at := plan.At("/x")
	for _, c := range []struct {
		name       string
		build      func(*plan.Builder, plan.Slot)
		err        syscall.Errno
		text       string
		want, hint string
	}{
		{"fsconfig names the file system and the value", func(b *plan.Builder, s plan.Slot) {
			b.Fsopen(at, "ext4", s+1)
			b.Fsopen(at, "tmpfs", s)
			b.Fsconfig(at, s, unix.FSCONFIG_SET_STRING, "size", "12x")
		}, syscall.EINVAL, "", `config.json#/x: fsconfig tmpfs "size"="12x": invalid argument [step 3]`, "size takes bytes with an optional k, m or g, or a percentage"},
		{"of a slot used twice, the last file system", func(b *plan.Builder, s plan.Slot) {
			b.Fsopen(at, "proc", s)
			b.Fsopen(at, "overlay", s)
			b.Fsconfig(at, s, unix.FSCONFIG_CMD_CREATE, "", "")
		}, syscall.ENODEV, "overlay: upper is gone", `config.json#/x: fsconfig overlay create: no such device (overlay: upper is gone) [step 3]`, ""},
		{"a flag has no value", func(b *plan.Builder, s plan.Slot) {
			b.Fsopen(at, "tmpfs", s)
			b.Fsconfig(at, s, unix.FSCONFIG_SET_FLAG, "nope", "")
		}, syscall.EINVAL, "tmpfs: Unknown parameter 'nope'", `config.json#/x: fsconfig tmpfs "nope": invalid argument (tmpfs: Unknown parameter 'nope') [step 2]`, ""},
		{"a program not found in PATH", func(b *plan.Builder, _ plan.Slot) { b.Lookup(at, []string{"/bin/nope", "/usr/bin/nope"}) },
			syscall.ENOENT, "", `config.json#/x: exec: "nope": executable file not found in $PATH [step 1]`, ""},
		{"a program of PATH that may not be executed", func(b *plan.Builder, _ plan.Slot) { b.Lookup(at, []string{"/bin/sh", "/usr/bin/sh"}) },
			syscall.EACCES, "", `config.json#/x: exec: "sh": permission denied [step 1]`, ""},
		{"a program with a slash", func(b *plan.Builder, _ plan.Slot) { b.Lookup(at, []string{"./nope"}) },
			syscall.ENOENT, "", `config.json#/x: exec: "./nope": no such file or directory [step 1]`, ""},
		{"execve", func(b *plan.Builder, _ plan.Slot) { b.Execve(at, []string{"/bin/x", "a"}, nil) },
			syscall.ENOEXEC, "", `config.json#/x: exec: "/bin/x": exec format error [step 1]`, ""},
		{"a hook", func(b *plan.Builder, _ plan.Slot) { b.Run(at, "/h", []string{"/h"}, nil, nil, 0) },
			syscall.ECHILD, "exit status 3: oops", `config.json#/x: run /h: exit status 3, output: "oops" [step 1]`, ""},
		{"no place for a mountpoint", func(b *plan.Builder, s plan.Slot) { b.Target(at, 0, "data", unix.S_IFDIR|0o755, s) },
			syscall.EROFS, "", `config.json#/x: target s0 "data" 040755 → s1: read-only file system [step 1]`, "the mount point is missing and the root file system is read-only: make it in the image"},
		{"a limit", func(b *plan.Builder, _ plan.Slot) { b.Prlimit(at, unix.RLIMIT_CORE, 1, 2) },
			syscall.EPERM, "", `config.json#/x: prlimit CORE 1 2: operation not permitted [step 1]`, "raising a hard limit needs CAP_SYS_RESOURCE in the initial user namespace"},
		{"an initramfs", func(b *plan.Builder, _ plan.Slot) { b.PivotRoot(at) },
			syscall.EINVAL, "", `config.json#/x: pivot_root: invalid argument [step 1]`, "the root of this host cannot be pivoted, as in an initramfs: use --no-pivot"},
		{"a cwd outside", func(b *plan.Builder, _ plan.Slot) { b.CheckCwd(at) },
			syscall.ENOENT, "", `config.json#/x: check_cwd: no such file or directory [step 1]`, "the working directory is outside the container's root"},
		{"no field", func(b *plan.Builder, _ plan.Slot) { b.Setsid(plan.Pointer{}) },
			syscall.EPERM, "", `setsid: operation not permitted [step 1]`, ""},
	} {
		b := plan.NewBuilder()
		b.Input(plan.Input{Kind: plan.KindTree})
		c.build(b, b.Slot())
		step := len(b.Steps) - 1
		if b.Steps[step].Op == plan.OpLookup { // the program's name is execve's
			b.Execve(at, []string{c.want[len(`config.json#/x: exec: "`):][:strings.IndexByte(c.want[len(`config.json#/x: exec: "`):], '"')]}, nil)
		}
		err := stepError(&b.Plan, &nsenter.Record{Kind: nsenter.RecordFail, Step: step, Err: c.err, Text: c.text})
		var e *plan.Error
		if !errors.As(err, &e) || e.Error() != c.want || e.Hint != c.hint {
			t.Errorf("%s:\n got %v (%s)\nwant %s (%s)", c.name, err, e.Hint, c.want, c.hint)
		}
		if b.Steps[step].Op != plan.OpRun && c.want[len(c.want)-1] == ']' && c.name != "a program not found in PATH" && !errors.Is(err, c.err) {
			t.Errorf("%s: the errno is lost", c.name)
		}
	}
}

func TestHintsOfFilesThatLinksReplaced(t *testing.T) {
	b := plan.NewBuilder()
	fd := b.Slot()
	b.Openat2(plan.Pointer{}, plan.Cwd, "x", 0, 0, 0, fd)
	b.Check(plan.Pointer{}, fd, 0, 0, 0)
	b.MountSetattr(plan.Pointer{}, fd, 0, 0, 0, 0)
	for i, c := range []struct {
		err  syscall.Errno
		hint bool
	}{{syscall.ELOOP, true}, {syscall.EXDEV, true}, {syscall.ENOSYS, true}, {syscall.ENOENT, false}, {syscall.EIO, false}, {syscall.EINVAL, false}} {
		if got := hint(&b.Steps[i%3], c.err); (got != "") != c.hint {
			t.Errorf("%s, %v: %q", b.Steps[i%3].Op, c.err, got)
		}
	}
}

func TestARecordOfNoStepIsTheExecutorRefusingThePlan(t *testing.T) {
	for _, step := range []int{-1, 1, 1 << 30} {
		b := plan.NewBuilder()
		b.Setsid(plan.Pointer{})
		err := stepError(&b.Plan, &nsenter.Record{Kind: nsenter.RecordFail, Step: step, Err: syscall.EINVAL})
		var e *plan.Error
		if !errors.As(err, &e) || e.Hint == "" || e.Error() != "plan: invalid argument" {
			t.Errorf("step %d: %v", step, err)
		}
	}
}
