// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// spoof is an agent's answers: getppid is 4242, getpgrp fails, all else goes on.
func spoof(n *bundle.Notice) bundle.Answer {
	switch n.Number {
	case unix.SYS_GETPPID:
		return bundle.Answer{Value: 4242}
	case unix.SYS_GETPGRP:
		return bundle.Answer{Errno: unix.EXDEV}
	}
	return bundle.Answer{Continue: true}
}

const spoofed = "4242\nEXDEV\n0\n"

var asked = []string{"getppid", "getpgrp", "getuid"}

// ask makes the calls that spoof answers.
var ask = fmt.Sprintf("probe value %d; probe value %d; probe value %d", unix.SYS_GETPPID, unix.SYS_GETPGRP, unix.SYS_GETUID)

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
