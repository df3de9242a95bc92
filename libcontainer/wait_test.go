// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// How a process ended is seen as long as nobody has reaped it, and on kernels
// since 6.15 afterwards.
func TestDieSeesHowAProcessEnded(t *testing.T) {
	for words, want := range map[string]syscall.WaitStatus{"exit 3": 3 << 8, "kill -TERM $$": 15, "exit 0": 0} {
		cmd := exec.Command("sh", "-c", words)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pid := cmd.Process.Pid
		pidfd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(pidfd)
		if err := waitEnd(pidfd, -1); err != nil {
			t.Fatal(err)
		}
		if status, ok := zombieStatus(pidfd, pid); !ok || status != want {
			t.Errorf("%s: status %#x, %t of the zombie; want %#x", words, status, ok, want)
		}
		_ = cmd.Wait()
		var e Ended
		if e.die(pidfd, pid); e.ExitStatus == nil {
			t.Log("the kernel has no PIDFD_INFO_EXIT (Linux 6.15)")
			continue
		}
		status := want.ExitStatus()
		if want.Signaled() {
			status = 128 + int(want.Signal())
		}
		if *e.ExitStatus != status || (e.Signal != nil) != want.Signaled() {
			t.Errorf("%s: exit status %d; want %d", words, *e.ExitStatus, status)
		}
	}
}
