// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// KeeperName is argv[0] of the keeper: corten again, which outlives the corten
// of an attached exec that is killed, to end what that has started. A death
// signal would end the first process alone, and leave its children.
const KeeperName = "corten-keeper"

// Descriptors of the keeper: pidfds.
const (
	keptRuntime = 3
	keptProcess = 4
)

// startKeeper starts the keeper of a process, in a session of its own and
// without the caller's streams. The result ends it.
func startKeeper(process, pid int) (end func(), err error) {
	own, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(own)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/dev/null", Err: err}
	}
	defer unix.Close(null)
	keeper, n := -1, uintptr(null)
	_, err = syscall.ForkExec("/proc/self/exe", []string{KeeperName, strconv.Itoa(pid)}, &syscall.ProcAttr{
		Files: []uintptr{n, n, n, keptRuntime: uintptr(own), keptProcess: uintptr(process)},
		Sys:   &syscall.SysProcAttr{Setsid: true, PidFD: &keeper}})
	if err != nil {
		return nil, os.NewSyscallError("execve /proc/self/exe", err)
	}
	return func() {
		_ = unix.PidfdSendSignal(keeper, unix.SIGKILL, nil, 0)
		_ = unix.Waitid(unix.P_PIDFD, keeper, nil, unix.WEXITED, nil)
		unix.Close(keeper)
	}, nil
}

func (s *spawn) endKeeper() {
	if s.keeper != nil {
		s.keeper()
	}
}

// Keep is the keeper: it waits for the process or the runtime to end.
func Keep() {
	pid, err := strconv.Atoi(os.Args[len(os.Args)-1])
	fds := []unix.PollFd{{Fd: keptRuntime, Events: unix.POLLIN}, {Fd: keptProcess, Events: unix.POLLIN}}
	for err == nil && fds[0].Revents|fds[1].Revents == 0 {
		if _, err = unix.Poll(fds, -1); err == unix.EINTR {
			err = nil
		}
	}
	if err == nil && fds[1].Revents == 0 {
		endFamily(pid)
	}
}

// endFamily kills a process, its descendants, and who is left of its session.
// They are stopped first, each before its children are looked for, so that none
// slips away.
func endFamily(first int) {
	stopped := map[int]bool{}
	for found := true; found; {
		found = false
		for pid, parent := range parents(first) {
			if (pid == first || parent == first || stopped[parent]) && !stopped[pid] {
				found = unix.Kill(pid, unix.SIGSTOP) == nil || found
				stopped[pid] = true
			}
		}
	}
	for pid := range stopped {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// parents are the living processes by pid, each with its parent's pid; for one
// of the session, that of the session's leader.
func parents(session int) map[int]int {
	all := map[int]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, _ := os.ReadFile("/proc/" + e.Name() + "/stat")
		// pid (comm) state ppid pgrp session (proc_pid_stat(5))
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) < 4 || fields[0][0] == 'Z' || fields[0][0] == 'X' {
			continue
		}
		all[pid], _ = strconv.Atoi(string(fields[1]))
		if string(fields[3]) == strconv.Itoa(session) {
			all[pid] = session
		}
	}
	return all
}
