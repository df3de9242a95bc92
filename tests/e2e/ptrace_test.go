// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// tracerEnv makes this program, run again, the tracer of the test below.
const tracerEnv = "CORTEN_TESTS_TRACER"

// What root starts becomes another user when it enters its user namespace, and
// still has descriptors of root's. All processes of that user try to trace it all
// the time, and never can: neither the executor nor, without capabilities over
// its user namespace, the payload. (A user's own container is his to trace.)
//
// cve: CVE-2020-5291, CVE-2026-41163
func TestTheUserThatAContainerIsMappedToCannotTraceItsStart(t *testing.T) {
	b := bundle.New(t, bundle.Shell("true"), bundle.UserNamespace(bundle.User))
	tracer := exec.Command("/proc/self/exe")
	tracer.Env = append(os.Environ(), tracerEnv+"=1")
	tracer.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: bundle.User, Gid: bundle.User}}
	in, err := tracer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	tracer.Stdout, tracer.Stderr = &out, &out
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		b.RunOK()
	}
	in.Close()
	if err := tracer.Wait(); err != nil {
		t.Error(err)
	}
	var tried, traced int
	if _, err := fmt.Sscanf(out.String(), "tried %d traced %d", &tried, &traced); err != nil || tried == 0 || traced > 0 {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// trace tries until the standard input ends.
func trace() {
	runtime.LockOSThread()
	ended := make(chan struct{})
	go func() { os.Stdin.Read(make([]byte, 1)); close(ended) }()
	tried, traced := 0, 0
	for {
		select {
		case <-ended:
			fmt.Printf("tried %d traced %d\n", tried, traced)
			return
		default:
		}
		all, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range all {
			if !isUsers(dir) {
				continue
			}
			pid, _ := strconv.Atoi(filepath.Base(dir))
			tried++
			if ptrace(unix.PTRACE_SEIZE, pid) == 0 {
				traced++
				ptrace(unix.PTRACE_INTERRUPT, pid)
				unix.Wait4(pid, nil, unix.WALL, nil)
				ptrace(unix.PTRACE_DETACH, pid)
			}
		}
	}
}

func ptrace(request, pid int) syscall.Errno {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(pid), 0, 0, 0, 0)
	return errno
}

// isUsers reports whether a process is the user's, and not the tracer.
func isUsers(dir string) bool {
	text, _ := os.ReadFile(dir + "/status")
	return strings.Contains(string(text), "\nUid:\t"+strconv.Itoa(bundle.User)+"\t") && dir != "/proc/"+strconv.Itoa(os.Getpid())
}
