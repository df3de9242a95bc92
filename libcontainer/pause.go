// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"corten/cgroups"
)

// Pause freezes every process of a container, or, when that takes longer than
// ten seconds, none.
func (r *Runtime) Pause(id string) error {
	c, err := r.openMade(id, true)
	if err != nil {
		return err
	}
	defer c.close()
	pidfd, err := c.process()
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	group := cgroups.Open(c.Cgroups)
	defer group.Close()
	if frozen, err := group.Frozen(); err != nil {
		return err
	} else if frozen {
		return ErrNotRunning
	}
	if err := group.Freeze(); err != nil {
		return err
	}
	// Kill thaws after its signal, and only what is frozen then. So whichever
	// comes second sees the other: no killed process is kept from its end.
	if waitEnd(pidfd, 0) == nil || killPending(c.PID) {
		return errors.Join(ErrNotRunning, group.Thaw())
	}
	return nil
}

// killPending reports whether a process has been sent a SIGKILL that it has not
// died of yet (proc_pid_status(5), SigPnd and ShdPnd).
func killPending(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	for line := range strings.Lines(string(text)) {
		name, mask, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		if name != "SigPnd" && name != "ShdPnd" {
			continue
		}
		if n, err := strconv.ParseUint(mask, 16, 64); err == nil && n&(1<<(unix.SIGKILL-1)) != 0 {
			return true
		}
	}
	return err != nil
}

// resumeLimit is how long Resume waits for the kernel to let all go on.
const resumeLimit = 2 * time.Second

// Resume lets a paused container go on.
func (r *Runtime) Resume(id string) error {
	c, err := r.openMade(id, true)
	if err != nil {
		return err
	}
	defer c.close()
	if status, err := c.status(); err != nil {
		return err
	} else if status != statusPaused {
		return ErrNotPaused
	}
	group := cgroups.Open(c.Cgroups)
	defer group.Close()
	if err := group.Thaw(); err != nil {
		return err
	}
	for end := time.Now().Add(resumeLimit); ; time.Sleep(time.Millisecond) {
		frozen, err := group.Frozen()
		if err != nil || !frozen {
			return err
		}
		if time.Now().After(end) {
			return errors.New("the container is still frozen: a cgroup above its own is")
		}
	}
}
