// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// spoof is an agent's answers: getppid is 4242, getpgid fails, all else goes on.
func spoof(n *bundle.Notice) bundle.Answer {
	switch n.Number {
	case unix.SYS_GETPPID:
		return bundle.Answer{Value: 4242}
	case unix.SYS_GETPGID:
		return bundle.Answer{Errno: unix.EXDEV}
	}
	return bundle.Answer{Continue: true}
}

const spoofed = "4242\nEXDEV\n0\n"

var asked = []string{"getppid", "getpgid", "getuid"}

// ask makes the calls that spoof answers.
var ask = fmt.Sprintf("probe value %d; probe value %d; probe value %d", unix.SYS_GETPPID, unix.SYS_GETPGID, unix.SYS_GETUID)

// agentBundle is a bundle whose agent answers as the function says.
func agentBundle(t *testing.T, answer func(*bundle.Notice) bundle.Answer, names []string, edits ...bundle.Edit) (*bundle.Bundle, *bundle.Agent) {
	t.Helper()
	b := bundle.NewEmpty(t)
	a := b.StartAgent(answer)
	s := bundle.Base()
	for _, edit := range append([]bundle.Edit{a.Notify(names...)}, edits...) {
		edit(s)
	}
	b.Write(s)
	return b, a
}

func noNewPrivileges(yes bool) bundle.Edit {
	return func(s *specs.Spec) { s.Process.NoNewPrivileges = yes }
}

// spec: linux.seccomp.listenerPath, linux.seccomp.listenerMetadata, linux.seccomp.syscalls[].action
func TestAnAgentAnswersForTheKernel(t *testing.T) {
	for _, privileges := range []bool{false, true} {
		for _, init := range []string{"false", "true"} {
			t.Run(fmt.Sprintf("noNewPrivileges %v, init %s", privileges, init), func(t *testing.T) {
				b, a := agentBundle(t, spoof, asked, bundle.Shell(ask), noNewPrivileges(privileges), func(s *specs.Spec) {
					s.Annotations = map[string]string{"corten.init": init, "to the": "agent"}
				})
				if out := b.RunOK(); out != spoofed {
					t.Errorf("printed %q", out)
				}
				s := a.State()
				if s.Version != specs.Version || !slices.Equal(s.Fds, []string{"seccompFd"}) || s.Metadata != "of the test" || s.Pid <= 1 {
					t.Errorf("%+v", s)
				}
				if c := s.State; c.Version != specs.Version || c.ID != b.ID || c.Status != specs.StateCreating || c.Pid != s.Pid ||
					c.Bundle != b.Dir || c.Annotations["to the"] != "agent" {
					t.Errorf("%+v", c)
				}
			})
		}
	}
}

// TestAnAgentOfACreatedContainer: it is there from create on, for the hooks of
// start, and for each exec anew.
//
// spec: linux.seccomp.listenerPath
func TestAnAgentOfACreatedContainer(t *testing.T) {
	for _, privileges := range []bool{false, true} {
		t.Run(fmt.Sprint(privileges), func(t *testing.T) {
			b, a := agentBundle(t, spoof, asked, bundle.Shell("{ "+ask+"; } >/payload; exec probe pause"), noNewPrivileges(privileges), func(s *specs.Spec) {
				s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "{ " + ask + "; } >/hook"}, Env: []string{"PATH=/bin"}}}}
			})
			b.Create()
			if s := a.State(); s.Pid != b.State().PID || s.State.Status != specs.StateCreating {
				t.Errorf("%+v", s)
			}
			b.Start()
			bundle.Eventually(func() bool {
				text, _ := os.ReadFile(b.Rootfs("payload"))
				return string(text) == spoofed
			})
			for _, file := range []string{"hook", "payload"} {
				if text := b.Raw(b.Rootfs(file)); text != spoofed {
					t.Errorf("%s: %q", file, text)
				}
			}
			first := b.State().PID
			for range 2 {
				if r := b.Exec("ID", "sh", "-c", ask).OK(b); r.Stdout != spoofed {
					t.Errorf("exec printed %q", r.Stdout)
				}
				s := a.State()
				if s.Pid == first || s.State.Pid != first || s.State.Status != specs.StateRunning || s.State.ID != b.ID || s.State.Bundle != b.Dir {
					t.Errorf("%+v", s)
				}
			}
			a.End()
			if r := b.Exec("ID", "true"); r.Status == 0 || !strings.Contains(r.Stderr, "linux/seccomp/listenerPath") {
				t.Errorf("exec without an agent: %d, %s", r.Status, r.Stderr)
			}
		})
	}
}

