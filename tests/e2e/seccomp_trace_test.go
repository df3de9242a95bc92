// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// traced attaches to the process for the time of f, which runs on the thread
// that is the tracer.
func traced(t *testing.T, pid int, options uintptr, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends, and so does what it traces
		_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, options, 0, 0)
		if errno != 0 {
			done <- fmt.Errorf("PTRACE_SEIZE: %w", errno)
			return
		}
		f()
		unix.PtraceDetach(pid)
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestATracerIsAsked: the tracer gets errnoRet as its message and may do the
// call or not; without a tracer the call is ENOSYS.
//
// spec: linux.seccomp.syscalls[].action, linux.seccomp.syscalls[].errnoRet
func TestATracerIsAsked(t *testing.T) {
	b := bundle.New(t, bundle.Shell(fmt.Sprintf("probe value %d; echo waiting; cat; probe value %[1]d", unix.SYS_GETUID)),
		bundle.Seccomp(specs.LinuxSyscall{Names: []string{"getuid"}, Action: specs.ActTrace, ErrnoRet: bundle.Pointer[uint](31337)}))
	input, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := b.Begin(bundle.Options{Stdin: input}, "run", "--bundle", b.Dir, b.ID)
	input.Close()
	p.WaitFor("waiting")
	pid, message := b.State().PID, uint(0)
	traced(t, pid, unix.PTRACE_O_TRACESECCOMP|unix.PTRACE_O_TRACEFORK|unix.PTRACE_O_TRACEVFORK|unix.PTRACE_O_TRACECLONE, func() {
		hold.Close()
		message = seccompMessage(pid)
	})
	if message != 31337 {
		t.Errorf("the tracer's message is %d", message)
	}
	if r := p.Wait(); r.Stdout != "ENOSYS\nwaiting\n0\n" {
		t.Errorf("printed %q", r.Stdout)
	}
}

// seccompMessage lets this thread's tracees, of a process group, run until they
// have ended and returns the message of the last call that the filter had traced.
func seccompMessage(group int) (message uint) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-group, &status, unix.WNOTHREAD|unix.WALL, nil)
		if err != nil {
			return message
		}
		if !status.Stopped() {
			continue
		}
		deliver := 0
		switch int(status) >> 16 {
		case unix.PTRACE_EVENT_SECCOMP:
			message, _ = unix.PtraceGetEventMsg(pid)
		case 0:
			deliver = int(status.StopSignal())
		}
		unix.PtraceCont(pid, deliver)
	}
}

// TestTheFlagsOfTheFilter: LOG is read back from the kernel, the rest is what
// the plan hands to seccomp(2): nothing shows it from outside.
//
// spec: linux.seccomp.flags
func TestTheFlagsOfTheFilter(t *testing.T) {
	all := []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC", specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagSpecAllow, specs.LinuxSeccompFlagWaitKillableRecv}
	for _, c := range []struct {
		flags []specs.LinuxSeccompFlag
		bits  string
		log   bool
	}{
		{nil, "0x4", false},
		{all[:1], "0x0", false},
		{all[1:2], "0x2", true},
		{all[2:3], "0x4", false},
		{all, "0x6", true},
	} {
		b := bundle.New(t, bundle.Probe("pause"), bundle.Seccomp(specs.LinuxSyscall{Names: []string{"getppid"}, Action: specs.ActErrno}),
			func(s *specs.Spec) { s.Linux.Seccomp.Flags = c.flags })
		for _, f := range c.flags {
			needFlag(t, b, f)
		}
		if out := b.Corten("plan", "--bundle", b.Dir).OK(b).Stdout; !strings.Contains(out, "seccomp "+c.bits+" ") {
			t.Errorf("%v: %s is not in the plan:\n%s", c.flags, c.bits, out)
		}
		// In the foreground: of an orphan the tests are the init, whose reaping
		// takes the stops that the tracer waits for.
		run := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
		run.WaitFor("ready")
		metadata := struct{ offset, flags uint64 }{}
		pid, errno := b.State().PID, syscall.Errno(0)
		traced(t, pid, 0, func() {
			unix.PtraceInterrupt(pid)
			syscall.Wait4(pid, nil, unix.WALL, nil)
			_, _, errno = unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SECCOMP_GET_METADATA, uintptr(pid),
				unsafe.Sizeof(metadata), uintptr(unsafe.Pointer(&metadata)), 0, 0)
		})
		if errno == unix.EIO {
			t.Skip("the kernel has no PTRACE_SECCOMP_GET_METADATA (CONFIG_CHECKPOINT_RESTORE)")
		}
		if log := metadata.flags&unix.SECCOMP_FILTER_FLAG_LOG != 0; errno != 0 || log != c.log {
			t.Errorf("%v: logs %v, %v", c.flags, log, errno)
		}
		b.Corten("delete", "--force", b.ID).OK(b)
		run.Wait()
	}
}

// TestAnActionThatLetsCallsHappen: SCMP_ACT_LOG and SCMP_ACT_ALLOW, as default
// and for a call.
//
// spec: linux.seccomp.defaultAction, linux.seccomp.syscalls[].action
func TestAnActionThatLetsCallsHappen(t *testing.T) {
	getppid := fmt.Sprint(unix.SYS_GETPPID)
	for _, action := range []specs.LinuxSeccompAction{specs.ActLog, specs.ActAllow} {
		b := bundle.New(t, call(getppid, fmt.Sprint(unix.SYS_GETPGID)), bundle.Seccomp(specs.LinuxSyscall{Names: []string{"getpgid"}, Action: specs.ActErrno}),
			func(s *specs.Spec) { s.Linux.Seccomp.DefaultAction = action })
		if out := b.RunOK(); out != "ok\nEPERM\n" {
			t.Errorf("default %s: %q", action, out)
		}
		b = bundle.New(t, bundle.Probe("syscall", getppid), func(s *specs.Spec) {
			_, text := captured(t, "docker")
			s.Linux.Seccomp = seccompOf(t, text)
			for i := range s.Linux.Seccomp.Syscalls {
				if r := &s.Linux.Seccomp.Syscalls[i]; r.Action == specs.ActAllow {
					r.Action = action
				}
			}
		})
		if out := b.RunOK(); out != "ok\n" {
			t.Errorf("%s: %q", action, out)
		}
	}
}
