// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"bufio"
	"encoding/binary"
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

// filter refuses the system calls with EPERM, as an old seccomp profile does.
func filter(calls ...uint32) []byte {
	instructions := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // its number
	for _, call := range calls {
		instructions = append(instructions,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
	}
	instructions = append(instructions, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	var b []byte
	for _, i := range instructions {
		b = binary.NativeEndian.AppendUint16(b, i.Code)
		b = binary.NativeEndian.AppendUint32(append(b, i.Jt, i.Jf), i.K)
	}
	return b
}

// A filter that knows none of the newer calls stops neither the start nor PID 1.
func TestReapUnderFilter(t *testing.T) {
	b := plan.NewBuilder()
	fd := b.Slot()
	b.NoNewPrivs(at)
	b.Seccomp(at, 0, filter(unix.SYS_CLOSE_RANGE, unix.SYS_FACCESSAT2, unix.SYS_RT_SIGTIMEDWAIT))
	b.Openat2(at, plan.Cwd, "/dev/null", unix.O_RDONLY, 0, 0, fd)
	b.Dup3(at, fd, 9)
	b.Reap(at)
	b.CloseRange(at, 3)
	shell(b, busybox(t), "readlink /proc/self/fd/9 || echo none; sleep 0.2; exit 6")
	s := start(t, b, newAll)
	s.next(RecordExec)
	s.eof()
	status := s.end()
	if out := s.output(); status != 6 || out != "none\n" {
		t.Errorf("status %d, output %q", status, out)
	}
}

// The payload under the built-in init has the terminal in the foreground.
func TestReapTerminal(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	b := plan.NewBuilder()
	socket := b.Input(plan.Input{At: at, Kind: plan.KindConsole})
	ptmx, peer := b.Slot(), b.Slot()
	b.Setsid(at)
	b.Signals(at)
	b.Openat2(at, plan.Cwd, "/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0, 0, ptmx)
	b.Ioctl(at, ptmx, unix.TIOCSPTLCK, make([]byte, 4))
	b.IoctlTiocgptpeer(at, ptmx, unix.O_RDWR|unix.O_NOCTTY, peer)
	b.SendFd(at, socket, ptmx, "/dev/pts/ptmx")
	b.IoctlTiocsctty(at, peer)
	b.Dup3(at, peer, 0)
	b.Reap(at)
	b.CloseRange(at, 3)
	shell(b, busybox(t), "read line; echo got $line; read line")
	s := start(t, b, newAll, pair[1])
	unix.Close(pair[1])
	s.next(RecordExec)
	s.eof()
	console := receive(t, pair[0])
	defer unix.Close(console)
	if _, err := unix.Write(console, []byte("a line\n")); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(s.stdout)
	if !lines.Scan() || lines.Text() != "got a line" {
		t.Fatalf("line %q", lines.Text())
	}
	if _, err := unix.Write(console, []byte{3}); err != nil { // ^C goes to the foreground
		t.Fatal(err)
	}
	if status := s.end(); status != 130 {
		t.Errorf("status %d, want 130", status)
	}
}

// receive is the descriptor sent over the socket.
func receive(t *testing.T, socket int) int {
	t.Helper()
	name, rights := make([]byte, 64), make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(socket, name, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages, error %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatalf("descriptors %v, error %v", fds, err)
	}
	return fds[0]
}