// TestAnAgentMayBeAskedForEverything: even about the calls by which the
// executor says how far it is.
//
// spec: linux.seccomp.defaultAction
func TestAnAgentMayBeAskedForEverything(t *testing.T) {
	for _, privileges := range []bool{false, true} {
		t.Run(fmt.Sprint(privileges), func(t *testing.T) {
			b, _ := agentBundle(t, spoof, nil, bundle.Shell(ask), noNewPrivileges(privileges), func(s *specs.Spec) {
				s.Linux.Seccomp.DefaultAction, s.Linux.Seccomp.Syscalls = specs.ActNotify, nil
			})
			if out := b.RunOK(); out != spoofed {
				t.Errorf("printed %q", out)
			}
			b.Create()
			b.Start()
			if !bundle.Eventually(func() bool { return b.Output(1) == spoofed }) {
				t.Errorf("create and start printed %q", b.Output(1))
			}
		})
	}
}

// spec: linux.seccomp.listenerPath
func TestWithoutAnAgentNothingIsMade(t *testing.T) {
	for name, path := range map[string]string{"nobody": "/no/agent", "no socket": "/etc/passwd"} {
		t.Run(name, func(t *testing.T) {
			marker := filepath.Join(t.TempDir(), "made")
			b := bundle.New(t, bundle.Seccomp(specs.LinuxSyscall{Names: asked, Action: specs.ActNotify}), func(s *specs.Spec) {
				s.Linux.Seccomp.ListenerPath = path
				s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/touch", Args: []string{"touch", marker}}}}
			})
			for _, verb := range []string{"run", "create"} {
				r := b.Corten(verb, "--bundle", b.Dir, b.ID)
				if r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/linux/seccomp/listenerPath: "+path+": connect: ") {
					t.Errorf("%s: %d, %s", verb, r.Status, r.Stderr)
				}
				if _, err := os.Stat(filepath.Join(b.Root, b.ID)); err == nil {
					t.Errorf("%s left a state directory", verb)
				}
			}
			if _, err := os.Stat(marker); err == nil {
				t.Error("a hook ran")
			}
		})
	}
}

// TestAnAgentThatHangsUpEndsTheStart: the connection is lost while a hook runs.
//
// spec: linux.seccomp.listenerPath
func TestAnAgentThatHangsUpEndsTheStart(t *testing.T) {
	b := bundle.NewEmpty(t)
	path, gone := filepath.Join(b.Home, "agent"), filepath.Join(b.Home, "gone")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Close()
		}
		l.Close()
		os.WriteFile(gone, nil, 0o600)
	}()
	s := bundle.Base()
	bundle.Seccomp(specs.LinuxSyscall{Names: asked, Action: specs.ActNotify})(s)
	s.Linux.Seccomp.ListenerPath = path
	s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "until [ -e " + gone + " ]; do :; done"}}}}
	b.Write(s)
	if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/linux/seccomp/listenerPath: sendmsg: broken pipe") {
		t.Errorf("%d, %s", r.Status, r.Stderr)
	}
}

