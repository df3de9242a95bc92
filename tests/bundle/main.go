// SPDX-License-Identifier: Apache-2.0

// Package bundle makes the bundles that tests run, runs the runtime on them
// with a deadline, and checks afterwards that nothing is left of a container.
package bundle

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// insideEnv marks the test program that Main has put into its own namespaces.
const insideEnv = "CORTEN_TESTS_INSIDE"

// Main runs a package's tests in mount, PID, IPC and UTS namespaces of their
// own, where every mount is shared: mounts that a container lets out show, all
// processes in /proc are the tests', and none of it outlives them.
func Main(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Println("skipped: containers with all fields need root")
		os.Exit(0)
	}
	if os.Getenv(insideEnv) == "" {
		os.Exit(enter())
	}
	if err := arrange(); err != nil {
		fmt.Fprintln(os.Stderr, "arranging the namespaces of the tests:", err)
		os.Exit(1)
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "preparing the payload of the tests:", err)
		os.Exit(1)
	}
	status := make(chan int)
	go func() { status <- m.Run() }()
	for {
		select {
		case s := <-status:
			for _, dir := range cgroups() {
				fmt.Fprintln(os.Stderr, "left behind: cgroup "+dir)
				s = max(s, 1)
			}
			os.Exit(s)
		case <-time.After(2 * time.Millisecond):
			reap()
		}
	}
}

// The main goroutine keeps the main thread to itself, for reap.
func init() { runtime.LockOSThread() }

// reap waits for the dead that were left to the init of the PID namespace,
// which the tests are. Orphans go to its main thread and the commands of tests
// are children of the others, so nobody's exit status is taken away.
func reap() {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG|unix.WALL|unix.WNOTHREAD, nil)
		if pid <= 0 || err != nil {
			return
		}
	}
}

// enter runs this program again in new namespaces and is its exit status.
func enter() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// arrange makes the mounts of the new mount namespace private to it, shared
// among themselves, and replaces the mounts that show other namespaces.
func arrange() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := unix.Mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620,gid=5"); err != nil {
		return err
	}
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// repository is the root of the source tree, found from the working directory.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == "/" {
			return "", errors.New("go.mod is in no parent directory")
		}
	}
}

// Runtime is the program under test: $CORTEN, else ./corten of the repository.
func Runtime(t testing.TB) string {
	if path := os.Getenv("CORTEN"); path != "" {
		return path
	}
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "corten")
}

// IsCorten says whether the program under test is corten and not a peer, by
// its file name. What only corten does is skipped for a peer.
func IsCorten(t testing.TB) bool { return filepath.Base(Runtime(t)) == "corten" }

// NeedCorten skips a test of something that no peer has.
func NeedCorten(t testing.TB) {
	if !IsCorten(t) {
		t.Skip("CORTEN names a peer, which does not have this")
	}
}

// NeedStrace skips a test of a fault that strace injects.
func NeedStrace(t testing.TB) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("the package strace is missing")
	}
}
