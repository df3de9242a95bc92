// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

func TestBarrier(t *testing.T) {
	b := plan.NewBuilder()
	b.Prctl(at, unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
	b.Barrier(at, 1)
	b.Barrier(at, 0)
	shell(b, busybox(t), "exit 0")
	s := start(t, b, 0)
	if r := s.next(RecordBarrier); r.Step != 1 {
		t.Errorf("record %+v, want step 1", r)
	}
	for range 2 { // the second in advance
		if err := s.e.Proceed(); err != nil {
			t.Fatal(err)
		}
	}
	s.next(RecordExec)
	s.eof()
	if status := s.end(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// An executor whose runtime has gone ends without a word.
func TestBarrierAbandoned(t *testing.T) {
	b := plan.NewBuilder()
	b.Barrier(at, 1)
	shell(b, busybox(t), "echo ran")
	s := start(t, b, 0)
	s.next(RecordBarrier)
	unix.Close(s.e.Status)
	s.e.Status = -1
	status, err := s.e.Wait()
	if err != nil || status.ExitStatus() != 1 {
		t.Errorf("status %v, error %v, want 1", status, err)
	}
	unix.Close(s.e.Pidfd)
	if out := s.output(); out != "" {
		t.Errorf("output %q", out)
	}
}

func fifo(t *testing.T) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exec.fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func TestGate(t *testing.T) {
	b := plan.NewBuilder()
	gate := b.Input(plan.Input{At: at, Kind: plan.KindGate})
	extra := b.Slot()
	b.Openat2(at, plan.Cwd, "/", unix.O_PATH, 0, 0, extra)
	b.Gate(at, gate)
	b.CloseRange(at, 3)
	shell(b, busybox(t), "ls /proc/self/fd | wc -l; echo through")
	fd := fifo(t)
	s := start(t, b, 0, fd)
	s.next(RecordReady)
	s.eof()
	held, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.e.PID))
	if err != nil || len(held) != 4 {
		t.Errorf("%d descriptors held at the gate, error %v, want 4", len(held), err)
	}
	if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", s.e.PID)); string(name) != "corten\n" {
		t.Errorf("comm %q", name)
	}
	if _, err := unix.Write(fd, []byte{0}); err != nil {
		t.Fatal(err)
	}
	status := s.end()
	if out := s.output(); status != 0 || out != "4\nthrough\n" {
		t.Errorf("status %d, output %q", status, out)
	}
}

func TestGateFailure(t *testing.T) {
	b := plan.NewBuilder()
	gate := b.Input(plan.Input{At: at, Kind: plan.KindGate})
	b.Gate(at, gate)
	b.Chdir(at, "/no/such/directory")
	fd := fifo(t)
	s := start(t, b, 0, fd)
	s.next(RecordReady)
	s.eof()
	if _, err := unix.Write(fd, []byte{0}); err != nil {
		t.Fatal(err)
	}
	if status := s.end(); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	buf := make([]byte, 512)
	n, err := unix.Read(fd, buf)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRecord(buf[:n])
	if err != nil || r.Kind != RecordFail || r.Step != 1 || r.Err != syscall.ENOENT {
		t.Errorf("record %+v, error %v", r, err)
	}
}

