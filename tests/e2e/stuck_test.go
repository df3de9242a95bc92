// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

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

// silentDisk is a file system of FUSE whose server reads no request.
func silentDisk(t *testing.T) string {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip("the kernel has no FUSE: ", err)
	}
	dir := t.TempDir()
	if err := unix.Mount("silent", dir, "fuse.silent", 0, fmt.Sprintf("fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other", fd)); err != nil {
		t.Fatal("mount fuse: ", err)
	}
	t.Cleanup(func() {
		unix.Unmount(dir, unix.MNT_DETACH)
		unix.Close(fd) // who still waits gets an error
	})
	return dir
}

func TestAFileSystemThatDoesNotAnswerIsNamed(t *testing.T) {
	bundle.NeedCorten(t) // others wait for ever
	disk := silentDisk(t)
	bind := bundle.Mount("/mnt", "bind", disk+"/volume", "rbind")
	for _, c := range []struct {
		name, where string
		edit        bundle.Edit
		option      bool
	}{
		{"a bind's source", "/source: open_tree ", bind, true},
		{"by the environment", "/source: open_tree ", bind, false},
		{"an overlay's layer", "/options", bundle.Mount("/mnt", "overlay", "overlay", "lowerdir="+disk+"/a:"+disk+"/b"), true},
		{"the root", "config.json#/root/path: stat ", func(s *specs.Spec) { s.Root.Path = disk + "/rootfs" }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.New(t, bundle.Args("true"), c.edit)
			b.Unchecked("it would wait for the file system")
			words, o := []string{"run", "--bundle", b.Dir, b.ID}, bundle.Options{}
			if c.option {
				words = append([]string{"--timeout", "1"}, words...)
			} else {
				o.Env = []string{"CORTEN_TIMEOUT=1"}
			}
			r := b.CortenWith(o, words...)
			refused(t, r, c.where)
			refused(t, r, "no end after 1s: the file system at "+disk+" (fuse.silent) does not answer")
			b.CheckLeaks()
		})
	}
}

func TestATimeoutThatIsNoneIsRefused(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Args("true"))
	for _, text := range []string{"0", "-1", "1000001", "9223372036854775807"} {
		refused(t, b.Corten("--timeout", text, "list"), "--timeout takes 1 to 1000000 seconds")
		refused(t, b.CortenWith(bundle.Options{Env: []string{"CORTEN_TIMEOUT=" + text}}, "list"), "CORTEN_TIMEOUT takes 1 to 1000000 seconds")
	}
}

// A hook without a timeout may take longer than a file system.
func TestAHookMayStandStill(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{Path: "/bin/sleep", Args: []string{"sleep", "3"}}}}
	})
	b.Corten("--timeout", "1", "run", "--bundle", b.Dir, b.ID).OK(b)
}

// The runtime itself is stopped in the middle of a create, as by ^Z, with the
// container locked: who waits for it says so, and delete --force need not wait.
func TestDeleteForceEndsACreateThatIsStopped(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe("pause"), func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "kill -STOP $PPID"}}}}
	})
	p := b.Begin(bundle.Options{}, "create", "--bundle", b.Dir, b.ID)
	stat := fmt.Sprintf("/proc/%d/stat", p.Cmd.Process.Pid)
	if !bundle.Eventually(func() bool { return strings.Contains(b.Text(stat), ") T ") }) {
		t.Fatalf("the runtime is not stopped: %s", b.Text(stat))
	}
	r := b.Corten("--timeout", "1", "start", b.ID)
	refused(t, r, fmt.Sprintf("is being changed by process %d (corten, T), and has been for 1s", p.Cmd.Process.Pid))
	b.Corten("delete", "--force", b.ID).OK(b)
	if r := p.Wait(); r.Status != 128+9 {
		t.Errorf("create: exit status %d: %s", r.Status, r.Stderr)
	}
	b.CheckLeaks()
}

// Nothing of the container runs later, either.
func TestAStartOfAnExecutorThatIsStoppedEnds(t *testing.T) {
	bundle.NeedCorten(t) // runc waits for ever
	b := bundle.New(t, bundle.Probe("pause"))
	b.Create()
	pid := b.State().PID
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r := b.Corten("--timeout", "1", "start", b.ID)
	refused(t, r, "no end after 1s: a signal has stopped the executor")
	b.WaitStatus("stopped")
	b.Corten("delete", b.ID).OK(b)
}
