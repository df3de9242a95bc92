// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// hookKinds are in the order in which they run.
var hookKinds = []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}

// hookList is where a kind's hooks are.
func hookList(h *specs.Hooks, kind string) *[]specs.Hook {
	switch kind {
	case "prestart":
		return &h.Prestart //nolint:staticcheck // deprecated, and used
	case "createRuntime":
		return &h.CreateRuntime
	case "createContainer":
		return &h.CreateContainer
	case "startContainer":
		return &h.StartContainer
	case "poststart":
		return &h.Poststart
	}
	return &h.Poststop
}

// shellHook is a hook with a shell that the host and the rootfs have.
func shellHook(script string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

// hooked makes a bundle with a directory that the host and the container have
// at the same path, which is returned, and adds hooks by kind.
func hooked(t *testing.T, hooks func(kind, dir string) []specs.Hook, edits ...bundle.Edit) (*bundle.Bundle, string) {
	t.Helper()
	b := bundle.NewEmpty(t)
	dir := b.Volume("hooks")
	spec := bundle.Base()
	for _, edit := range append([]bundle.Edit{bundle.Probe("pause"), bundle.Mount(dir, "bind", dir, "rbind", "rw")}, edits...) {
		edit(spec)
	}
	spec.Hooks = &specs.Hooks{}
	for _, kind := range hookKinds {
		*hookList(spec.Hooks, kind) = hooks(kind, dir)
	}
	b.Write(spec)
	return b, dir
}

// life is create, start, kill and delete up to the first that fails, and says
// which that was and how it ended, with its warnings in stderr.
func life(t *testing.T, b *bundle.Bundle) (verb string, r bundle.Result, maxrss int64) {
	t.Helper()
	for _, args := range [][]string{{"create", "--bundle", b.Dir, b.ID}, {"start", b.ID}, {"kill", b.ID, "KILL"}, {"delete", b.ID}} {
		if args[0] == "delete" {
			b.WaitStatus("stopped")
		}
		p := b.Begin(bundle.Options{}, append([]string{"--debug"}, args...)...)
		r, verb = p.Wait(), args[0]
		maxrss = max(maxrss, p.Cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
		if r.Status != 0 {
			break
		}
	}
	return verb, r, maxrss
}

// failsIn is the command that a hook's failure is the error of.
var failsIn = map[string]string{"prestart": "create", "createRuntime": "create", "createContainer": "create",
	"startContainer": "start", "poststart": "start", "poststop": "delete"}

// Six kinds of hooks, and what each may do. A hang is found by the deadline of
// a command, memory by the largest resident set of the runtime and its children.
//
// spec: hooks.prestart[].timeout, hooks.createRuntime[].timeout, hooks.createContainer[].timeout, hooks.startContainer[].timeout, hooks.poststart[].timeout, hooks.poststop[].timeout
func TestWhatAHookDoesHasItsResultInBoundedTimeAndMemory(t *testing.T) {
	bundle.NeedCorten(t)
	blocks := "16384" // of 64 KiB
	if testing.Short() {
		blocks = "2048"
	}
	for _, c := range []struct {
		name, script string
		timeout      int
		end          string // of the error; "": none
	}{
		{"succeeds", "echo fine", 5, ""},
		{"fails", "echo oops; echo more >&2; exit 3", 0, `exit status 3, output: "oops\nmore"`},
		{"is killed", "kill -9 $$", 0, "signal 9"},
		{"times out", "echo slow; exec sleep 300", 1, `hook ran past specified timeout of 1.0s, output: "slow"`},
		{"times out with its children", "echo slow; sleep 300 & sleep 300; :", 1, `hook ran past specified timeout of 1.0s, output: "slow"`},
		{"leaves a daemon that holds its output", daemon, 0, ""},
		{"leaves a daemon that holds its output, and times out", daemon + "; exec sleep 300", 1, "hook ran past specified timeout of 1.0s"},
		{"floods", "/bin/busybox dd if=/dev/zero bs=65536 count=" + blocks + " 2>/dev/null; echo end; exit 3", 0, `\x00\x00end"`},
		{"closes its descriptors", "exec <&- >&- 2>&-; sleep 0.2; exit 4", 5, "exit status 4"},
	} {
		for _, kind := range hookKinds {
			t.Run(kind+" "+c.name, func(t *testing.T) {
				b, dir := hooked(t, func(k, dir string) []specs.Hook {
					if k != kind {
						return nil
					}
					h := shellHook("D=" + dir + "; echo ran >$D/ran; " + c.script)
					if c.timeout > 0 {
						h.Timeout = &c.timeout
					}
					return []specs.Hook{h}
				})
				defer killDaemon(t, kind, dir)
				verb, r, maxrss := life(t, b)
				what := "config.json#/hooks/" + kind + "/0: run /bin/sh: "
				switch {
				case c.end == "" || kind == "poststop":
					if verb != "delete" || r.Status != 0 {
						t.Errorf("%s: exit status %d, %s", verb, r.Status, r.Stderr)
					}
				case verb != failsIn[kind]:
					t.Errorf("%s failed, want %s to: %s", verb, failsIn[kind], r.Stderr)
				default:
					refused(t, r, what)
				}
				if len(r.Stderr) > 20000 {
					t.Errorf("%d bytes of error", len(r.Stderr))
				}
				r.Stderr = strings.ReplaceAll(r.Stderr, `\x00`+strings.Repeat(`\x00`, 100), "")
				if !strings.Contains(r.Stderr, c.end) || c.end != "" && !strings.Contains(r.Stderr, what) {
					t.Errorf("stderr %q lacks %q", r.Stderr, c.end)
				}
				if b.Text(dir+"/ran") != "ran" {
					t.Error("the hook did not run")
				}
				if maxrss > 48<<10 {
					t.Errorf("%d KiB resident", maxrss)
				}
				refused(t, b.Corten("state", b.ID), "container does not exist")
			})
		}
	}
}

// daemon leaves a process in a session of its own, which holds stdout.
const daemon = `/bin/busybox setsid sh -c 'echo $$ >'$D'/pid.new; mv '$D'/pid.new '$D'/pid; exec sleep 300' & while ! test -e $D/pid; do sleep 0.02; done`

// killDaemon ends what a hook of the runtime has left. What one of the
// container has left is gone with it.
func killDaemon(t *testing.T, kind, dir string) {
	text, err := os.ReadFile(dir + "/pid")
	if err != nil || kind == "createContainer" || kind == "startContainer" {
		return
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if pid < 2 || syscall.Kill(pid, syscall.SIGKILL) != nil {
		t.Errorf("the daemon %q is gone", text)
	}
}

// spec: hooks.prestart[].path, hooks.createRuntime[].path, hooks.createContainer[].path, hooks.startContainer[].path, hooks.poststart[].path, hooks.poststop[].path
// spec: hooks.prestart[].args, hooks.createRuntime[].args, hooks.createContainer[].args, hooks.startContainer[].args, hooks.poststart[].args, hooks.poststop[].args
func TestHooksRunInTheirOrderWithTheirArguments(t *testing.T) {
	b, dir := hooked(t, func(kind, dir string) []specs.Hook {
		first, second := shellHook("echo "+kind+" 1 $0 $1 >>"+dir+"/order"), shellHook("echo "+kind+" 2 $0 >>"+dir+"/order")
		first.Args = append(first.Args, "zero", "one")
		second.Args = append(second.Args, "zero")
		return []specs.Hook{first, second}
	})
	if verb, r, _ := life(t, b); r.Status != 0 {
		t.Fatalf("%s: %s", verb, r.Stderr)
	}
	want := ""
	for _, kind := range hookKinds {
		want += kind + " 1 zero one\n" + kind + " 2 zero\n"
	}
	if got := b.Raw(dir + "/order"); got != want {
		t.Errorf("they ran as\n%s", got)
	}
}

// busybox is what its first argument says it is.
func TestAHooksNameIsItsFirstArgument(t *testing.T) {
	b, dir := hooked(t, func(kind, dir string) []specs.Hook {
		return []specs.Hook{{Path: "/bin/busybox", Args: []string{"touch", dir + "/" + kind}}}
	})
	if verb, r, _ := life(t, b); r.Status != 0 {
		t.Fatalf("%s: %s", verb, r.Stderr)
	}
	for _, kind := range hookKinds {
		if _, err := os.Stat(dir + "/" + kind); err != nil {
			t.Error(err)
		}
	}
}

// seen is what a hook found.
type seen struct {
	specs.State
	mount, pid, dir, env, bundle, rootfs string
}

// watchingHooks write down what they find, one of each kind.
func watchingHooks(kind, dir string) []specs.Hook {
	h := shellHook("cd . ; cat >" + dir + "/" + kind + ".state; { readlink /proc/self/ns/mnt; readlink /proc/self/ns/pid; pwd; " +
		"/bin/busybox env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= | tr '\\n' ' '; echo; test -e $BUNDLE/config.json; echo $?; test -e /bin/probe; echo $?; } >" + dir + "/" + kind)
	h.Env = append(h.Env, "BUNDLE="+filepath.Dir(filepath.Dir(dir))+"/bundle")
	return []specs.Hook{h}
}

func found(t *testing.T, b *bundle.Bundle, dir, kind string) (s seen) {
	t.Helper()
	if err := json.Unmarshal([]byte(b.Raw(dir+"/"+kind+".state")), &s.State); err != nil {
		t.Errorf("%s: %v", kind, err)
	}
	lines := strings.Split(b.Text(dir+"/"+kind), "\n")
	if len(lines) != 6 {
		t.Fatalf("%s: %q", kind, lines)
	}
	s.mount, s.pid, s.dir, s.env, s.bundle, s.rootfs = lines[0], lines[1], lines[2], lines[3], lines[4], lines[5]
	return s
}

// cve: CVE-2025-23266
// spec: annotations
// spec: hooks.prestart[].env, hooks.createRuntime[].env, hooks.createContainer[].env, hooks.startContainer[].env, hooks.poststart[].env, hooks.poststop[].env
func TestHooksRunInTheNamespacesAndWithTheStateTheSpecNames(t *testing.T) {
	bundle.NeedCorten(t)
	for _, c := range []struct {
		name string
		edit bundle.Edit
		own  bool // a pid namespace of its own
	}{
		{"own pid namespace", func(*specs.Spec) {}, true},
		{"no pid namespace", bundle.WithoutNamespace(specs.PIDNamespace), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, dir := hooked(t, watchingHooks, c.edit, func(s *specs.Spec) {
				s.Annotations = map[string]string{"a\"b": "c"}
				s.Process.Env = append(s.Process.Env, "LD_PRELOAD=/nonexistent") // no hook's business
				s.Process.Cwd = "/usr"
			})
			b.CortenWith(bundle.Options{Env: []string{"SECRET=of the caller"}}, "create", "--bundle", b.Dir, b.ID).OK(b)
			pid := b.State().PID
			b.Start()
			b.Corten("delete", "--force", b.ID).OK(b)
			mine, _ := os.Readlink("/proc/self/ns/mnt")
			for _, kind := range hookKinds {
				s := found(t, b, dir, kind)
				inside := kind == "createContainer" || kind == "startContainer"
				want := specs.State{Version: specs.Version, ID: b.ID, Bundle: b.Dir, Pid: pid, Status: specs.ContainerState(map[string]string{
					"startContainer": "created", "poststart": "running", "poststop": "stopped"}[kind])}
				if want.Status == "" {
					want.Status = "creating"
				}
				if kind == "poststop" {
					want.Pid = 0
				} else if inside && c.own {
					want.Pid = 1
				}
				annotations := s.Annotations
				s.State.Annotations = nil
				if s.Version != want.Version || s.ID != want.ID || s.Bundle != want.Bundle || s.Pid != want.Pid || s.Status != want.Status || annotations["a\"b"] != "c" {
					t.Errorf("%s: state %+v %v, want %+v", kind, s.State, annotations, want)
				}
				if (s.mount == mine) == inside {
					t.Errorf("%s: in mount namespace %s, the runtime in %s", kind, s.mount, mine)
				}
				if s.env != "BUNDLE="+b.Dir+" PATH=/usr/bin:/bin " && s.env != "PATH=/usr/bin:/bin BUNDLE="+b.Dir+" " {
					t.Errorf("%s: environment %q", kind, s.env)
				}
				root, cwd := "0 1", b.Dir // the host's
				if kind == "startContainer" {
					root, cwd = "1 0", "/usr"
				}
				if got := s.bundle + " " + s.rootfs; got != root {
					t.Errorf("%s: bundle and rootfs are %s, want %s: pivot_root is at the wrong place", kind, got, root)
				}
				if s.dir != cwd {
					t.Errorf("%s: working directory %s, want %s", kind, s.dir, cwd)
				}
			}
		})
	}
}

// The mounts of the container are there when createContainer runs, its network
// namespace when createRuntime does.
func TestHooksOfCreateFindTheContainersNamespaces(t *testing.T) {
	b, dir := hooked(t, func(kind, dir string) []specs.Hook {
		switch kind {
		case "createRuntime":
			return []specs.Hook{shellHook(`p=$(sed 's/.*"pid":\([0-9]*\).*/\1/'); readlink /proc/$p/ns/net /proc/$p/ns/mnt >` + dir + "/" + kind)}
		case "createContainer":
			return []specs.Hook{shellHook("readlink /proc/self/ns/net /proc/self/ns/mnt >" + dir + "/" + kind + "; grep -c ' /dev/mqueue ' /proc/self/mountinfo >>" + dir + "/" + kind)}
		}
		return nil
	}, bundle.WithoutNamespace(specs.PIDNamespace))
	b.Create()
	pid := "/proc/" + strconv.Itoa(b.State().PID)
	net, _ := os.Readlink(pid + "/ns/net")
	mnt, _ := os.Readlink(pid + "/ns/mnt")
	if got := b.Text(dir + "/createRuntime"); got != net+"\n"+mnt {
		t.Errorf("createRuntime saw %q, the container has %s %s", got, net, mnt)
	}
	if got := b.Text(dir + "/createContainer"); !strings.HasPrefix(got, net+"\n"+mnt+"\n") || strings.HasSuffix(got, "\n0") {
		t.Errorf("createContainer saw %q, the container has %s %s", got, net, mnt)
	}
}

func TestTheFirstHookThatFailsStopsTheRestAndPoststopRuns(t *testing.T) {
	for _, kind := range hookKinds {
		t.Run(kind, func(t *testing.T) {
			b, dir := hooked(t, func(k, dir string) []specs.Hook {
				hooks := []specs.Hook{shellHook("echo " + k + " >>" + dir + "/order")}
				if k == kind {
					hooks = append(hooks, shellHook("exit 3"), shellHook("echo rest >>"+dir+"/order"))
				}
				return hooks
			})
			_, r, _ := life(t, b)
			if !strings.Contains(r.Stderr, "config.json#/hooks/"+kind+"/1: ") {
				t.Errorf("stderr %q", r.Stderr)
			}
			want := ""
			for _, k := range hookKinds {
				if want += k + "\n"; k == kind {
					break
				}
			}
			if kind == "poststop" {
				want += "rest\n" // its failures are warnings
			} else {
				want += "poststop\n"
			}
			if got := b.Raw(dir + "/order"); got != want {
				t.Errorf("ran %q, want %q", got, want)
			}
		})
	}
}

func TestHooksOfRunAreThoseOfCreateStartAndDelete(t *testing.T) {
	write := func(k, dir string) []specs.Hook { return []specs.Hook{shellHook("echo " + k + " >>" + dir + "/order")} }
	t.Run("foreground", func(t *testing.T) {
		b, dir := hooked(t, write, bundle.Shell("exit 9"))
		if r := b.Run(); r.Status != 9 {
			t.Errorf("exit status %d, %s", r.Status, r.Stderr)
		}
		if got := b.Raw(dir + "/order"); got != strings.Join(hookKinds, "\n")+"\n" {
			t.Errorf("ran %q", got)
		}
	})
	for _, flags := range [][]string{nil, {"--detach"}} {
		for _, kind := range hookKinds[:5] {
			t.Run(kind+" fails"+strings.Join(flags, ""), func(t *testing.T) {
				b, dir := hooked(t, func(k, dir string) []specs.Hook {
					if k == kind {
						return []specs.Hook{shellHook("exit 3")}
					}
					return write(k, dir)
				})
				refused(t, b.Run(append(flags, "--pid-file", b.Home+"/pid")...), "config.json#/hooks/"+kind+"/0: run /bin/sh: exit status 3")
				refused(t, b.Corten("state", b.ID), "container does not exist")
				if got := b.Raw(dir + "/order"); !strings.HasSuffix(got, "poststop\n") {
					t.Errorf("ran %q", got)
				}
				if _, err := os.Stat(b.Home + "/pid"); err == nil {
					t.Error("the pid file is left")
				}
			})
		}
	}
}

func TestPoststopRunsOnceThoughTheBundleIsGone(t *testing.T) {
	b, dir := hooked(t, func(k, dir string) []specs.Hook {
		if k != "poststop" {
			return nil
		}
		return []specs.Hook{shellHook("pwd >>" + dir + "/order")}
	})
	b.Create()
	if err := os.Rename(b.Dir, b.Dir+".gone"); err != nil {
		t.Fatal(err)
	}
	b.Corten("delete", "--force", b.ID).OK(b)
	b.Corten("delete", "--force", b.ID).OK(b)
	if got := b.Raw(dir + "/order"); got != "/\n" {
		t.Errorf("ran %q", got)
	}
}

func TestAHookThatCannotRunIsNamedBeforeAnythingIsMade(t *testing.T) {
	for _, c := range []struct{ name, path, err string }{
		{"missing", "/nonexistent/hook", "no such file or directory"},
		{"not executable", "FILE", "permission denied"},
		{"a directory", "/", "permission denied"},
		{"relative", "bin/sh", "want an absolute path"},
	} {
		for _, kind := range hookKinds {
			t.Run(c.name+" "+kind, func(t *testing.T) {
				b, _ := hooked(t, func(k, dir string) []specs.Hook {
					file := filepath.Join(dir, "hook")
					os.WriteFile(file, []byte("#!/bin/sh\n"), 0o644)
					if k != kind {
						return nil
					}
					return []specs.Hook{{Path: strings.ReplaceAll(c.path, "FILE", file)}}
				})
				// What startContainer names is a file of the container.
				inside := kind == "startContainer" && c.name != "relative"
				if inside {
					b.Create()
					refused(t, b.Corten("start", b.ID), "config.json#/hooks/startContainer/0: run ")
				} else {
					refused(t, b.Corten("create", "--bundle", b.Dir, b.ID), "config.json#/hooks/"+kind+"/0/path: ")
					if entries, _ := os.ReadDir(b.Root); len(entries) > 0 {
						t.Errorf("made %v", entries)
					}
				}
				if err := b.Corten("state", b.ID).Stderr; !strings.Contains(err, "container does not exist") {
					t.Error(err)
				}
			})
		}
	}
}

// hang makes a container whose hook of a kind never ends.
func hang(t *testing.T, kind string) *bundle.Bundle {
	b, _ := hooked(t, func(k, dir string) []specs.Hook {
		if k != kind {
			return nil
		}
		return []specs.Hook{shellHook("sleep 60; :")}
	})
	return b
}

func TestDeleteForceEndsACreateWhoseHookHangs(t *testing.T) {
	bundle.NeedCorten(t)
	for _, kind := range hookKinds[:3] {
		t.Run(kind, func(t *testing.T) {
			b := hang(t, kind)
			b.Unchecked("it is deleted before it is made")
			p := b.Begin(bundle.Options{}, "create", "--bundle", b.Dir, b.ID)
			hanging(t, b)
			b.Corten("delete", "--force", b.ID).OK(b)
			if r := p.Wait(); r.Status != 1 {
				t.Errorf("create: exit status %d", r.Status)
			}
		})
	}
}

func TestASignalEndsARunWhoseHookHangs(t *testing.T) {
	bundle.NeedCorten(t)
	for _, kind := range hookKinds[:5] {
		t.Run(kind, func(t *testing.T) {
			b := hang(t, kind)
			p := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
			hanging(t, b)
			p.Signal(syscall.SIGTERM)
			refused(t, p.Wait(), "ended by signal SIGTERM")
			refused(t, b.Corten("state", b.ID), "container does not exist")
		})
	}
}

func TestAHookDoesNotOutliveAKilledRuntime(t *testing.T) {
	bundle.NeedCorten(t)
	for _, kind := range hookKinds[:3] {
		t.Run(kind, func(t *testing.T) {
			b, dir := hooked(t, func(k, dir string) []specs.Hook {
				if k != kind {
					return nil
				}
				return []specs.Hook{shellHook("touch " + dir + "/runs; exec sleep 60")}
			})
			p := b.Begin(bundle.Options{}, "create", "--bundle", b.Dir, b.ID)
			if !bundle.Eventually(func() bool { _, err := os.Stat(dir + "/runs"); return err == nil }) {
				t.Fatal("the hook does not run")
			}
			p.Signal(syscall.SIGKILL)
			p.Wait()
			if !bundle.Eventually(func() bool { return !strings.Contains(strings.Join(bundle.Processes(), "\n"), "sleep 60") }) {
				t.Error("it runs on")
			}
		})
	}
}

func TestAHookHasNoDescriptorOfTheCaller(t *testing.T) {
	b, dir := hooked(t, func(k, dir string) []specs.Hook {
		return []specs.Hook{shellHook("ls /proc/self/fd | tr '\\n' ' ' >" + dir + "/" + k)}
	})
	f, err := os.Open(b.Home)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b.CortenWith(bundle.Options{ExtraFiles: []*os.File{f, f, f}}, "run", "--detach", "--preserve-fds", "1", "--bundle", b.Dir, b.ID).OK(b)
	b.Corten("delete", "--force", b.ID).OK(b)
	for _, kind := range hookKinds {
		if got := b.Text(dir + "/" + kind); got != "0 1 2 3 " { // 3 is the directory ls reads
			t.Errorf("%s: descriptors %s", kind, got)
		}
	}
}

// Before Go's runtime starts, corten lowers its own limit on descriptors and
// raises its timer slack: what it starts has the caller's.
func TestHooksAndPayloadHaveTheCallersLimitAndTimerSlack(t *testing.T) {
	bundle.NeedCorten(t)
	const print = "ulimit -S -n; ulimit -H -n; /bin/busybox cat /proc/self/timerslack_ns; "
	b, dir := hooked(t, func(kind, dir string) []specs.Hook {
		return []specs.Hook{shellHook("{ " + print + "} >" + dir + "/" + kind)}
	}, bundle.Args("sh", "-c", print+"exec sleep 1000"), func(s *specs.Spec) { s.Process.Rlimits = nil })
	o := bundle.Options{Wrap: []string{"sh", "-c", `ulimit -S -n 91; ulimit -H -n 97; echo 70000 >/proc/self/timerslack_ns; exec "$@"`, "sh"}}
	const want = "91\n97\n70000\n"
	run := b.Begin(o, "run", "--bundle", b.Dir, b.ID)
	run.WaitFor(want)
	if r := b.CortenWith(o, "exec", b.ID, "sh", "-c", print).OK(b); r.Stdout != want {
		t.Errorf("exec: %q, want %q", r.Stdout, want)
	}
	b.CortenWith(o, "delete", "--force", b.ID).OK(b)
	run.Wait()
	for _, kind := range hookKinds {
		if got := b.Raw(dir + "/" + kind); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}
