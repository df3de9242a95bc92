// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

func TestALifeIsCreatedRunningStoppedGone(t *testing.T) {
	b := bundle.New(t, bundle.Shell("touch /ran; exec probe pause"))
	b.Create()
	if s := b.State(); s.Status != "created" || s.PID <= 0 || s.ID != b.ID || s.Bundle != b.Dir {
		t.Errorf("after create: %+v", s)
	}
	if _, err := os.Stat(b.Rootfs("ran")); err == nil {
		t.Error("the payload ran before start")
	}
	b.Start()
	b.WaitStatus("running")
	if !bundle.Eventually(func() bool { _, err := os.Stat(b.Rootfs("ran")); return err == nil }) {
		t.Error("the payload did not run after start")
	}
	b.Corten("kill", b.ID, "KILL").OK(b)
	b.WaitStatus("stopped")
	if s := b.State(); s.PID != 0 {
		t.Errorf("a stopped container has pid %d", s.PID)
	}
	b.Corten("delete", b.ID).OK(b)
	refused(t, b.Corten("state", b.ID), "container does not exist")
}

// refused checks that a command failed with exit status 1 and the words.
func refused(t *testing.T, r bundle.Result, words string) {
	t.Helper()
	if r.Status != 1 || !strings.Contains(r.Stderr, words) {
		t.Errorf("exit status %d, want 1; stderr %q lacks %q", r.Status, r.Stderr, words)
	}
}

func TestCommandsOnAMissingContainerSayItDoesNotExist(t *testing.T) {
	b := bundle.New(t)
	for _, command := range [][]string{{"state"}, {"start"}, {"kill"}, {"delete"}, {"ps"}} {
		refused(t, b.Corten(append(command, b.ID)...), "container does not exist")
	}
}

func TestDeleteForceOfAMissingContainerExitsWith0(t *testing.T) {
	b := bundle.New(t)
	b.Corten("delete", "--force", b.ID).OK(b)
	b.Corten("delete", "--force", b.ID).OK(b)
}

func TestAnIDIsGivenOutOnce(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	b.Create()
	refused(t, b.Corten("create", "--bundle", b.Dir, b.ID), "container with given ID already exists")
	if s := b.State(); s.Status != "created" {
		t.Errorf("the first container is %s after a second create", s.Status)
	}
}

func TestAnInvalidIDIsRefused(t *testing.T) {
	b := bundle.New(t)
	for _, id := range []string{"..", ".", "a/b", "../a", "a b", "a\nb", "é"} {
		refused(t, b.Corten("create", "--bundle", b.Dir, id), "invalid container ID format")
	}
}

func TestStartIsRefusedTwice(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	b.Detach()
	refused(t, b.Corten("start", b.ID), "cannot start an already running container")
	b.Corten("kill", b.ID, "KILL").OK(b)
	b.WaitStatus("stopped")
	refused(t, b.Corten("start", b.ID), "cannot start a container that has stopped")
}

func TestDeleteOfARunningContainerIsRefused(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	b.Detach()
	refused(t, b.Corten("delete", b.ID), "is not stopped")
	b.Corten("delete", "--force", b.ID).OK(b)
}

func TestDeleteOfACreatedContainerEndsIt(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	b.Create()
	b.Corten("delete", b.ID).OK(b)
}

func TestKillOfAStoppedContainerSaysNotRunning(t *testing.T) {
	b := bundle.New(t, bundle.Args("true"))
	b.Detach()
	b.WaitStatus("stopped")
	refused(t, b.Corten("kill", b.ID, "TERM"), "container not running")
	b.Corten("kill", "--all", b.ID, "9").OK(b)
}

func TestKillTakesNamesAndNumbers(t *testing.T) {
	b := bundle.New(t, bundle.Probe("sig"))
	p := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
	p.WaitFor("ready\n")
	for _, c := range []struct{ word, printed string }{
		{"HUP", "\n1\n"}, {"SIGUSR1", "\n10\n"}, {"usr2", "\n12\n"}, {"28", "\n28"}, {"SIGRTMIN+3", "\n37\n"}, {"64", "\n64\n"},
	} {
		if !bundle.IsCorten(t) && c.word == "SIGRTMIN+3" {
			continue // its name in a peer's table may be another
		}
		b.Corten("kill", b.ID, c.word).OK(b)
		p.WaitFor(c.printed)
	}
	if r := b.Corten("kill", b.ID, "NONSENSE"); r.Status != 1 {
		t.Errorf("kill NONSENSE: exit status %d", r.Status)
	}
	b.Corten("kill", b.ID).OK(b) // TERM
	if r := p.Wait(); r.Status != 40 {
		t.Errorf("exit status %d after TERM", r.Status)
	}
}

