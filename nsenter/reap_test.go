// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// reaped starts the payload under the built-in init, in a new pid namespace.
func reaped(t *testing.T, program string, argv ...string) *session {
	t.Helper()
	b := plan.NewBuilder()
	b.Setsid(at)
	b.Signals(at)
	b.Reap(at)
	b.Lookup(at, []string{program})
	b.Execve(at, argv, nil)
	s := start(t, b, newAll)
	s.next(RecordExec)
	s.eof()
	return s
}

func TestReapStatus(t *testing.T) {
	sh := busybox(t)
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -9 $$": 137, "kill $$": 143, "sleep 100 & exit 5": 5} {
		s := reaped(t, sh, "sh", "-c", script)
		if status := s.end(); status != want {
			t.Errorf("%s: status %d, want %d", script, status, want)
		}
	}
}

// A payload that cannot be executed is PID 1's failure too.
func TestReapFailure(t *testing.T) {
	b := plan.NewBuilder()
	b.Reap(at)
	b.Lookup(at, []string{"/no/such"})
	s := start(t, b, newAll)
	if r := s.next(RecordFail); r.Step != 1 || r.Err != syscall.ENOENT {
		t.Errorf("record %+v", r)
	}
	s.eof()
	if status := s.end(); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
}

// Signals to PID 1 reach the payload; those of the terminal do not.
func TestReapForwards(t *testing.T) {
	s := reaped(t, busybox(t), "sh", "-c", "trap 'echo usr1' USR1; trap 'echo term; exit 9' TERM; echo up; while :; do sleep 0.01; done")
	lines := bufio.NewScanner(s.stdout)
	for _, step := range []struct {
		want string
		send unix.Signal
	}{{"up", unix.SIGUSR1}, {"usr1", unix.SIGTERM}, {"term", unix.SIGTTIN}} {
		if !lines.Scan() || lines.Text() != step.want {
			t.Fatalf("line %q, want %q", lines.Text(), step.want)
		}
		_ = unix.PidfdSendSignal(s.e.Pidfd, step.send, nil, 0)
	}
	if status := s.end(); status != 9 {
		t.Errorf("status %d, want 9", status)
	}
}

// 10,000 orphans leave no zombie, and PID 1 stays below 200 KiB.
func TestReapOrphans(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("needs the package gcc")
	}
	program := filepath.Join(t.TempDir(), "orphans")
	if out, err := exec.Command("gcc", "-O1", "-static", "-o", program, "executor/test/orphans.c").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := reaped(t, program, "orphans", "10000")
	if line, err := bufio.NewReader(s.stdout).ReadString('\n'); err != nil || line != "done\n" {
		t.Fatalf("line %q, error %v", line, err)
	}
	zombies := -1
	for range 200 { // PID 1 is another process: it may be a moment behind
		if zombies = children(t, s.e.PID) - 1; zombies == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if zombies != 0 {
		t.Errorf("%d zombies", zombies)
	}
	if kib := statusField(t, s.e.PID, "VmRSS"); kib >= 200 {
		t.Errorf("PID 1 has %d KiB, want less than 200", kib)
	}
	if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", s.e.PID)); string(name) != "corten-init\n" {
		t.Errorf("comm %q", name)
	}
	if fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.e.PID)); err != nil || len(fds) != 0 {
		t.Errorf("PID 1 holds %d descriptors, error %v", len(fds), err)
	}
	if err := unix.PidfdSendSignal(s.e.Pidfd, unix.SIGTERM, nil, 0); err != nil {
		t.Fatal(err)
	}
	if status := s.end(); status != 143 {
		t.Errorf("status %d, want 143", status)
	}
}

func children(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Skip("needs a kernel with CONFIG_PROC_CHILDREN")
	}
	return len(strings.Fields(string(b)))
}

// statusField is a number of /proc/PID/status; sizes are in KiB.
func statusField(t *testing.T, pid int, field string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), field+":")
	words := strings.Fields(rest)
	if len(words) == 0 {
		t.Fatalf("no %s in status", field)
	}
	n, err := strconv.Atoi(words[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
