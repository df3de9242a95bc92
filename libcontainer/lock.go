// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lock waits for the commands that change the container. The one before may
// have removed it.
func (c *container) lock(limit time.Duration) error {
	if err := flock(c.dir, limit); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(c.dir.Fd()), &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if st.Nlink == 0 {
		return ErrNotExist
	}
	return nil
}

// awaitMade waits while a command holds the lock, at most ten seconds: create
// and run have it until the container is whole. Before, its root is the host's.
func (c *container) awaitMade() error {
	fd := int(c.dir.Fd())
	for range 1000 {
		err := unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
		if err == nil {
			return c.unlock()
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			return os.NewSyscallError("flock", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the container is still being made")
}

// unlock lets other commands at the container.
func (c *container) unlock() error { return lockFile(c.dir, unix.LOCK_UN) }

// flock locks a file of the state. Who keeps it for longer than the limit is named.
func flock(f *os.File, limit time.Duration) error {
	var end time.Time
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == unix.EINTR:
			continue
		case err != unix.EWOULDBLOCK:
			return os.NewSyscallError("flock", err)
		}
		switch now := time.Now(); {
		case end.IsZero():
			end = now.Add(limit)
		case now.After(end):
			return fmt.Errorf("%s is being changed by %s, and has been for %v", f.Name(), nameOf(lockHolder(f)), limit)
		}
		sleep := unix.NsecToTimespec(pause.Nanoseconds())
		_ = unix.Nanosleep(&sleep, nil)
	}
}

func lockFile(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return os.NewSyscallError("flock", err)
		}
	}
}

// lockHolder is the process that has locked a file; 0 if there is none, or none
// to be seen from here.
func lockHolder(f *os.File) int {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return 0
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	text, _ := os.ReadFile("/proc/locks")
	for line := range strings.Lines(string(text)) {
		// 1: FLOCK  ADVISORY  WRITE 4711 00:1b:815 0 EOF; a waiter's has "->" behind its number.
		if fields := strings.Fields(line); len(fields) > 5 && fields[1] == "FLOCK" && fields[5] == file {
			pid, _ := strconv.Atoi(fields[4])
			return max(pid, 0)
		}
	}
	return 0
}

// nameOf is such as "process 4711 (corten, T)".
func nameOf(pid int) string {
	if pid == 0 {
		return "another command"
	}
	comm, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	state, _, err := processStat(pid)
	if err != nil {
		return "process " + strconv.Itoa(pid)
	}
	return fmt.Sprintf("process %d (%s, %c)", pid, strings.TrimSpace(string(comm)), state)
}

// endStoppedHolder kills a command that holds the lock and has been stopped by a
// signal: it would not go on.
func (c *container) endStoppedHolder() {
	if unix.Flock(int(c.dir.Fd()), unix.LOCK_SH|unix.LOCK_NB) != unix.EWOULDBLOCK {
		_ = c.unlock()
		return
	}
	pid := lockHolder(c.dir)
	if pid == 0 {
		return
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(pidfd)
	// It still holds it: the pid has not been another's.
	if state, _, err := processStat(pid); err == nil && state == 'T' && lockHolder(c.dir) == pid {
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
	}
}
