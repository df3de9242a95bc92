// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Forward reaps every child, so each test runs it in a process of its own:
// this binary, with the role in the environment.
func TestMain(m *testing.M) {
	switch role := os.Getenv("SIGNALS_TEST"); role {
	case "":
		os.Exit(m.Run())
	case "report":
		report()
	default:
		os.Exit(foreground(role, os.Args[1:]))
	}
}

// report prints the name of each signal it gets.
func report() {
	came := make(chan os.Signal, 100)
	signal.Notify(came)
	signal.Reset(syscall.SIGURG, syscall.SIGCHLD)
	fmt.Println(os.Getpid())
	for s := range came {
		if s != syscall.SIGURG && s != syscall.SIGCHLD {
			fmt.Println(Name(s.(syscall.Signal)))
		}
	}
}

// foreground runs argv as a foreground container would be.
func foreground(role string, argv []string) int {
	caught, err := Catch()
	if err == nil {
		err = Subreap()
	}
	if err != nil {
		panic(err)
	}
	if role == "early" {
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		time.Sleep(10 * time.Millisecond)
	}
	o := Options{Caught: caught}
	pidfd := -1
	_ = os.Setenv("SIGNALS_TEST", os.Getenv("PAYLOAD"))
	attr := syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{PidFD: &pidfd, Setsid: true}}
	if role == "tty" {
		master, slave := openPty()
		o.Console = NewConsole(master)
		attr.Files = []uintptr{uintptr(slave), uintptr(slave), uintptr(slave)}
		attr.Sys.Setctty = true
	}
	pid, err := syscall.ForkExec(argv[0], argv, &attr)
	if err != nil {
		panic(err)
	}
	if role == "tty" {
		_ = unix.Close(int(attr.Files[0]))
	}
	status, err := Forward(pidfd, pid, o)
	if err != nil {
		panic(err)
	}
	return status
}

func openPty() (master, slave int) {
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		panic(err)
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		panic(err)
	}
	if slave, err = unix.Open("/dev/pts/"+strconv.Itoa(n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err != nil {
		panic(err)
	}
	return master, slave
}

func start(t *testing.T, role, payload string, argv ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, argv...)
	cmd.Env = append(os.Environ(), "SIGNALS_TEST="+role, "PAYLOAD="+payload)
	cmd.Stderr = os.Stderr
	return cmd
}

func status(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

func sh(t *testing.T, role, script string) *exec.Cmd {
	return start(t, role, "", "/bin/sh", "-c", script)
}

func TestStatus(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "exit 255": 255, "kill -9 $$": 137, "kill -TERM $$": 143, "kill -37 $$": 165} {
		for _, role := range []string{"plain", "tty"} {
			cmd := sh(t, role, script)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if got := status(t, cmd); got != want {
				t.Errorf("%s, %s: status %d, want %d", role, script, got, want)
			}
		}
	}
}

func TestSignalBeforeCloneIsKept(t *testing.T) {
	cmd := sh(t, "early", "sleep 10; exit 1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if got := status(t, cmd); got != 143 {
		t.Errorf("status %d, want 143", got)
	}
}

func TestEverySignalIsForwarded(t *testing.T) {
	self, _ := os.Executable()
	cmd := start(t, "plain", "report", self)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	pid, err := strconv.Atoi(lines.Text())
	if err != nil {
		t.Fatal(err)
	}
	for s := syscall.Signal(1); s <= rtmax; s++ {
		switch s {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGURG, 32, 33:
			continue
		case syscall.SIGPROF, 34: // os/signal does not show them to the payload of this test
			continue
		}
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || lines.Text() != Name(s) {
			t.Errorf("sent %s, the payload got %q", Name(s), lines.Text())
		}
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	if got := status(t, cmd); got != 137 {
		t.Errorf("status %d, want 137", got)
	}
}

func TestOrphansAreReaped(t *testing.T) {
	// 100 orphans come to the runtime; once they are gone it has one child left.
	cmd := sh(t, "plain", `i=0; while [ $i -lt 100 ]; do (true & : ) ; i=$((i+1)); done; sleep 0.2; grep -l "^PPid:[[:space:]]*$PPID$" /proc/[0-9]*/status 2>/dev/null`)
	out, err := cmd.Output()
	if err != nil && len(out) == 0 { // grep fails when a process ends under it
		t.Fatal(err)
	}
	if n := len(strings.Fields(string(out))); n != 1 {
		t.Errorf("%d children left: %s", n, out)
	}
}

func TestConsoleBytesExact(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)
	cmd := sh(t, "tty", "stty raw -echo; echo ready; head -c 1048576 | tee /dev/null")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if line, err := r.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	go func() { _, _ = in.Write(want) }()
	time.Sleep(100 * time.Millisecond) // a slow reader: every buffer between is full by now
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back (%v), want %d, or they differ", len(got), err, len(want))
	}
	if s := status(t, cmd); s != 0 {
		t.Errorf("status %d", s)
	}
}