func TestFork(t *testing.T) {
	b := plan.NewBuilder()
	b.Unshare(at, unix.CLONE_NEWPID)
	b.Fork(at)
	b.Prctl(at, unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
	b.Barrier(at, 1)
	shell(b, busybox(t), "echo $$; exit 7")
	s := start(t, b, 0)
	old := s.e.PID
	if err := s.e.Adopt(s.next(RecordFork)); err != nil {
		t.Fatal(err)
	}
	if s.e.PID == old {
		t.Errorf("pid %d did not change", old)
	}
	s.next(RecordBarrier)
	if err := s.e.Proceed(); err != nil {
		t.Fatal(err)
	}
	s.next(RecordExec)
	s.eof()
	status := s.end()
	if out := s.output(); status != 7 || out != "1\n" {
		t.Errorf("status %d, output %q", status, out)
	}
}

func TestRunTimeout(t *testing.T) {
	sh := busybox(t)
	b := plan.NewBuilder()
	b.Run(at, sh, []string{"sh", "-c", "echo stuck; sleep 100 & sleep 100"}, nil, []byte("state"), 100)
	s := start(t, b, newAll)
	began := time.Now()
	r := s.next(RecordFail)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	if r.Err != syscall.ETIMEDOUT || r.Text != "stuck" {
		t.Errorf("record %+v", r)
	}
	s.eof()
	if status := s.end(); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
}

// Every capability dropped but one, ids changed, all of it read back.
func TestCredentials(t *testing.T) {
	const one = 1 << unix.CAP_NET_BIND_SERVICE
	b := plan.NewBuilder()
	b.NoNewPrivs(at)
	b.Capbset(at, one)
	b.Prctl(at, unix.PR_SET_KEEPCAPS, 1)
	b.Setgroups(at, []byte{5, 0, 0, 0, 6, 0, 0, 0})
	b.Setresgid(at, 1001)
	b.Setresuid(at, 1000)
	b.Prctl(at, unix.PR_SET_KEEPCAPS, 0)
	b.Capset(at, one, one, one)
	b.CapAmbient(at, one)
	b.CheckCaps(at, one, one, one, one, one)
	b.Prlimit(at, unix.RLIMIT_NOFILE, 100, 200)
	b.Umask(at, 0o027)
	// Every system call is allowed: BPF_RET|BPF_K SECCOMP_RET_ALLOW.
	b.Seccomp(at, 0, []byte{0x06, 0, 0, 0, 0, 0, 0xff, 0x7f})
	shell(b, busybox(t), "id -u; id -g; umask; ulimit -n; grep -E '^(Groups|Cap|NoNew|Seccomp:)' /proc/self/status | tr -d '\\t'")
	s := start(t, b, 0)
	s.next(RecordExec)
	s.eof()
	status, out := s.end(), s.output()
	mask := fmt.Sprintf("%016x", one)
	want := "1000\n1001\n0027\n100\nGroups:5 6 \nCapInh:" + mask + "\nCapPrm:" + mask + "\nCapEff:" + mask +
		"\nCapBnd:" + mask + "\nCapAmb:" + mask + "\nNoNewPrivs:1\nSeccomp:2\n"
	if status != 0 || out != want {
		t.Errorf("status %d, output %q, want %q", status, out, want)
	}
}

func TestCheckCapsRefuses(t *testing.T) {
	b := plan.NewBuilder()
	b.CheckCaps(at, 1, 1, 1, 0, 0)
	s := start(t, b, 0)
	if r := s.next(RecordFail); r.Err != syscall.EPERM {
		t.Errorf("record %+v, want EPERM", r)
	}
	s.end()
}

// Their lengths are no multiple of a group id, of an instruction.
func TestBlobsOfNoWholeElementsAreRefused(t *testing.T) {
	for name, add := range map[string]func(*plan.Builder){
		"setgroups": func(b *plan.Builder) { b.Setgroups(at, make([]byte, 5)) },
		"seccomp":   func(b *plan.Builder) { b.Seccomp(at, 0, make([]byte, 12)) },
	} {
		b := plan.NewBuilder()
		add(b)
		s := start(t, b, 0)
		if r := s.next(RecordFail); r.Err != syscall.EINVAL || r.Step != 0 {
			t.Errorf("%s: record %+v, want EINVAL", name, r)
		}
		s.end()
	}
}

func TestSendFD(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	b := plan.NewBuilder()
	socket := b.Input(plan.Input{At: at, Kind: plan.KindConsole})
	fd := b.Slot()
	b.Openat2(at, plan.Cwd, "/dev/zero", unix.O_RDONLY, 0, 0, fd)
	b.SendFd(at, socket, fd, "/dev/pts/0")
	s := start(t, b, 0, pair[1])
	unix.Close(pair[1])
	s.eof()
	if status := s.end(); status != 0 {
		t.Errorf("status %d", status)
	}
	got := receive(t, pair[0])
	defer unix.Close(got)
	var st unix.Stat_t
	if err := unix.Fstat(got, &st); err != nil || st.Rdev != unix.Mkdev(1, 5) {
		t.Errorf("device %#x, error %v, want /dev/zero", st.Rdev, err)
	}
}

// The payload has what dup3 gave it, whatever the runtime leaks.
func TestDescriptors(t *testing.T) {
	leak, err := unix.Open("/", unix.O_PATH, 0) // not close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)
	if err := unix.Dup2(leak, 77); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(77)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	b := plan.NewBuilder()
	in := b.Input(plan.Input{At: at, Kind: plan.KindInherited})
	dir := b.Input(plan.Input{At: at, Kind: plan.KindInherited})
	b.Dup3(at, in, 3)
	b.Dup3(at, in, 4)
	b.Dup3(at, in, inputsFD)   // which it has
	b.Dup3(at, in, inputsFD+1) // which is the other's
	b.Dup3(at, dir, 10)
	shell(b, busybox(t), "cd /proc/self/fd; readlink 3; readlink 4; readlink 6; readlink 7; readlink 10; readlink 5 || readlink 77 || echo none")
	s := start(t, b, 0, null, leak)
	s.next(RecordExec)
	s.eof()
	status, out := s.end(), s.output()
	if status != 0 || out != strings.Repeat("/dev/null\n", 4)+"/\nnone\n" {
		t.Errorf("status %d, output %q", status, out)
	}
}

// A plan of one step that would run a program is changed at one place, and
// nothing of it is believed.
func TestMalformedPlan(t *testing.T) {
	const step, path, argv, state, beyond = 32, 32 + 16, 32 + 24, 32 + 40, 32 + 56
	var b plan.Builder
	b.Run(plan.At("/x"), "/bin/true", []string{"true", "x"}, nil, []byte("{}"), 0)
	good, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	at := func(offset uint64) uint64 { return binary.LittleEndian.Uint64(good[offset:]) }
	set := func(size int, offset, value uint64) func([]byte) []byte {
		return func(text []byte) []byte {
			copy(text[offset:], binary.LittleEndian.AppendUint64(nil, value)[:size])
			return text
		}
	}
	const one = 1 << 32 // in the length of a reference
	for name, change := range map[string]func([]byte) []byte{
		"noise":                      func([]byte) []byte { return bytes.Repeat([]byte{7}, 100) },
		"no whole header":            func(text []byte) []byte { return text[:16] },
		"other magic":                set(4, 0, 0),
		"other size":                 set(4, 4, uint64(len(good))+1),
		"other vocabulary":           set(8, 8, 0),
		"too many steps":             set(4, 16, 1<<31),
		"more steps than room":       set(4, 16, 200),
		"pointers behind the end":    set(4, 24, uint64(len(good))+1),
		"stamps of another kind":     set(4, 28, 2),
		"unknown op":                 set(2, step, 0xffff),
		"unknown flag":               set(2, step+2, 0x8000),
		"when of no slot":            set(2, step+4, 0xfff0),
		"a reserved member":          set(2, step+6, 1),
		"unknown errno tolerated":    set(4, step+8, 1<<31),
		"string without its end":     set(8, path, at(path)-one),
		"string with two ends":       set(8, path, at(path)+one),
		"string behind the end":      set(8, path, at(path)+1<<30),
		"string as long as all":      set(8, path, at(path)|0xffffffff<<32),
		"vector at an odd place":     set(8, argv, at(argv)+1),
		"vector without its end":     set(8, argv, at(argv)-one),
		"vector longer than all":     set(8, argv, at(argv)|0xffffffff<<32),
		"vector with another string": set(8, at(argv)&0xffffffff, at(argv)),
		"blob at an odd place":       set(8, state, at(state)+1),
		"blob with a length outside": set(8, state, at(state)+one),
		"blob longer than a number":  set(8, at(state), 1<<64-1),
		"an argument too many":       set(8, beyond, 1),
	} {
		s := startBytes(t, change(bytes.Clone(good)), 0)
		if r := s.next(RecordFail); r.Err != syscall.EINVAL || r.Step != -1 {
			t.Errorf("%s: record %+v", name, r)
		}
		if status := s.end(); status != 1 {
			t.Errorf("%s: status %d, want 1", name, status)
		}
	}
}

// CVE-2019-5736: the executor's file takes no write, by anyone.
func TestSealed(t *testing.T) {
	fd, err := sealedImage()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&0xf != 0xf {
		t.Errorf("seals %#x, error %v", seals, err)
	}
	if _, err := unix.Write(fd, []byte{0}); err != unix.EPERM {
		t.Errorf("write: %v, want EPERM", err)
	}
	if w, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
		defer unix.Close(w)
		if _, err := unix.Write(w, []byte{0}); err != unix.EPERM {
			t.Errorf("write of a new descriptor: %v, want EPERM", err)
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&0o7777 != 0o511 {
		t.Errorf("mode %o, error %v, want 0511", st.Mode, err)
	}
}

func TestCheckLabel(t *testing.T) {
	for _, c := range []struct {
		text, label, ends string
		ok                bool
	}{
		{"docker-default (enforce)\n", "docker-default", " \n", true},
		{"unconfined\n", "unconfined", " \n", true},
		{"unconfined_foo (enforce)\n", "unconfined", " \n", false},
		{"docker (enforce)\n", "docker-default", " \n", false},
		{"other", "docker-default", " \n", false},
		{"", "docker-default", " \n", false},
		{"a//&b (enforce)\n", "", " \n", true},
		{"", "", " \n", false},
		{"u:r:t:s0:c1\x00", "u:r:t", ":\n", true},
		{"u:r:t\x00", "u:r:t", ":\n", true},
		{"u:r:t", "u:r:t", ":\n", true},
		{"u:r:tt:s0\x00", "u:r:t", ":\n", false},
	} {
		name := filepath.Join(t.TempDir(), "attr")
		if err := os.WriteFile(name, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		b := plan.NewBuilder()
		fd := b.Slot()
		b.Openat2(at, plan.Cwd, name, unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, fd)
		b.CheckLabel(at, fd, c.label, c.ends)
		b.Close(at, fd)
		shell(b, busybox(t), "exit 0")
		s := start(t, b, 0)
		if c.ok {
			s.next(RecordExec)
			s.eof()
		} else if r := s.next(RecordFail); r.Step != 1 || r.Err != syscall.EPERM {
			t.Errorf("%q for %q: record %+v", c.text, c.label, r)
		}
		s.end()
	}
}