func TestForegroundRunForwardsSignals(t *testing.T) {
	b := bundle.New(t, bundle.Probe("sig"))
	p := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
	p.WaitFor("ready\n")
	for _, n := range []syscall.Signal{1, 2, 3, 10, 12, 14, 18, 20, 35, 40, 64} {
		p.Signal(n)
		p.WaitFor(fmt.Sprintf("\n%d\n", n))
	}
	p.Signal(syscall.SIGTERM)
	if r := p.Wait(); r.Status != 40 {
		t.Errorf("exit status %d, want the payload's 40", r.Status)
	}
}

func TestPIDFileHoldsTheDigitsAlone(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	file := filepath.Join(b.Home, "pid")
	b.Create("--pid-file", file)
	if got, want := b.Raw(file), strconv.Itoa(b.State().PID); got != want {
		t.Errorf("pid file %q, state %q", got, want)
	}
	b.Start()
	exec := filepath.Join(b.Home, "exec.pid")
	b.Exec("--detach", "--pid-file", exec, "ID", "probe", "pause").OK(b)
	if pid, err := strconv.Atoi(b.Raw(exec)); err != nil || pid == b.State().PID {
		t.Errorf("exec's pid file %q", b.Raw(exec))
	}
}

func TestStateHasAnnotationsAndRootfs(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"), func(s *specs.Spec) {
		s.Annotations = map[string]string{"org.example.one": "1", "two": "zwei\n\"x\""}
	})
	b.Create()
	s := b.State()
	if s.Annotations["org.example.one"] != "1" || s.Annotations["two"] != "zwei\n\"x\"" {
		t.Errorf("annotations %q", s.Annotations)
	}
	if s.Rootfs != b.Rootfs() || s.OCIVersion == "" || s.Created == "" || s.Owner != "root" && s.Owner != "" {
		t.Errorf("state %+v", s)
	}
}

func TestListShowsEachContainerAsTableJSONAndIDs(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	if out := b.Corten("list", "--format", "json"); out.Status == 0 && strings.TrimSpace(out.Stdout) != "null" {
		t.Errorf("an empty list is %q", out.Stdout)
	}
	b.Create()
	second := b.AnotherID()
	b.Corten("run", "--detach", "--bundle", b.Dir, second).OK(b)
	var list []struct {
		ID, Status, Bundle string
		PID                int
	}
	out := b.Corten("list", "--format", "json").OK(b).Stdout
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 2 {
		t.Fatalf("list: %v %q", err, out)
	}
	for _, c := range list {
		want := map[string]string{b.ID: "created", second: "running"}[c.ID]
		if c.Status != want || c.PID == 0 || c.Bundle != b.Dir {
			t.Errorf("list has %+v, want status %s", c, want)
		}
	}
	ids := strings.Fields(b.Corten("list", "-q").OK(b).Stdout)
	if slices.Sort(ids); !slices.Equal(ids, slices.Sorted(slices.Values([]string{b.ID, second}))) {
		t.Errorf("list -q has %q", ids)
	}
	table := b.Corten("list").OK(b).Stdout
	header, _, _ := strings.Cut(table, "\n")
	if !slices.Equal(strings.Fields(header), strings.Fields("ID PID STATUS BUNDLE CREATED OWNER")) {
		t.Errorf("header %q", header)
	}
}

func TestPsListsTheContainersProcesses(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	b.Detach()
	b.Exec("--detach", "ID", "probe", "pause").OK(b)
	var pids []int
	out := b.Corten("ps", "--format", "json", b.ID).OK(b).Stdout
	if err := json.Unmarshal([]byte(out), &pids); err != nil || len(pids) != 2 || !slices.Contains(pids, b.State().PID) {
		t.Errorf("ps: %v %q", err, out)
	}
	table := b.Corten("ps", b.ID).OK(b).Stdout
	if lines := strings.Split(strings.TrimSpace(table), "\n"); len(lines) != 3 || !strings.Contains(lines[0], "PID") {
		t.Errorf("ps table %q", table)
	}
}

func TestRunKeepLeavesTheStoppedContainer(t *testing.T) {
	bundle.NeedCorten(t) // Debian's runc is older than the flag
	b := bundle.New(t, bundle.Shell("exit 5"))
	if r := b.Run("--keep"); r.Status != 5 {
		t.Errorf("exit status %d", r.Status)
	}
	if s := b.State(); s.Status != "stopped" {
		t.Errorf("status %s", s.Status)
	}
}

func TestShortContainersNeverHangNorGiveAFalseError(t *testing.T) {
	b := bundle.New(t, bundle.Args("true"))
	for i := range 30 {
		if r := b.Run(); r.Status != 0 {
			t.Fatalf("run %d: exit status %d, %s", i, r.Status, r.Stderr)
		}
	}
	b.Detach()
	for i := range 10 {
		id := b.AnotherID()
		b.Corten("create", "--bundle", b.Dir, id).OK(b)
		if r := b.Corten("start", id); r.Status != 0 {
			t.Fatalf("start %d: exit status %d, %s", i, r.Status, r.Stderr)
		}
	}
}
