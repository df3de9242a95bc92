// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// newUsers makes one whose root is uid 100000.
func newUsers(t *testing.T, network bool) *Users {
	t.Helper()
	needRoot(t)
	u, err := NewUsers(network)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Abort)
	for _, file := range [...]string{"uid_map", "gid_map"} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", u.PID, file), []byte("0 100000 10"), 0); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

func gone(t *testing.T, pid int) {
	t.Helper()
	if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.ECHILD {
		t.Errorf("process %d: %v, want it to be reaped", pid, err)
	}
}

func TestAUserNamespaceOwnsTheNetworkNamespaceMadeWithIt(t *testing.T) {
	u := newUsers(t, true)
	pid := u.PID
	users, err := u.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(users)
	if err := u.Mapped(); err != nil {
		t.Fatal(err)
	}
	network, err := u.TakeNetwork()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(network)
	gone(t, pid)
	const getUserNS = 0xb701 // NS_GET_USERNS
	owner, err := unix.IoctlRetInt(network, getUserNS)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(owner)
	var own, made, of unix.Stat_t
	if err := errors.Join(unix.Stat("/proc/self/ns/user", &own), unix.Fstat(users, &made), unix.Fstat(owner, &of)); err != nil {
		t.Fatal(err)
	}
	if made.Ino == own.Ino || of.Ino != made.Ino {
		t.Errorf("own user namespace %d, new one %d, that of the network %d", own.Ino, made.Ino, of.Ino)
	}
	if _, err := u.TakeNetwork(); err == nil {
		t.Error("it was taken twice")
	}
}

func TestAnAbortedUserNamespaceLeavesNothing(t *testing.T) {
	for _, c := range [...]struct{ network, mapped bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		mapped := c.mapped
		before := openFiles(t)
		u := newUsers(t, c.network)
		pid := u.PID
		if mapped {
			if err := u.Mapped(); err != nil {
				t.Fatal(err)
			}
			u.end()
		}
		u.Abort()
		u.Abort()
		gone(t, pid)
		if after := openFiles(t); after != before {
			t.Errorf("%+v: %d descriptors, before %d", c, after, before)
		}
	}
	(*Users)(nil).Abort()
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestAKilledMakerOfAUserNamespaceIsAnError(t *testing.T) {
	u := newUsers(t, true)
	if err := unix.Kill(u.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if fd, err := u.TakeNetwork(); err == nil || fd >= 0 {
		t.Errorf("descriptor %d, error %v", fd, err)
	}
}

func TestTheMakerOfAUserNamespaceEndsWithItsCaller(t *testing.T) {
	const helper = "CORTEN_TEST_USERS"
	if os.Getenv(helper) != "" {
		u, err := NewUsers(true)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("maker", u.PID)
		select {}
	}
	needRoot(t)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), helper+"=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	pid, parseErr := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "maker ")))
	if err != nil || parseErr != nil {
		t.Fatalf("%q: %v, %v", line, err, parseErr)
	}
	// Only what has ended can be waited for.
	if got, err := unix.Wait4(pid, nil, 0, nil); got != pid {
		t.Errorf("wait4: %d, %v", got, err)
	}
}
