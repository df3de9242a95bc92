// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

func terminal(s *specs.Spec) { s.Process.Terminal = true }

// spec: process.terminal, process.consoleSize.height, process.consoleSize.width
func TestATerminalComesThroughTheConsoleSocket(t *testing.T) {
	b := bundle.New(t, terminal, bundle.Shell("stty size; readlink /proc/self/fd/0; probe stat /dev/console | cut -d' ' -f3; probe"),
		func(s *specs.Spec) { s.Process.ConsoleSize = &specs.Box{Height: 33, Width: 99} })
	console := b.Console()
	b.Create("--console-socket", console.Path)
	console.Receive()
	b.Start()
	console.WaitFor("}\n")
	lines := strings.Split(console.Text(), "\n")
	if lines[0] != "33 99" || lines[1] != "/dev/pts/0" && lines[1] != "/dev/console" || !strings.HasPrefix(lines[2], "136:") {
		t.Errorf("size, stdin, device of the console: %q", lines[:3])
	}
	r := bundle.ParseReport(t, lines[3])
	if r.IsATTY != 1 || r.TTY != "ok" || r.SID != 1 {
		t.Errorf("isatty %d, /dev/tty %s, session %d", r.IsATTY, r.TTY, r.SID)
	}
	for _, fd := range r.FDs {
		if fd.FD > 2 {
			t.Errorf("descriptor %d is open: %s", fd.FD, fd.Link)
		}
	}
	if console.Name == "" {
		t.Error("the message with the terminal is empty")
	}
}

func TestATerminalWorksBothWays(t *testing.T) {
	b := bundle.New(t, terminal, bundle.Shell("read line; echo got $line; sleep 100; true"))
	console := b.Console()
	b.Detach("--console-socket", console.Path)
	console.Receive()
	if _, err := console.PTY.WriteString("a line\n"); err != nil {
		t.Fatal(err)
	}
	console.WaitFor("got a line\n")
	if _, err := console.PTY.Write([]byte{3}); err != nil { // ^C: the shell is PID 1, its child is not
		t.Fatal(err)
	}
	b.WaitStatus("stopped")
}

func TestExecHasATerminalOfItsOwn(t *testing.T) {
	b := running(t)
	console := b.Console()
	b.Corten("exec", "--tty", "--detach", "--console-socket", console.Path, b.ID, "sh", "-c", "tty; stty size; sleep 100").OK(b)
	console.Receive()
	console.WaitFor("/dev/pts/")
}

func TestExecOfAUserMayOpenItsTerminal(t *testing.T) {
	b := running(t)
	console := b.Console()
	b.Corten("exec", "-t", "-d", "-u", "1000:1000", "--console-socket", console.Path, b.ID, "probe", "open-write", "/dev/tty").OK(b)
	console.Receive()
	console.WaitFor("ok\n")
}

func TestTheTerminalRulesOfRuncHold(t *testing.T) {
	with, without := bundle.New(t, terminal), bundle.New(t)
	refused(t, with.Run("--detach"), "cannot allocate tty if runc will detach without setting console socket")
	refused(t, without.Run("--detach", "--console-socket", without.Console().Path),
		"cannot use console socket if runc will not detach or allocate tty")
	refused(t, with.Run("--console-socket", with.Console().Path), "cannot use console socket if runc will not detach or allocate tty")
}

// under runs the runtime in a terminal made by script(1), with input typed.
func under(t *testing.T, b *bundle.Bundle, input string, words ...string) (string, int) {
	t.Helper()
	command := strings.Join(append([]string{bundle.Runtime(t), "--root", b.Root}, words...), " ")
	cmd := exec.Command("script", "-qec", command, "/dev/null")
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		if _, exited := err.(*exec.ExitError); !exited {
			t.Fatal(err)
		}
	}
	return strings.ReplaceAll(string(out), "\r\n", "\n"), cmd.ProcessState.ExitCode()
}

func TestSpecsBundleRunsUnderScript(t *testing.T) {
	b := bundle.NewEmpty(t)
	b.Corten("spec", "--bundle", b.Dir).OK(b)
	out, status := under(t, b, "echo $((6*7)); tty; exit 5\n", "run", "--bundle", b.Dir, b.ID)
	if status != 5 || !strings.Contains(out, "\n42\n") || !strings.Contains(out, "/dev/pts/0") && !strings.Contains(out, "/dev/console") {
		t.Errorf("exit status %d, printed %q", status, out)
	}
}

func TestAForegroundTerminalHasTheCallersSizeAndAllOutput(t *testing.T) {
	b := bundle.New(t, terminal, bundle.Shell("seq 20000; exit 7"))
	out, status := under(t, b, "", "run", "--bundle", b.Dir, b.ID)
	if status != 7 || !strings.HasSuffix(strings.TrimSpace(out), "\n20000") || strings.Count(out, "\n") < 20000 {
		t.Errorf("exit status %d, %d bytes, the end is %q", status, len(out), out[max(0, len(out)-50):])
	}
}

// cve: CVE-2016-10124, CVE-2017-5226
func TestWithoutATerminalThereIsNoControllingOne(t *testing.T) {
	b := bundle.New(t, bundle.Shell("probe tiocsti; probe open-write /dev/tty"))
	out, _ := under(t, b, "", "run", "--bundle", b.Dir, b.ID)
	if !strings.HasSuffix(out, "ENXIO\n") || strings.HasPrefix(out, "ok") {
		t.Errorf("TIOCSTI and /dev/tty: %q", out)
	}
}

func TestAResizeReachesThePayload(t *testing.T) {
	b := bundle.New(t, terminal, bundle.Probe("sig"))
	console := b.Console()
	b.Detach("--console-socket", console.Path)
	console.Receive()
	console.WaitFor("ready\n")
	console.Resize(40, 120)
	console.WaitFor("28 120x40\n")
}
