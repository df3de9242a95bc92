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
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// ended is what wait --json prints.
type ended struct {
	ID         string  `json:"id"`
	ExitStatus *int    `json:"exit_status"`
	Signal     *int    `json:"signal"`
	OOMKills   *uint64 `json:"oom_kill"`
	MemoryPeak *uint64 `json:"memory_peak"`
	CPU        *uint64 `json:"cpu_usec"`
}

// waitFor begins corten wait, and returns when it waits: it has a pidfd of the
// container, and then makes the file, if it is the first.
func waitFor(t *testing.T, b *bundle.Bundle, o bundle.Options, flags ...string) *bundle.Process {
	t.Helper()
	pid, file := fmt.Sprintf("Pid:\t%d\n", b.State().PID), filepath.Join(b.Root, b.ID, "exit")
	_, first := os.Stat(file)
	p := b.Begin(o, append(append([]string{"wait"}, flags...), b.ID)...)
	if !bundle.Eventually(func() bool {
		if _, err := os.Stat(file); first != nil && err == nil {
			return true
		}
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", p.Cmd.Process.Pid))
		return slices.ContainsFunc(fds, func(fd string) bool {
			text, _ := os.ReadFile(fd)
			return strings.Contains(string(text), pid)
		})
	}) {
		t.Fatal("wait does not begin")
	}
	return p
}

// end is what wait --json has printed.
func end(t *testing.T, b *bundle.Bundle, r bundle.Result) (e ended) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.OK(b).Stdout), &e); err != nil {
		t.Fatalf("%v in %q", err, r.Stdout)
	}
	if e.ID != b.ID {
		t.Errorf("id %q", e.ID)
	}
	return e
}

func (e *ended) check(t *testing.T, status, signal int) {
	t.Helper()
	if e.ExitStatus == nil || *e.ExitStatus != status || (e.Signal == nil) != (signal == 0) || e.Signal != nil && *e.Signal != signal {
		text, _ := json.Marshal(e)
		t.Errorf("%s, want exit status %d, signal %d", text, status, signal)
	}
}

// needExitInfo skips where only a parent is told how a process ended.
func needExitInfo(t *testing.T) {
	t.Helper()
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil && err != syscall.ECHILD { // the tests reap for all
		t.Fatal(err)
	}
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if err := unix.IoctlPidfdInfo(pidfd, &info); err != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		t.Skip("the kernel has no PIDFD_INFO_EXIT (Linux 6.15)")
	}
}

