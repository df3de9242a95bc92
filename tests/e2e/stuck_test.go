// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// slowStart gives the container a hook that its start waits for.
func slowStart(s *specs.Spec) {
	s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "touch /dev/shm/hook; exec sleep 60"}}}}
}

func TestASignalEndsARunWhoseStartHangs(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe("pause"), slowStart)
	p := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
	hanging(t, b)
	p.Signal(syscall.SIGTERM)
	refused(t, p.Wait(), "ended by signal SIGTERM before the program ran")
	refused(t, b.Corten("state", b.ID), "container does not exist")
}

func TestKillAndDeleteDoNotWaitForAStartThatHangs(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe("pause"), slowStart)
	b.Create()
	p := b.Begin(bundle.Options{}, "start", b.ID)
	hanging(t, b)
	b.Corten("delete", "--force", b.ID).OK(b)
	if r := p.Wait(); r.Status == 0 {
		t.Error("start says that a killed container runs")
	}
}

// hanging waits until the hook runs.
func hanging(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	if !bundle.Eventually(func() bool {
		return strings.Contains(strings.Join(bundle.Processes(), "\n"), "sleep 60")
	}) {
		t.Fatal("the hook does not run")
	}
}

func TestACreatedContainerEndsOnTERM(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	b.Create()
	b.Corten("kill", b.ID, "TERM").OK(b)
	b.WaitStatus("stopped")
	b.Corten("delete", b.ID).OK(b)
}

func TestDeleteForceEndsAFrozenContainer(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	b.Detach()
	for line := range strings.Lines(b.Raw("/proc/" + strconv.Itoa(b.State().PID) + "/cgroup")) {
		if _, path, ok := strings.Cut(strings.TrimSpace(line), ":freezer:"); ok {
			if err := os.WriteFile("/sys/fs/cgroup/freezer"+path+"/freezer.state", []byte("FROZEN"), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if b.State().Status != "paused" {
		t.Skip("no v1 freezer on this host")
	}
	b.Corten("delete", "--force", b.ID).OK(b)
}

func TestKillAllReachesEveryProcess(t *testing.T) {
	b := bundle.New(t, bundle.Shell(`sh -c 'trap "echo child got it" TERM; echo ready; while :; do sleep 0.05; done' & trap "" TERM; while :; do sleep 1; done`))
	p := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
	p.WaitFor("ready")
	b.Corten("kill", "--all", b.ID, "TERM").OK(b)
	p.WaitFor("child got it")
	b.Corten("delete", "--force", b.ID).OK(b)
	p.Wait()
}

func TestANonRootPayloadCanOpenItsPipes(t *testing.T) {
	b := bundle.New(t, bundle.Shell("echo to stderr >/dev/stderr; echo to stdout >/dev/stdout"),
		func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} })
	if r := b.Run().OK(b); r.Stdout != "to stdout\n" || r.Stderr != "to stderr\n" {
		t.Errorf("stdout %q, stderr %q", r.Stdout, r.Stderr)
	}
	if info, err := os.Stat("/dev/null"); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("/dev/null has another owner: %v", err)
	}
}

func TestACwdIsMadeThoughTheRootIsReadOnly(t *testing.T) {
	b := bundle.New(t, bundle.Shell("pwd"), func(s *specs.Spec) {
		s.Root.Readonly = true
		s.Process.Cwd = "/made/here"
	})
	if out := b.RunOK(); out != "/made/here\n" {
		t.Errorf("pwd says %q", out)
	}
}

// A container that is being made has the host's root: nobody may be put there.
func TestExecWaitsUntilTheContainerIsMade(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t)
	spec := bundle.Base()
	spec.Process.Args = []string{"probe", "pause"}
	spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{shellHook("while [ ! -e " + b.Home + "/go ]; do sleep 0.02; done")}}
	b.Write(spec)
	run := b.Begin(bundle.Options{}, "run", "--detach", "--bundle", b.Dir, b.ID)
	if !bundle.Eventually(func() bool { return b.Corten("state", b.ID).Status == 0 }) {
		t.Fatal("no state")
	}
	exec := b.Begin(bundle.Options{}, "exec", b.ID, "probe", "open-read", "/bin/probe")
	for range 15 { // time enough for one that does not wait
		time.Sleep(20 * time.Millisecond)
		if syscall.Kill(exec.Cmd.Process.Pid, 0) != nil {
			t.Errorf("exec does not wait: %+v", exec.Wait())
			break
		}
	}
	if err := os.WriteFile(b.Home+"/go", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	run.Wait().OK(b)
	if t.Failed() {
		return
	}
	if out := exec.Wait().OK(b).Stdout; out != "ok\n" {
		t.Errorf("exec printed %q", out)
	}
}
