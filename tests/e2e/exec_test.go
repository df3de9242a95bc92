// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// running is a detached container.
func running(t *testing.T, edits ...bundle.Edit) *bundle.Bundle {
	t.Helper()
	b := bundle.New(t, append([]bundle.Edit{bundle.Probe("pause")}, edits...)...)
	b.Detach()
	return b
}

func TestExecRunsInTheContainersNamespacesAndCgroup(t *testing.T) {
	b := running(t, bundle.Namespace(specs.CgroupNamespace, ""))
	r := bundle.ParseReport(t, b.Exec("ID", "probe").OK(b).Stdout)
	first := b.State().PID
	for _, name := range links {
		if name == "user" || name == "time" {
			continue
		}
		if want, _ := os.Readlink("/proc/" + decimal(uint32(first)) + "/ns/" + name); r.NS[name] != want {
			t.Errorf("%s: %s, want %s", name, r.NS[name], want)
		}
	}
	if r.Files["/proc/self/cgroup"] == "" || r.Hostname != "box" || r.Cwd != "/" || r.PID == 1 {
		t.Errorf("%+v", r)
	}
	for line := range strings.Lines(r.Files["/proc/self/cgroup"]) {
		if !strings.HasSuffix(line, ":/\n") {
			t.Errorf("not in the container's cgroup: %s", line)
		}
	}
	for _, fd := range r.FDs {
		if fd.FD > 2 {
			t.Errorf("descriptor %d is open: %s", fd.FD, fd.Link)
		}
	}
}

// cve: CVE-2023-38496
func TestExecIsConfinedLikeTheContainer(t *testing.T) {
	b := running(t, bundle.Capabilities("CAP_KILL", "CAP_CHOWN"))
	r := bundle.ParseReport(t, b.Exec("ID", "probe").OK(b).Stdout)
	for set, want := range map[string]uint64{"Bnd": 0x21, "Prm": 0x21, "Eff": 0x21, "Inh": 0, "Amb": 0} {
		if got := r.Caps(set); got != want {
			t.Errorf("Cap%s %x, want %x", set, got, want)
		}
	}
	if r.Status("NoNewPrivs") != "1" || r.Rlimits[7].Soft != 1024 {
		t.Errorf("NoNewPrivs %s, RLIMIT_NOFILE %+v", r.Status("NoNewPrivs"), r.Rlimits[7])
	}
}

func TestExecFlagsChangeTheProcess(t *testing.T) {
	b := running(t)
	r := bundle.ParseReport(t, b.Exec("-u", "1000:1001", "-e", "A=1", "-e", "B=2", "--cwd", "/tmp", "--cap", "CAP_NET_RAW",
		"-g", "7", "ID", "probe", "report", "-x", "--y").OK(b).Stdout)
	if r.Status("Uid") != repeat(1000) || r.Status("Gid") != repeat(1001) || r.Status("Groups") != "7" {
		t.Errorf("Uid %s, Gid %s, Groups %s", r.Status("Uid"), r.Status("Gid"), r.Status("Groups"))
	}
	if !slices.Contains(r.Env, "A=1") || !slices.Contains(r.Env, "B=2") || r.Cwd != "/tmp" {
		t.Errorf("env %q, cwd %s", r.Env, r.Cwd)
	}
	if !slices.Equal(r.Args, []string{"probe", "report", "-x", "--y"}) {
		t.Errorf("args %q", r.Args)
	}
	if r.Caps("Bnd")&(1<<13) == 0 || r.Caps("Inh") != 0 {
		t.Errorf("CapBnd %x, CapInh %x", r.Caps("Bnd"), r.Caps("Inh"))
	}
}

func TestExecTakesAProcessFile(t *testing.T) {
	b := running(t)
	p := bundle.Base().Process
	p.Args, p.Cwd, p.User = []string{"probe"}, "/etc", specs.User{UID: 5, GID: 6}
	p.Env = []string{"PATH=/bin", "ONLY=this"}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	file := b.Home + "/process.json"
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r := bundle.ParseReport(t, b.Exec("--process", file, "ID").OK(b).Stdout)
	if r.Cwd != "/etc" || r.Status("Uid") != repeat(5) || !slices.Contains(r.Env, "ONLY=this") {
		t.Errorf("cwd %s, Uid %s, env %q", r.Cwd, r.Status("Uid"), r.Env)
	}
}

func TestExecExitsWithTheCommandsStatusAnd255WhenThereIsNone(t *testing.T) {
	b := running(t)
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -9 $$": 137, "kill -15 $$": 143} {
		if r := b.Exec("ID", "sh", "-c", script); r.Status != want {
			t.Errorf("%s: exit status %d, want %d, %s", script, r.Status, want, r.Stderr)
		}
	}
	r := b.Exec("ID", "no-such-command")
	if r.Status != 255 || !strings.Contains(r.Stderr, "executable file not found in $PATH") {
		t.Errorf("exit status %d, %q", r.Status, r.Stderr)
	}
	if r := b.Corten("exec", b.ID+"x", "true"); r.Status == 0 || !strings.Contains(r.Stderr, "container does not exist") {
		t.Errorf("exit status %d, %q", r.Status, r.Stderr)
	}
}

func TestExecReadsItsStdin(t *testing.T) {
	b := running(t)
	r := b.CortenWith(bundle.Options{Stdin: bytes.NewReader(make([]byte, 1<<20))}, "exec", b.ID, "probe", "stdin")
	if r.OK(b).Stdout != "1048576 0\n" {
		t.Errorf("read %q", r.Stdout)
	}
}

func TestExecNeedsARunningContainer(t *testing.T) {
	b := bundle.New(t, bundle.Args("true"))
	b.Detach()
	b.WaitStatus("stopped")
	if r := b.Exec("ID", "true"); r.Status != 255 && r.Status != 1 {
		t.Errorf("exit status %d, %q", r.Status, r.Stderr)
	}
}

func TestExecWorksInAUserNamespace(t *testing.T) {
	b := bundle.New(t, bundle.Probe("pause"), bundle.UserNamespace(100000))
	own100000(t, b)
	b.Detach()
	r := bundle.ParseReport(t, b.Exec("ID", "probe").OK(b).Stdout)
	if r.Status("Uid") != repeat(0) || !strings.Contains(r.Files["/proc/self/uid_map"], "100000") {
		t.Errorf("Uid %s, map %s", r.Status("Uid"), r.Files["/proc/self/uid_map"])
	}
}

func TestExecForwardsSignals(t *testing.T) {
	b := running(t)
	p := b.Begin(bundle.Options{}, "exec", b.ID, "probe", "sig")
	p.WaitFor("ready\n")
	p.Signal(10)
	p.WaitFor("\n10\n")
	p.Signal(15)
	if r := p.Wait(); r.Status != 40 {
		t.Errorf("exit status %d", r.Status)
	}
}
