// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// What engines do with a runtime, from create to delete, without them.
var scenarios = map[string]func(*monitor){
	"containerd": containerdSequence, "conmon": conmonSequence, "cri-o": crioSequence, "dies": dyingMonitor,
}

// play has a monitor of its own go through a scenario.
func play(t *testing.T, scenario string) (*bundle.Bundle, *exec.Cmd) {
	t.Helper()
	b := bundle.New(t, bundle.Probe("sig"))
	cmd := exec.Command("/proc/self/exe")
	command := b.Command("--log", b.Home+"/log.json", "--log-format", "json")
	cmd.Env = append(os.Environ(), monitorEnv+"="+scenario, "MONITOR_ID="+b.ID, "MONITOR_BUNDLE="+b.Dir, "MONITOR_HOME="+b.Home,
		"MONITOR_COMMAND="+strings.Join(command, "\n"))
	if !bundle.IsCorten(t) {
		cmd.Env = append(cmd.Env, "MONITOR_PEER=1")
	}
	return b, cmd
}

func completes(t *testing.T, scenario string) {
	t.Helper()
	_, cmd := play(t, scenario)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "done\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTheSequenceOfContainerdsShim(t *testing.T) { completes(t, "containerd") }
func TestTheSequenceOfConmon(t *testing.T)          { completes(t, "conmon") }
func TestTheSequenceOfCRIO(t *testing.T)            { completes(t, "cri-o") }

func containerdSequence(m *monitor) {
	pid := m.create("")
	m.must(m.log() == "", m.log())
	m.must(m.state().Status == specs.StateCreated && m.state().Pid == pid, m.state())
	m.ok("start ID")
	m.printed("ready\n")
	m.must(m.ok("ps --format json ID") == fmt.Sprintf("[%d]\n", pid), m.ok("ps --format json ID"))

	// Further processes are the shim's children, too, whose signals it sends.
	m.process("exec.json", nil, "sh", "-c", "exit 3")
	m.ok("exec --process HOME/exec.json --detach --pid-file HOME/exec.pid ID")
	m.must(m.reap(m.pid("exec.pid")) == 3, "status of exec")
	m.process("exec.json", nil, "sleep", "100")
	m.ok("exec --process HOME/exec.json --detach --pid-file HOME/exec.pid ID")
	sleeper := m.pid("exec.pid")
	m.must(syscall.Kill(sleeper, syscall.SIGTERM) == nil && m.reap(sleeper) == 128+15, "kill of exec")
	m.process("exec.json", func(p *specs.Process) { p.Terminal = true }, "sh", "-c", "test -t 0 && exit 4")
	m.must(m.reap(m.consoled("exec --process HOME/exec.json --detach --pid-file HOME/exec.pid ID", "exec.pid")) == 4, "exec with a terminal")

	// One that fails leaves no pid, and its reason in the log.
	m.process("exec.json", nil, "nosuch")
	r := m.call("exec --process HOME/exec.json --detach --pid-file HOME/failed.pid ID", "")
	m.missing("failed.pid")
	message, err := lastError(m.log())
	m.must(r.status == 255 && err == nil && strings.Contains(message, `exec: "nosuch": executable file not found in $PATH`), r, message, err)

	m.must(m.call("update --resources=- ID", `{"pids":{"limit":50}}`).status == 0, "update")
	m.ok("pause ID")
	m.must(m.state().Status == "paused", m.state())
	m.ok("resume ID")
	m.ok("kill ID 10")
	m.printed("10\n")
	r = m.call("delete ID", "")
	m.must(r.status == 1 && strings.Contains(r.stderr, "is not stopped: running"), r)
	m.ok("kill ID 9")
	m.must(m.reap(pid) == 128+9, "status of the container")
	rest, err := io.ReadAll(m.stdout) // its end: nobody else holds the pipe
	m.must(err == nil && len(rest) == 0, string(rest), err)
	r = m.call("kill ID 9", "")
	m.must(r.status == 1 && strings.Contains(r.stderr, "container not running"), r)
	m.ok("kill --all ID 9")
	m.ok("delete ID")
	r = m.call("delete ID", "")
	m.must(r.status == 1 && strings.Contains(r.stderr, "does not exist"), r)
	m.ok("delete --force ID")
}

// consoled runs a command that sends a terminal, which must have come before it
// ends, and returns the pid it has written.
func (m *monitor) consoled(line, pidFile string) int {
	console, err := net.ListenUnix("unix", &net.UnixAddr{Name: m.file("console.sock"), Net: "unix"})
	m.must(err == nil, err)
	defer console.Close()
	words := strings.Fields(line)
	m.ok(words[0] + " --console-socket HOME/console.sock " + strings.Join(words[1:], " "))
	console.SetDeadline(time.Now().Add(time.Second)) // it is in the queue already
	conn, err := console.AcceptUnix()
	m.must(err == nil, err)
	defer conn.Close()
	name, oob := make([]byte, 4096), make([]byte, 4096)
	n, on, _, _, err := conn.ReadMsgUnix(name, oob)
	m.must(err == nil && n > 0 && n < 4096, n, err)
	messages, err := unix.ParseSocketControlMessage(oob[:on])
	m.must(err == nil && len(messages) == 1, err)
	fds, err := unix.ParseUnixRights(&messages[0])
	m.must(err == nil && len(fds) == 1, fds, err)
	return m.pid(pidFile)
}

func conmonSequence(m *monitor) {
	// A create that fails: what is on stderr is the user's.
	spec := bundle.Base()
	spec.Process.Args = []string{"/nosuch"}
	whole, err := os.ReadFile(m.dir + "/config.json")
	m.must(err == nil, err)
	text, _ := json.Marshal(spec)
	m.must(os.WriteFile(m.dir+"/config.json", text, 0o644) == nil)
	r := m.call("create --bundle BUNDLE --pid-file HOME/pid ID", "")
	m.missing("pid")
	message, err := wholeError(m.log())
	m.must(r.status == 1 && err == nil && strings.Contains(r.stderr, message) && strings.Contains(message, "no such file or directory") && len(r.stderr) < 8191, r, message, err)
	m.must(os.WriteFile(m.dir+"/config.json", whole, 0o644) == nil)

	pid := m.create("")
	m.ok("start ID")
	m.printed("ready\n")
	// Detached, with a terminal and without; a failure is a missing pid file.
	m.process("exec.json", nil, "sh", "-c", "kill -9 $$")
	m.ok("exec --pid-file HOME/exec.pid --process HOME/exec.json --detach ID")
	m.must(m.reap(m.pid("exec.pid")) == 128+9, "status of exec")
	m.process("exec.json", func(p *specs.Process) { p.Terminal = true }, "sh", "-c", "exit 7")
	m.must(m.reap(m.consoled("exec --pid-file HOME/exec.pid --process HOME/exec.json --detach ID", "exec.pid")) == 7, "exec with a terminal")
	m.process("exec.json", nil, "/etc/passwd")
	r = m.call("exec --pid-file HOME/failed.pid --process HOME/exec.json --detach ID", "")
	m.missing("failed.pid")
	m.must(r.status == 255 && strings.Contains(r.stderr, "permission denied"), r)
	// As podman stops it.
	m.ok("kill ID 15")
	m.must(m.reap(pid) == 40, "status of the container")
	m.ok("delete --force ID")
}

func crioSequence(m *monitor) {
	r := m.call("features", "")
	var features struct{ OCIVersionMin string }
	err := json.Unmarshal([]byte(r.stdout+r.stderr), &features) // CombinedOutput
	m.must(r.status == 0 && err == nil && features.OCIVersionMin != "", r, err)
	pid := m.create("")
	m.ok("start ID")
	m.printed("ready\n")
	// Probes run attached: the runtime's streams and status are the command's.
	for script, want := range map[string]result{
		"echo out; echo err >&2": {"out\n", "err\n", 0}, "cat; exit 3": {"input", "", 3}, "kill -9 $$": {"", "", 137}, "kill -15 $$": {"", "", 143},
	} {
		m.process("exec.json", nil, "sh", "-c", script)
		got := m.call("exec --process HOME/exec.json ID", "input")
		m.must(got == want, script, got)
	}
	m.process("exec.json", nil, "nosuch")
	r = m.call("exec --process HOME/exec.json ID", "")
	m.must(r.status == 255 && r.stdout == "" && strings.Contains(r.stderr, "executable file not found in $PATH"), r)
	// Orphans of a probe are the container's, and nothing of it is left here.
	m.process("exec.json", nil, "sh", "-c", "sleep 100 >/dev/null 2>&1 & exit 0")
	m.must(m.call("exec --process HOME/exec.json ID", "").status == 0, "exec with an orphan")
	_, err = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
	m.must(err == nil, err) // the container, and no dead
	if os.Getenv("MONITOR_PEER") == "" {
		m.cancelled()
	}

	m.must(m.call("update --resources - ID", `{"cpu":{"shares":512}}`).status == 0, "update")
	m.must(m.state().Pid == pid && m.state().Status == specs.StateRunning, m.state())
	m.ok("kill ID KILL")
	m.must(m.reap(pid) == 128+9, "status of the container")
	r = m.call("kill ID KILL", "")
	m.must(r.status == 1 && strings.Contains(r.stderr, "container not running"), r)
	m.ok("kill -a ID 9")
	m.must(m.state().Status == specs.StateStopped && m.state().Pid == 0, m.state())
	m.ok("delete --force ID")
	m.ok("delete --force ID")
}

// cancelled ends an attached exec as a context does, by SIGKILL to the runtime:
// when asked, its process is gone with it.
func (m *monitor) cancelled() {
	before := m.ok("ps --format json ID")
	m.process("exec.json", nil, "probe", "pause")
	read, write, err := os.Pipe()
	m.must(err == nil, err)
	cmd := m.start("exec --kill-with-parent --process HOME/exec.json ID", nil, write, write)
	write.Close()
	stdout := m.stdout
	m.stdout = read
	m.printed("ready\n")
	m.must(cmd.Process.Kill() == nil && m.reap(cmd.Process.Pid) == 128+9, "kill of the runtime")
	rest, err := io.ReadAll(read)
	m.must(err == nil && len(rest) == 0, string(rest), err)
	m.stdout = stdout
	gone := bundle.Eventually(func() bool {
		syscall.Wait4(-1, nil, syscall.WNOHANG, nil) // its process is the monitor's orphan
		return m.ok("ps --format json ID") == before
	})
	m.must(gone, "left:", m.ok("ps --format json ID"), "before:", before)
}

// dyingMonitor waits in create until it is killed.
func dyingMonitor(m *monitor) { m.create("") }

// A monitor that dies takes a create in the making with it, in a hook or before
// the gate; delete --force finds the rest.
func TestAMonitorsDeathEndsACreateInTheMaking(t *testing.T) {
	bundle.NeedCorten(t)
	b, cmd := play(t, "dies")
	spec := bundle.Base()
	mark := b.Home + "/hook"
	spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "touch " + mark + "; exec sleep 100"}}}}
	b.Write(spec)
	before := len(bundle.Processes())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !bundle.Eventually(func() bool { _, err := os.Stat(mark); return err == nil }) {
		t.Fatal("the hook does not run")
	}
	cmd.Process.Kill()
	cmd.Wait()
	if !bundle.Eventually(func() bool { return len(bundle.Processes()) <= before }) {
		t.Errorf("left:\n%s", strings.Join(bundle.Processes(), "\n"))
	}
	if _, err := os.Stat(b.Home + "/pid"); err == nil {
		t.Error("there is a pid file")
	}
	b.Corten("delete", "--force", b.ID).OK(b)
}
