// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"corten/cgroups"
)

// Ended is how a container has ended. What is not known is nil.
type Ended struct {
	ID         string  `json:"id"`
	ExitStatus *int    `json:"exit_status"` // of its first process; 128+n when signal n ended it
	Signal     *int    `json:"signal"`      // the signal that ended it; nil also if none did
	OOMKills   *uint64 `json:"oom_kill"`    // processes killed for want of memory
	MemoryPeak *uint64 `json:"memory_peak"` // bytes
	CPU        *uint64 `json:"cpu_usec"`    // processor time
}

// The end of a container is seen by several: by the process that reaps it, which
// may be another's, by who waits, and by who removes its cgroup. Each writes what
// it knows to the file exitFile of the state directory. Those who wait make the
// file; else only run --keep does, so that nobody else need write anything.
const exitFile = "exit"

// Wait waits until the container's first process has ended.
func (r *Runtime) Wait(id string) (*Ended, error) {
	c, err := r.openMade(id, true)
	if err != nil {
		return nil, err
	}
	defer c.close()
	pidfd, _, err := c.firstProcess()
	if err != nil && !errors.Is(err, ErrNotRunning) {
		return nil, err
	}
	if pidfd >= 0 {
		defer unix.Close(pidfd)
	}
	file, err := c.exitFile(unix.O_CREAT)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// Others may kill and delete it meanwhile.
	if err := unix.Flock(int(c.dir.Fd()), unix.LOCK_UN); err != nil {
		return nil, os.NewSyscallError("flock", err)
	}
	end := &Ended{ID: c.ID}
	if pidfd < 0 {
		end.use(c)
		return end, end.keep(file)
	}
	reaper := c.reaper()
	if reaper >= 0 {
		defer unix.Close(reaper)
	}
	if err := waitEnd(pidfd, -1); err != nil {
		return nil, err
	}
	// At once: who reaps the process may remove the cgroup, too.
	end.use(c)
	if end.die(pidfd, c.PID); end.ExitStatus == nil && reaper >= 0 {
		if err := waitEnd(reaper, -1); err != nil {
			return nil, err
		}
	}
	return end, end.keep(file)
}

// reaper is a pidfd of the foreground run that will reap the container, and say
// how it ended in the file; -1 if another does.
func (c *container) reaper() int {
	parent := parentOf(c.PID)
	var own, its unix.Stat_t
	if parent == 0 || unix.Stat("/proc/self/exe", &own) != nil || unix.Stat("/proc/"+strconv.Itoa(parent)+"/exe", &its) != nil ||
		own.Dev != its.Dev || own.Ino != its.Ino {
		return -1
	}
	pidfd, err := unix.PidfdOpen(parent, 0)
	if err != nil || parentOf(c.PID) != parent {
		return -1
	}
	return pidfd
}

// use takes down what the cgroup has counted.
func (e *Ended) use(c *container) {
	group := cgroups.Open(c.Cgroups)
	defer group.Close()
	u := group.Usage()
	e.OOMKills, e.MemoryPeak, e.CPU = u.OOMKills, u.MemoryPeak, u.CPU
}

// die takes down how an ended process has ended, if that can be seen: nobody but
// its parent is told.
func (e *Ended) die(pidfd, pid int) {
	// Since Linux 6.15 (7477d7dce48a), of a process that has been reaped.
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	seen := func() bool {
		info.Mask = unix.PIDFD_INFO_EXIT
		return unix.IoctlPidfdInfo(pidfd, &info) == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0
	}
	if seen() {
		e.exited(syscall.WaitStatus(info.Exit_code))
	} else if status, ok := zombieStatus(pidfd, pid); ok {
		e.exited(status)
	} else if seen() { // reaped in between
		e.exited(syscall.WaitStatus(info.Exit_code))
	}
}

// zombieStatus is the status of an ended process that nobody has reaped, as
// /proc/PID/stat has it for those who may look (proc_pid_stat(5), exit_code).
func zombieStatus(pidfd, pid int) (syscall.WaitStatus, bool) {
	// Others read 0 there.
	if _, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/user"); err != nil {
		return 0, false
	}
	fields, err := statFields(pid)
	if err != nil || len(fields) < 50 || fields[0] != "Z" || unix.PidfdSendSignal(pidfd, 0, nil, 0) != nil {
		return 0, false
	}
	status, err := strconv.ParseUint(fields[49], 10, 32)
	return syscall.WaitStatus(status), err == nil
}

func (e *Ended) exited(s syscall.WaitStatus) {
	if s.Signaled() {
		e.ExitStatus, e.Signal = new(128+int(s.Signal())), new(int(s.Signal()))
		return
	}
	e.ExitStatus = new(s.ExitStatus())
}

// ended writes down how a container has ended that the caller has reaped; status
// is what is known of old. Without keep it is for those who wait.
func (c *container) ended(pidfd, status int, keep bool) {
	flag := 0
	if keep {
		// Or it could be left by somebody who removes the directory.
		if c.lock(defaultTimeout) != nil {
			return
		}
		defer unix.Flock(int(c.dir.Fd()), unix.LOCK_UN)
		flag = unix.O_CREAT
	}
	file, err := c.exitFile(flag)
	if err != nil {
		return
	}
	defer file.Close()
	end := &Ended{ID: c.ID}
	end.use(c)
	if pidfd >= 0 {
		if end.die(pidfd, c.PID); end.ExitStatus == nil {
			end.ExitStatus = &status
		}
	}
	_ = end.keep(file)
}

func (c *container) exitFile(flag int) (*os.File, error) {
	fd, err := unix.Openat(int(c.dir.Fd()), exitFile, flag|unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "openat", Path: exitFile, Err: err}
	}
	return os.NewFile(uintptr(fd), exitFile), nil
}

// keep completes e by what others have written to the file, and the file by e.
func (e *Ended) keep(file *os.File) error {
	if err := flock(file, defaultTimeout); err != nil {
		return err
	}
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<16))
	if err != nil {
		return err
	}
	var was Ended
	if len(text) > 0 {
		if err := json.Unmarshal(text, &was); err != nil {
			return errors.New(exitFile + ": " + err.Error())
		}
	}
	if e.ExitStatus == nil {
		e.ExitStatus, e.Signal = was.ExitStatus, was.Signal
	}
	complete(&e.OOMKills, was.OOMKills)
	complete(&e.MemoryPeak, was.MemoryPeak)
	complete(&e.CPU, was.CPU)
	if text, err = json.Marshal(e); err != nil {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.WriteAt(append(text, '\n'), 0)
	return err
}

// complete keeps the higher of two counts.
func complete(to **uint64, was *uint64) {
	if *to == nil || was != nil && *was > **to {
		*to = was
	}
}
