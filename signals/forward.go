// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Subreap makes the process the one that orphans of the container come to,
// when the container has no PID namespace of its own (PR_SET_CHILD_SUBREAPER).
// Call it before the clone, so that none is missed.
func Subreap() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", err)
	}
	return nil
}

// Options of Forward.
type Options struct {
	Caught  *Catcher // from before the clone; nil: nothing is forwarded
	Console *Console // relayed until the process has ended; nil: none
}

// Forward stays until process pid, a child of the caller, has ended, and
// returns its exit status, 128+n when signal n ended it. Meanwhile it passes
// caught signals on through pidfd, turns SIGWINCH into the console's new
// size, and reaps every other child: nothing else in the process may wait for
// one.
func Forward(pidfd, pid int, o Options) (status int, err error) {
	var giveUp chan struct{}
	if o.Caught != nil {
		giveUp = o.Caught.giveUp
	}
	if o.Console != nil {
		if o.Caught != nil {
			// These three are the caller's terminal speaking to the relay itself: caught,
			// a background read or write would be restarted and signalled for ever.
			o.Caught.release(syscall.SIGTTIN, syscall.SIGTTOU)
		}
		if err := o.Console.Start(); err != nil {
			return 0, err
		}
	}
	status, err = o.attend(pidfd, pid)
	if o.Console != nil {
		if o.Caught != nil {
			go o.drain(pidfd)
		}
		o.Console.Finish(giveUp)
	}
	return status, err
}

// attend passes signals on and reaps until pid has ended.
func (o *Options) attend(pidfd, pid int) (status int, err error) {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}, {Fd: -1, Events: unix.POLLIN}}
	if o.Caught != nil {
		fds[1].Fd = int32(o.Caught.pipe)
	}
	if o.Caught != nil {
		o.pass(pidfd) // what came before
	}
	for {
		if _, err := Poll(fds, -1); err != nil && err != unix.EINTR {
			return 0, os.NewSyscallError("poll", err)
		}
		if fds[1].Revents != 0 {
			o.pass(pidfd)
		}
		if status, ended, err := reap(pid, fds[0].Revents != 0); ended || err != nil {
			return status, err
		}
	}
}

// pass sends what was caught to the process.
func (o *Options) pass(pidfd int) {
	for _, b := range o.Caught.next() {
		switch s := syscall.Signal(b); {
		case s == syscall.SIGCHLD:
			// attend reaps after each wake-up.
		case s == syscall.SIGWINCH && o.Console != nil:
			o.Console.Resize()
		default:
			if unix.PidfdSendSignal(pidfd, s, nil, 0) == syscall.ESRCH {
				o.Caught.ended(s)
			}
		}
	}
}

// drain heeds signals while the ended process's output is written.
func (o *Options) drain(pidfd int) {
	fds := []unix.PollFd{{Fd: int32(o.Caught.pipe), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		o.pass(pidfd)
	}
}

// ended takes a signal for a process that has: one that asks to end lets the
// rest of its output go.
func (c *Catcher) ended(s syscall.Signal) {
	switch s {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM:
		if !c.told {
			c.told = true
			close(c.giveUp)
		}
	}
}

// reap reaps every child that has ended; pid is among them when due says so.
func reap(pid int, due bool) (status int, ended bool, err error) {
	for {
		var ws syscall.WaitStatus
		got, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil && !due && err == syscall.ECHILD, err == nil && got == 0 && !due:
			return 0, false, nil
		case err != nil:
			return 0, false, os.NewSyscallError("wait4", err)
		case got == pid && ws.Signaled():
			return 128 + int(ws.Signal()), true, nil
		case got == pid && ws.Exited():
			return ws.ExitStatus(), true, nil
		}
	}
}
