// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"corten/tests/bundle"
)

// counting is a payload that counts in /tmp/n.
func counting(t *testing.T, view bundle.View) *bundle.Bundle {
	b := bundle.New(t, bundle.Shell(`i=0; while :; do i=$((i+1)); echo $i >/tmp/n; mv /tmp/n /tmp/count; done`))
	if os.Symlink("busybox", b.Rootfs("bin/mv")) != nil {
		t.Fatal("no mv")
	}
	b.View = view
	return b
}

// goesOn says whether the payload counts on.
func goesOn(b *bundle.Bundle) bool {
	was := count(b)
	return bundle.Eventually(func() bool { return count(b) > was })
}

func count(b *bundle.Bundle) int {
	text, _ := os.ReadFile(b.Rootfs("tmp/count"))
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

func inAllViews(t *testing.T, test func(*testing.T, bundle.View)) {
	for _, view := range bundle.Views() {
		t.Run(view.String(), func(t *testing.T) { test(t, view) })
	}
}

func TestPauseStopsThePayloadAndResumeLetsItGoOn(t *testing.T) {
	inAllViews(t, func(t *testing.T, view bundle.View) {
		b := counting(t, view)
		b.Detach()
		for range 3 {
			if !goesOn(b) {
				t.Fatal("the payload does not run")
			}
			b.Corten("pause", b.ID).OK(b)
			was := count(b)
			if s := b.State(); s.Status != "paused" || s.PID == 0 {
				t.Errorf("state of a paused container: %+v", s)
			}
			time.Sleep(20 * time.Millisecond)
			if now := count(b); now != was {
				t.Errorf("paused, the payload has counted from %d to %d", was, now)
			}
			b.Corten("resume", b.ID).OK(b)
			if s := b.State(); s.Status != "running" {
				t.Errorf("resumed, the container is %s", s.Status)
			}
		}
	})
}

func TestPauseAndResumeInTheWrongState(t *testing.T) {
	inAllViews(t, func(t *testing.T, view bundle.View) {
		b := bundle.New(t, bundle.Probe("pause"))
		b.View = view
		refused(t, b.Corten("pause", b.ID), "container does not exist")
		refused(t, b.Corten("resume", b.ID), "container does not exist")
		b.Detach()
		refused(t, b.Corten("resume", b.ID), "container not paused")
		b.Corten("pause", b.ID).OK(b)
		refused(t, b.Corten("pause", b.ID), "container not running")
		refused(t, b.Corten("delete", b.ID), "cannot delete container "+b.ID+" that is not stopped: paused")
		b.Corten("resume", b.ID).OK(b)
		b.Corten("kill", b.ID, "KILL").OK(b)
		b.WaitStatus("stopped")
		refused(t, b.Corten("pause", b.ID), "container not running")
		refused(t, b.Corten("resume", b.ID), "container not paused")
	})
}

func TestACreatedContainerCanBePaused(t *testing.T) {
	inAllViews(t, func(t *testing.T, view bundle.View) {
		b := bundle.New(t, bundle.Probe("pause"))
		b.View = view
		b.Create()
		b.Corten("pause", b.ID).OK(b)
		if s := b.State(); s.Status != "paused" {
			t.Errorf("it is %s", s.Status)
		}
		refused(t, b.Corten("start", b.ID), "cannot start a container in the paused state")
		b.Corten("resume", b.ID).OK(b)
		b.WaitStatus("created")
		b.Start()
		b.WaitStatus("running")
	})
}

func TestExecIntoAPausedContainer(t *testing.T) {
	inAllViews(t, func(t *testing.T, view bundle.View) {
		b := bundle.New(t, bundle.Probe("pause"))
		b.View = view
		b.Detach()
		b.Corten("pause", b.ID).OK(b)
		r := b.Exec("ID", "true")
		if r.Status != 255 || !strings.Contains(r.Stderr, "cannot exec in a paused container (use --ignore-paused to override)") {
			t.Errorf("status %d: %s", r.Status, r.Stderr)
		}
		waiting := b.Begin(bundle.Options{}, "exec", "--ignore-paused", b.ID, "echo", "went on")
		polling(t, waiting)
		if waiting.Stdout() != "" {
			t.Error("a process of a paused container runs")
		}
		b.Corten("resume", b.ID).OK(b)
		if r := waiting.Wait(); r.Status != 0 || r.Stdout != "went on\n" {
			t.Errorf("status %d: %s%s", r.Status, r.Stdout, r.Stderr)
		}
	})
}

// polling waits until a command of the runtime waits.
func polling(t *testing.T, p *bundle.Process) {
	t.Helper()
	if !bundle.Eventually(func() bool {
		text, _ := os.ReadFile("/proc/" + strconv.Itoa(p.Cmd.Process.Pid) + "/wchan")
		return strings.Contains(string(text), "poll")
	}) {
		t.Fatal("the command does not wait")
	}
}

func TestAnExecThatWaitsInAPausedContainerCanBeEnded(t *testing.T) {
	inAllViews(t, func(t *testing.T, view bundle.View) {
		b := bundle.New(t, bundle.Probe("pause"))
		b.View = view
		b.Detach()
		b.Corten("pause", b.ID).OK(b)
		waiting := b.Begin(bundle.Options{}, "exec", "--ignore-paused", b.ID, "true")
		polling(t, waiting)
		waiting.Signal(syscall.SIGTERM)
		if r := waiting.Wait(); r.Status != 255 || !strings.Contains(r.Stderr, "ended by signal SIGTERM before the program ran") {
			t.Errorf("status %d: %s", r.Status, r.Stderr)
		}
		if s := b.State(); s.Status != "paused" {
			t.Errorf("the container is %s", s.Status)
		}
	})
}

// The v2 freezer of a hybrid host is not the one that pause uses: a container
// that somebody freezes by it looks like one that is about to be paused.
func TestAnExecThatGetsIntoAFrozenCgroupIsRefused(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	b.Detach()
	freeze := cgroupOf(t, b, "") + "/cgroup.freeze"
	if _, err := os.Stat(freeze); err != nil {
		t.Skip("this machine has no freezer of cgroup v2")
	}
	if err := os.WriteFile(freeze, []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	for _, wrap := range [][]string{nil, {"taskset", "-c", "0"}} {
		r := b.CortenWith(bundle.Options{Wrap: wrap}, "exec", b.ID, "true")
		if r.Status != 255 || !strings.Contains(r.Stderr, "cannot exec in a paused container") {
			t.Errorf("status %d: %s", r.Status, r.Stderr)
		}
	}
	if err := os.WriteFile(freeze, []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	b.Exec("ID", "true").OK(b)
}

func TestAPausedContainerCanBeKilledAndDeleted(t *testing.T) {
	inAllViews(t, func(t *testing.T, view bundle.View) {
		for _, all := range []bool{false, true} {
			b := counting(t, view)
			b.Detach()
			b.Corten("pause", b.ID).OK(b)
			words := []string{"kill", b.ID, "KILL"}
			if all {
				words = append(words, "--all")
			}
			b.Corten(words...).OK(b)
			b.WaitStatus("stopped")
			b.Corten("delete", b.ID).OK(b)
		}
		b := counting(t, view)
		b.Detach()
		b.Corten("pause", b.ID).OK(b)
		b.Corten("delete", "--force", b.ID).OK(b)
	})
}

// command is a command of the runtime that may run beside others. Its output goes
// to a file, as a payload keeps it open.
func command(b *bundle.Bundle, words ...string) (output string, status int) {
	file, err := os.CreateTemp(b.Home, "output")
	if err != nil {
		return err.Error(), -1
	}
	defer os.Remove(file.Name())
	defer file.Close()
	words = b.Command(words...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = file, file
	timer := time.AfterFunc(bundle.Deadline, func() { cmd.Process.Kill() })
	defer timer.Stop()
	err = cmd.Run()
	text, _ := os.ReadFile(file.Name())
	if cmd.ProcessState == nil {
		return err.Error(), -1
	}
	if !timer.Stop() {
		return string(text) + " killed after the deadline", -1
	}
	return string(text), cmd.ProcessState.ExitCode()
}
