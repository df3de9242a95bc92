// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"corten/tests/bundle"
)

// killedAt runs create and kills it, or the executor, at the n-th system call
// of a kind by strace's fault injection; false: there were fewer such calls.
func killedAt(t *testing.T, b *bundle.Bundle, calls string, n int) bool {
	t.Helper()
	trace := b.Home + "/trace"
	p := b.Begin(bundle.Options{Wrap: []string{"strace", "-I", "1", "-f", "-q", "-o", trace, "-e", "trace=" + calls,
		"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", calls, n)}}, "create", "--bundle", b.Dir, b.ID)
	began := func() bool { return strings.Contains(b.Raw(trace), "+++") }
	ended := func() bool {
		return !slices.ContainsFunc(bundle.Processes(), func(line string) bool {
			return strings.Contains(line, b.Root+" create") && !strings.Contains(line, "(strace)")
		})
	}
	if !bundle.Eventually(func() bool { _, err := os.Stat(trace); return err == nil && began() }) || !bundle.Eventually(ended) {
		t.Errorf("create does not end:\n%s", strings.Join(bundle.Processes(), "\n"))
	}
	p.Cmd.Process.Signal(syscall.SIGTERM) // it goes on as long as an executor lives
	p.Wait()
	return strings.Contains(b.Raw(trace), "killed by SIGKILL")
}

func TestDeleteForceCleansUpAfterCreateWasKilledAtACall(t *testing.T) {
	bundle.NeedCorten(t)
	bundle.NeedStrace(t)
	points := 0
	for _, c := range []struct {
		calls string
		at    []int
	}{
		{"mkdirat,mkdir", []int{1, 2, 3, 5, 8}}, {"openat,openat2", []int{5, 15, 25, 40}}, {"write", []int{1, 2, 3, 4, 6, 8}},
		{"clone,clone3", []int{1, 2, 3, 4, 5, 6}}, {"renameat,renameat2,rename", []int{1, 2, 3}}, {"memfd_create", []int{1}},
		{"flock", []int{1, 2}}, {"pipe2,socketpair", []int{1, 2, 3}}, {"mknodat", []int{1}}, {"close", []int{10, 30}},
	} {
		for _, n := range c.at {
			t.Run(fmt.Sprintf("%s %d", c.calls, n), func(t *testing.T) {
				b := bundle.New(t, bundle.Probe("pause"))
				if !killedAt(t, b, c.calls, n) {
					return
				}
				points++
				againAfterForce(t, b)
			})
		}
	}
	if points < 20 {
		t.Errorf("create was killed at %d points only", points)
	}
}

// againAfterForce checks that delete --force exits 0, leaves nothing, and
// that the id is free.
func againAfterForce(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	b.Corten("delete", "--force", b.ID).OK(b)
	b.CheckLeaks()
	b.Corten("delete", "--force", b.ID).OK(b)
	b.Create()
	b.Start()
	b.WaitStatus("running")
	b.Corten("delete", "--force", b.ID).OK(b)
}

func TestDeleteForceCleansUpAfterCreateWasKilledAtATime(t *testing.T) {
	bundle.NeedCorten(t)
	for i := range 20 {
		b := bundle.New(t, bundle.Probe("pause"))
		p := b.Begin(bundle.Options{}, "create", "--bundle", b.Dir, b.ID)
		time.Sleep(time.Duration(i) * 400 * time.Microsecond)
		p.Cmd.Process.Kill()
		p.Wait()
		againAfterForce(t, b)
	}
}

func TestAKilledForegroundRunLeavesAContainerThatDeleteRemoves(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"))
	p := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
	p.WaitFor("ready")
	p.Cmd.Process.Kill()
	p.Wait()
	b.Corten("delete", "--force", b.ID).OK(b)
	b.CheckLeaks()
}

func TestListAndStateLiveWithOddEntriesInTheRoot(t *testing.T) {
	bundle.NeedCorten(t)
	b := running(t)
	for _, d := range []string{"half", "other"} {
		if err := os.MkdirAll(b.Root+"/"+d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(b.Root+"/other/state.json", []byte("{nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Corten("list", "-q").OK(b)
	b.State()
	b.Corten("delete", "--force", "half").OK(b)
	b.Corten("delete", "--force", "other").OK(b)
}