// gated is a payload that ends as the words say when the file go is in its volume.
func gated(t *testing.T, words string) (*bundle.Bundle, func()) {
	t.Helper()
	b := bundle.NewEmpty(t)
	dir := b.Volume("gate")
	fifo := filepath.Join(dir, "go")
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	spec := bundle.Base()
	bundle.Mount("/gate", "bind", dir, "bind")(spec)
	bundle.Shell("echo ready; read go </gate/go; " + words)(spec)
	b.Write(spec)
	return b, func() {
		if err := os.WriteFile(fifo, []byte("go\n"), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// Others than the parent learn how a container ends, all of them the same.
func TestWaitTellsHowAContainerEnds(t *testing.T) {
	bundle.NeedCorten(t)
	needExitInfo(t)
	for _, c := range []struct {
		words  string
		status int
	}{
		{"exit 0", 0}, {"exit 7", 7}, {"exit 137", 137},
	} {
		t.Run(c.words, func(t *testing.T) {
			b, open := gated(t, c.words)
			b.Detach()
			first, second := waitFor(t, b, bundle.Options{}, "--json"), waitFor(t, b, bundle.Options{})
			open()
			e := end(t, b, first.Wait())
			e.check(t, c.status, 0)
			if text := second.Wait().OK(b).Stdout; text != strconv.Itoa(c.status)+"\n" {
				t.Errorf("without --json it printed %q", text)
			}
			// And of one that has stopped, as long as it is there.
			e = end(t, b, b.Corten("wait", "--json", b.ID))
			e.check(t, c.status, 0)
			if e.CPU == nil || *e.CPU == 0 {
				t.Error("it used no processor time")
			}
		})
	}
}

func TestWaitTellsTheSignal(t *testing.T) {
	bundle.NeedCorten(t)
	needExitInfo(t)
	b, _ := gated(t, "exit 1")
	b.Detach()
	p := waitFor(t, b, bundle.Options{}, "--json")
	b.Corten("kill", b.ID, "KILL").OK(b)
	e := end(t, b, p.Wait())
	e.check(t, 137, 9)
}

// What a container has used is known although its cgroup goes at the same moment.
func TestWaitForAForegroundContainer(t *testing.T) {
	bundle.NeedCorten(t)
	b, open := gated(t, "exit 5")
	run := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
	run.WaitFor("ready")
	p := waitFor(t, b, bundle.Options{}, "--json")
	open()
	if r := run.Wait(); r.Status != 5 {
		t.Errorf("run: exit status %d, %s", r.Status, r.Stderr)
	}
	e := end(t, b, p.Wait())
	e.check(t, 5, 0)
	if e.CPU == nil {
		t.Error("the processor time is not known")
	}
}

// On a kernel that tells only the parent, the run that is it tells.
func TestWaitForAForegroundContainerOnAnOlderKernel(t *testing.T) {
	bundle.NeedCorten(t)
	bundle.NeedStrace(t)
	b, open := gated(t, "kill -KILL $$; exit 6")
	run := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
	run.WaitFor("ready")
	old := bundle.Options{Wrap: []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=ioctl", "-e", "inject=ioctl:error=ENOTTY"}}
	p := waitFor(t, b, old, "--json")
	open()
	if r := run.Wait(); r.Status != 6 { // PID 1 does not get its own SIGKILL
		t.Errorf("run: exit status %d, %s", r.Status, r.Stderr)
	}
	e := end(t, b, p.Wait())
	e.check(t, 6, 0)
}

func TestWaitForAContainerThatIsKept(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Shell("exit 9"))
	if r := b.Run("--keep"); r.Status != 9 {
		t.Fatalf("run: exit status %d, %s", r.Status, r.Stderr)
	}
	e := end(t, b, b.Corten("wait", "--json", b.ID))
	e.check(t, 9, 0)
	if text := b.Corten("wait", b.ID).OK(b).Stdout; text != "9\n" {
		t.Errorf("printed %q", text)
	}
}

func TestWaitForAContainerThatIsDeleted(t *testing.T) {
	bundle.NeedCorten(t)
	needExitInfo(t)
	b, _ := gated(t, "exit 1")
	b.Create()
	p := waitFor(t, b, bundle.Options{}, "--json")
	b.Start()
	b.Corten("delete", "--force", b.ID).OK(b)
	e := end(t, b, p.Wait())
	e.check(t, 137, 9)
	if e.CPU == nil {
		t.Error("the processor time is not known")
	}
}

func TestWaitForWhatCannotBeKnown(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Args("true"))
	if r := b.Corten("wait", b.ID); r.Status != 1 || r.Stderr != "corten: container does not exist\n" {
		t.Errorf("of a missing one: exit status %d, %q", r.Status, r.Stderr)
	}
	b.Detach()
	b.WaitStatus("stopped")
	reaped := func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", pidOf(t, b)))
		return err != nil
	}
	if !bundle.Eventually(reaped) {
		t.Fatal("it is not reaped")
	}
	if r := b.Corten("wait", b.ID); r.Status != 1 || !strings.Contains(r.Stderr, "another process has reaped it") {
		t.Errorf("of one that was reaped: exit status %d, %q", r.Status, r.Stderr)
	}
	if e := end(t, b, b.Corten("wait", "--json", b.ID)); e.ExitStatus != nil || e.CPU == nil {
		t.Errorf("with --json, %+v", e)
	}
}

// pidOf is the pid in the state of a container, stopped or not.
func pidOf(t *testing.T, b *bundle.Bundle) int {
	t.Helper()
	var state struct{ PID int }
	if err := json.Unmarshal([]byte(b.Text(filepath.Join(b.Root, b.ID, "state.json"))), &state); err != nil {
		t.Fatal(err)
	}
	return state.PID
}

// Memory is counted, and who was killed for the want of it.
func TestWaitTellsOfMemory(t *testing.T) {
	bundle.NeedCorten(t)
	for _, view := range bundle.Views() {
		t.Run(view.String(), func(t *testing.T) {
			if yes, _ := view.Has("memory"); !yes {
				t.Skip("the view has no memory controller")
			}
			b := bundle.New(t, bundle.Shell("exec tail /dev/zero"), func(s *specs.Spec) {
				s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: bundle.Pointer[int64](8 << 20), Swap: bundle.Pointer[int64](8 << 20)}}
			})
			b.View = view
			r := b.Run("--keep")
			e := end(t, b, b.Corten("wait", "--json", b.ID))
			if r.Status != 137 || e.OOMKills == nil || *e.OOMKills == 0 || e.MemoryPeak != nil && (*e.MemoryPeak < 4<<20 || *e.MemoryPeak > 8<<20) {
				t.Errorf("exit status %d, %s; wait: %+v", r.Status, r.Stderr, e)
			}
		})
	}
}

// A user without privilege is told of his own containers.
func TestWaitForARootlessContainer(t *testing.T) {
	needExitInfo(t)
	b := rootless(t, bundle.Args("sleep", "1000"))
	b.Detach()
	p := waitFor(t, b, bundle.Options{}, "--json")
	b.Corten("kill", b.ID, "KILL").OK(b)
	e := end(t, b, p.Wait())
	e.check(t, 137, 9)
	e = end(t, b, b.Corten("wait", "--json", b.ID))
	e.check(t, 137, 9)
}