// TestTheListenerIsTheAgentsAlone: when it ends, nobody waits for an answer;
// the call is ENOSYS, as on a kernel without it.
//
// spec: linux.seccomp.listenerPath
func TestTheListenerIsTheAgentsAlone(t *testing.T) {
	for _, init := range []string{"false", "true"} {
		t.Run("init "+init, func(t *testing.T) {
			leave := func(n *bundle.Notice) bundle.Answer { return bundle.Answer{Leave: n.Number == unix.SYS_GETPPID} }
			b, a := agentBundle(t, leave, []string{"getppid"}, bundle.Shell(ask), func(s *specs.Spec) {
				s.Annotations = map[string]string{"corten.init": init}
			})
			p := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
			a.WaitEnd()
			if r := p.Wait(); !strings.HasPrefix(r.Stdout, "ENOSYS\n") {
				t.Errorf("printed %q, %s", r.Stdout, r.Stderr)
			}
		})
	}
	// Nor is it the payload's.
	b, _ := agentBundle(t, spoof, asked, bundle.Args("ls", "-l", "/proc/self/fd"))
	if out := b.RunOK(); strings.Contains(out, "seccomp") {
		t.Errorf("the payload has the listener:\n%s", out)
	}
}

// TestASignalEndsAStartThatAnAgentHolds: the agent never answers.
func TestASignalEndsAStartThatAnAgentHolds(t *testing.T) {
	held := make(chan bool, 1)
	hold := func(n *bundle.Notice) bundle.Answer {
		if n.Number != unix.SYS_EXECVE {
			return bundle.Answer{Continue: true}
		}
		held <- true
		for n.Waits() {
			time.Sleep(time.Millisecond)
		}
		return bundle.Answer{}
	}
	b, _ := agentBundle(t, hold, []string{"execve"}, bundle.Args("true"))
	p := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
	<-held
	p.Signal(syscall.SIGTERM)
	if r := p.Wait(); r.Status == 0 {
		t.Errorf("%d, %s", r.Status, r.Stderr)
	}
}

// TestAListenerPathWithoutNotifyIsIgnored: the specification says so.
//
// spec: linux.seccomp.listenerPath
func TestAListenerPathWithoutNotifyIsIgnored(t *testing.T) {
	b := bundle.New(t, bundle.Args("true"), bundle.Seccomp(), func(s *specs.Spec) {
		s.Linux.Seccomp.ListenerPath, s.Linux.Seccomp.ListenerMetadata = "/no/agent", "x"
	})
	b.RunOK()
}

// TestASignalInterruptsTheWaitUnlessItIsFatal: with the flag a call that the
// agent has taken up is not interrupted; without, it is.
//
// spec: linux.seccomp.flags
func TestASignalInterruptsTheWaitUnlessItIsFatal(t *testing.T) {
	for _, killable := range []bool{false, true} {
		t.Run(fmt.Sprint(killable), func(t *testing.T) {
			interrupt := func(n *bundle.Notice) bundle.Answer {
				unix.Kill(int(n.PID), unix.SIGUSR1)
				for end := time.Now().Add(300 * time.Millisecond); n.Waits() && (!killable || time.Now().Before(end)); {
					time.Sleep(time.Millisecond)
				}
				return bundle.Answer{Value: 4242}
			}
			b, _ := agentBundle(t, interrupt, []string{"getppid"}, bundle.Probe("interrupted", fmt.Sprint(unix.SYS_GETPPID)), func(s *specs.Spec) {
				if killable {
					s.Linux.Seccomp.Flags = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv}
				}
			})
			needFlag(t, b, specs.LinuxSeccompFlagWaitKillableRecv)
			want := "EINTR\n"
			if killable {
				want = "4242\n"
			}
			if r := b.Run(); r.Stdout != want {
				t.Errorf("printed %q, %s", r.Stdout, r.Stderr)
			}
		})
	}
}

// needFlag skips the test if the kernel has not the flag.
func needFlag(t *testing.T, b *bundle.Bundle, flag specs.LinuxSeccompFlag) {
	t.Helper()
	if out := b.Corten("features").OK(b).Stdout; strings.Count(out, string(flag)) < 2 { // known, and supported
		t.Skipf("the kernel has no %s", flag)
	}
}
