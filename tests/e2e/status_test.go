// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"corten/tests/bundle"
)

func TestRunExitsWithThePayloadsStatus(t *testing.T) {
	for _, c := range []struct {
		script string
		status int
	}{
		{"exit 0", 0}, {"exit 3", 3}, {"exit 255", 255},
		// Not PID 1's own death: signals without a handler do not reach it.
		{"sh -c 'kill -9 $$'; exit $?", 137}, {"sh -c 'kill -15 $$'; exit $?", 143},
	} {
		t.Run(c.script, func(t *testing.T) {
			b := bundle.New(t, bundle.Shell(c.script))
			if r := b.Run(); r.Status != c.status {
				t.Errorf("exit status %d, want %d\n%s", r.Status, c.status, r.Stderr)
			}
		})
	}
}

func TestRunExitsWith128PlusTheSignalThatKilledThePayload(t *testing.T) {
	for _, n := range []int{9, 15} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			b := bundle.New(t, bundle.Probe("pause"))
			p := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
			p.WaitFor("ready")
			b.Corten("kill", b.ID, fmt.Sprint(n)).OK(b)
			if r := p.Wait(); r.Status != 128+n {
				t.Errorf("exit status %d, want %d\n%s", r.Status, 128+n, r.Stderr)
			}
		})
	}
}

func TestStdinIsReadToItsEndThroughAPipe(t *testing.T) {
	b := bundle.New(t, bundle.Probe("stdin"))
	r := b.CortenWith(bundle.Options{Stdin: bytes.NewReader(make([]byte, 3<<20))}, "run", "--bundle", b.Dir, b.ID)
	if got := r.OK(b).Stdout; got != "3145728 0\n" {
		t.Errorf("the payload read %q", got)
	}
}

func TestStdoutAndStderrStayApart(t *testing.T) {
	b := bundle.New(t, bundle.Shell("echo out; echo err >&2"))
	if r := b.Run().OK(b); r.Stdout != "out\n" || r.Stderr != "err\n" {
		t.Errorf("stdout %q, stderr %q", r.Stdout, r.Stderr)
	}
}

func TestMuchOutputGoesThroughAPipeWhole(t *testing.T) {
	b := bundle.New(t, bundle.Shell("head -c 5000000 /dev/zero"))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	count := make(chan int)
	go func() {
		n, buf := 0, make([]byte, 1<<16)
		for {
			k, err := r.Read(buf)
			if n += k; err != nil {
				count <- n
				return
			}
		}
	}()
	p := b.Begin(bundle.Options{Stdout: w}, "run", "--bundle", b.Dir, b.ID)
	w.Close()
	p.Wait().OK(b)
	if n := <-count; n != 5000000 {
		t.Errorf("%d bytes came", n)
	}
}

func TestAMissingCommandIsNamedInTheWordsEnginesMatch(t *testing.T) {
	b := bundle.New(t, bundle.Args("no-such-command"))
	r := b.Run()
	if r.Status == 0 || !strings.Contains(r.Stderr, "executable file not found in $PATH") ||
		!strings.Contains(r.Stderr, "no-such-command") {
		t.Errorf("exit status %d, stderr %q", r.Status, r.Stderr)
	}
}

// cve: CVE-2022-29526
func TestACommandThatMayNotBeExecutedIsPermissionDenied(t *testing.T) {
	b := bundle.New(t, bundle.Args("/etc/passwd"))
	if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "permission denied") {
		t.Errorf("exit status %d, stderr %q", r.Status, r.Stderr)
	}
}
