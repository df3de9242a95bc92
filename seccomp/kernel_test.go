// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestMain makes this binary the process under the filter: with the program
// in a file named by CORTEN_FILTER it loads it and reports, for each call of
// probes, the errno.
func TestMain(m *testing.M) {
	if path := os.Getenv("CORTEN_FILTER"); path != "" {
		underFilter(path)
	}
	os.Exit(m.Run())
}

// newCall is a number that no architecture has used.
const newCall = 1200

var probes = []struct {
	name string
	call [4]uintptr
}{
	{"getppid", [4]uintptr{unix.SYS_GETPPID}},
	{"unshare", [4]uintptr{unix.SYS_UNSHARE, 0}},
	{"dup 100", [4]uintptr{unix.SYS_DUP, 100}},
	{"dup 101", [4]uintptr{unix.SYS_DUP, 101}},
	{"dup 100+2^32", [4]uintptr{unix.SYS_DUP, 100 | 1<<32}},
	{"new", [4]uintptr{newCall}},
	{"uname", [4]uintptr{unix.SYS_UNAME, 0}},
}

func underFilter(path string) {
	program, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	fprog := unix.SockFprog{Len: uint16(len(program) / 8), Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0]))}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, uintptr(unsafe.Pointer(&fprog))); errno != 0 {
		panic(errno)
	}
	var out strings.Builder
	for _, p := range probes {
		_, _, errno := unix.RawSyscall(p.call[0], p.call[1], p.call[2], p.call[3])
		fmt.Fprintf(&out, "%s:%d ", p.name, int(errno))
	}
	os.Stdout.WriteString(out.String())
	os.Exit(0)
}

func TestKernel(t *testing.T) {
	probe := func(t *testing.T, raw string) (string, syscall.WaitStatus) {
		t.Helper()
		if err := Validate(at, decode(t, raw)); err != nil {
			t.Fatal(err)
		}
		program, err := Filter(at, []byte(raw), "")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(path, program, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{"CORTEN_FILTER=" + path}
		out, err := cmd.Output()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out)), cmd.ProcessState.Sys().(syscall.WaitStatus)
	}
	for name, c := range map[string]struct{ profile, want string }{
		"deny list": {`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
			{"names":["getppid"],"action":"SCMP_ACT_ERRNO","errnoRet":42},
			{"names":["unshare"],"action":"SCMP_ACT_ERRNO"},
			{"names":["dup"],"action":"SCMP_ACT_ERRNO","errnoRet":43,"args":[{"index":0,"value":100,"op":"SCMP_CMP_EQ"}]}]}`,
			"getppid:42 unshare:1 dup 100:43 dup 101:9 dup 100+2^32:9 new:38 uname:14"},
		"log": {`{"defaultAction":"SCMP_ACT_LOG","syscalls":[{"names":["getppid"],"action":"SCMP_ACT_ERRNO","errnoRet":42}]}`,
			"getppid:42 unshare:0 dup 100:9 dup 101:9 dup 100+2^32:9 new:38 uname:14"},
		// Without a tracer SCMP_ACT_TRACE is ENOSYS, seccomp(2).
		"trace": {`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getppid"],"action":"SCMP_ACT_TRACE"}]}`,
			"getppid:38 unshare:0 dup 100:9 dup 101:9 dup 100+2^32:9 new:38 uname:14"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, status := probe(t, c.profile); got != c.want || status != 0 {
				t.Errorf("%s (%#x), want %s", got, status, c.want)
			}
		})
	}
	t.Run("engine", func(t *testing.T) {
		got, status := probe(t, string(engineProfile(t)))
		if want := "getppid:0 unshare:1 dup 100:9 dup 101:9 dup 100+2^32:9 new:38 uname:14"; got != want || status != 0 {
			t.Errorf("%s (%#x), want %s", got, status, want)
		}
	})
	// Killing one thread would leave the others of the Go runtime waiting.
	t.Run("kill", func(t *testing.T) {
		out, status := probe(t, `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["unshare"],"action":"SCMP_ACT_KILL_PROCESS"}]}`)
		if out != "" || !status.Signaled() || status.Signal() != syscall.SIGSYS {
			t.Errorf("%q, %#x", out, status)
		}
	})
}

// TestEngines: the profiles engines hand over compile. System calls
// they name that libseccomp does not know are logged.
func TestEngines(t *testing.T) {
	for _, engine := range []string{"containerd", "docker", "podman"} {
		b, err := os.ReadFile("../tests/data/" + engine + "/config.json")
		if err != nil {
			t.Fatal(err)
		}
		var config struct {
			Linux struct{ Seccomp json.RawMessage }
		}
		if err := json.Unmarshal(b, &config); err != nil {
			t.Fatal(err)
		}
		if config.Linux.Seccomp == nil {
			t.Logf("%s: no profile", engine)
			continue
		}
		if err := Validate(at, decode(t, string(config.Linux.Seccomp))); err != nil {
			t.Errorf("%s: %v", engine, err)
		}
		p, err := Compile(at, config.Linux.Seccomp, "")
		if err != nil {
			t.Errorf("%s: %v", engine, err)
		}
		t.Logf("%s: %d bytes of profile, %d instructions, unknown: %q", engine, len(config.Linux.Seccomp), len(p.BPF)/8, p.Unknown)
	}
}
