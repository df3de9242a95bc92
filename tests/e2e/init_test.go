// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

func TestInitReapsTenThousandOrphans(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe("orphans", "10000"))
	if out := b.RunOK("--init"); out != "0\n" {
		t.Errorf("%q zombies are left", out)
	}
}

func TestTermEndsAContainerWithInitWithinASecond(t *testing.T) {
	bundle.NeedCorten(t)
	// The payload has no handler: as PID 1 it would not end.
	b := bundle.New(t, bundle.Shell("probe orphans 100; exec sleep 1000"))
	p := b.Begin(bundle.Options{Deadline: time.Second}, "run", "--init", "--bundle", b.Dir, b.ID)
	p.WaitFor("0\n")
	p.Signal(syscall.SIGTERM)
	if r := p.Wait(); r.Status != 143 {
		t.Errorf("exit status %d", r.Status)
	}
}

func TestWithoutInitThePayloadIsPIDOne(t *testing.T) {
	b := bundle.New(t, bundle.Shell("echo $$"))
	if out := b.RunOK(); out != "1\n" {
		t.Errorf("the payload is %q", out)
	}
}

func TestInitGivesBackThePayloadsStatus(t *testing.T) {
	bundle.NeedCorten(t)
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -9 $$": 137, "kill -15 $$": 143} {
		b := bundle.New(t, bundle.Shell(script))
		if r := b.Run("--init"); r.Status != want {
			t.Errorf("%s: exit status %d, want %d, %s", script, r.Status, want, r.Stderr)
		}
	}
}

func TestTheAnnotationAsksForInitToo(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Shell("echo $$"), func(s *specs.Spec) { s.Annotations = map[string]string{"corten.init": "true"} })
	if out := b.RunOK(); out == "1\n" {
		t.Error("the payload is PID 1")
	}
}

func TestInitIsConfinedAndSmall(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe("pause"))
	b.Detach("--init")
	pid := b.State().PID
	r := bundle.Report{Files: map[string]string{"/proc/self/status": b.Text(fmt.Sprintf("/proc/%d/status", pid))}}
	if kib, _ := strconv.Atoi(strings.TrimSuffix(r.Status("VmRSS"), " kB")); kib == 0 || kib >= 200 {
		t.Errorf("the init's memory is %q", r.Status("VmRSS"))
	}
	if r.Status("NoNewPrivs") != "1" || r.Caps("Eff")&^uint64(1<<5|1<<10|1<<29) != 0 {
		t.Errorf("the init has NoNewPrivs %s, CapEff %x", r.Status("NoNewPrivs"), r.Caps("Eff"))
	}
}

func TestInitForwardsSignalsToThePayload(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe("sig"))
	p := b.Begin(bundle.Options{}, "run", "--init", "--bundle", b.Dir, b.ID)
	p.WaitFor("ready\n")
	for _, n := range []syscall.Signal{1, 2, 3, 10, 12, 40} {
		p.Signal(n)
		p.WaitFor(fmt.Sprintf("\n%d\n", n))
	}
	p.Signal(syscall.SIGTERM)
	if r := p.Wait(); r.Status != 40 {
		t.Errorf("exit status %d", r.Status)
	}
}