func TestConsoleLastBytes(t *testing.T) {
	for i := range 100 {
		cmd := sh(t, "tty", "stty -opost; printf last")
		if i%2 == 1 { // a process that is left holds the terminal
			cmd = sh(t, "tty", "stty -opost; trap '' HUP; sleep 0.3 & printf last")
		}
		out, err := cmd.Output()
		if err != nil || string(out) != "last" {
			t.Fatalf("run %d: %q, %v", i, out, err)
		}
	}
}

func TestConsoleEndOfInput(t *testing.T) {
	for _, input := range []string{"", "one\n", "one\ntwo"} {
		cmd := sh(t, "tty", "stty -echo -opost; sleep 0.02; cat; echo .")
		cmd.Stdin = strings.NewReader(input)
		out, err := cmd.Output()
		// The echo of what came before stty depends on who was first.
		if err != nil || !strings.HasSuffix(string(out), input+".\n") {
			t.Errorf("input %q: %q, %v", input, out, err)
		}
	}
}

// A caller with a terminal: raw while it runs, then as before; its size is the
// container's from the start and follows.
func TestConsoleTerminalOfTheCaller(t *testing.T) {
	master, slave := openPty()
	defer unix.Close(master)
	size := &unix.Winsize{Row: 33, Col: 77}
	if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, size); err != nil {
		t.Fatal(err)
	}
	before, _ := unix.IoctlGetTermios(slave, unix.TCGETS)
	cmd := sh(t, "tty", `trap 'stty size; exit 5' WINCH; stty size; while :; do sleep 0.02; done`)
	tty := os.NewFile(uintptr(slave), "tty")
	defer tty.Close()
	cmd.Stdin, cmd.Stdout = tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		got := make([]byte, 0, 64)
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline) && !strings.Contains(string(got), want); {
			fds := []unix.PollFd{{Fd: int32(master), Events: unix.POLLIN}}
			if n, _ := unix.Poll(fds, 100); n > 0 {
				buf := make([]byte, 64)
				n, _ := unix.Read(master, buf)
				got = append(got, buf[:max(n, 0)]...)
			}
		}
		if !strings.Contains(string(got), want) {
			t.Fatalf("got %q, want %q in it", got, want)
		}
	}
	expect("33 77\r\n")
	if during, _ := unix.IoctlGetTermios(slave, unix.TCGETS); during.Lflag&(unix.ICANON|unix.ISIG|unix.ECHO) != 0 {
		t.Error("the caller's terminal is not raw")
	}
	size.Row, size.Col = 44, 99
	_ = unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, size)
	expect("44 99\r\n")
	if got := status(t, cmd); got != 5 {
		t.Errorf("status %d, want 5", got)
	}
	if after, _ := unix.IoctlGetTermios(slave, unix.TCGETS); *after != *before {
		t.Errorf("modes are not restored: %+v, were %+v", after, before)
	}
}

// The payload learns that no one reads its terminal any more.
func TestConsoleReaderGone(t *testing.T) {
	cmd := sh(t, "tty", "while :; do echo line; sleep 0.01; done")
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = out.Read(make([]byte, 4))
	_ = out.Close()
	if got := status(t, cmd); got != 129 {
		t.Errorf("status %d, want 129", got)
	}
}
