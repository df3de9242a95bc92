// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter"
	"corten/nsenter/plan"
	"corten/signals"
)

// An executor that gets into a cgroup which somebody freezes at that moment
// would stay there, and the runtime with it (runc #2753, #3663, #4481). So the
// runtime never waits for one without looking.

// patience is how long the executor may be silent before it is looked whether it
// is frozen.
const patience = 200 * time.Millisecond

// await waits until fd can be read, a signal ends the start, or the executor
// turns out to be frozen or stuck.
func (s *spawn) await(fd int) error { return s.awaitFor(fd, unix.POLLIN) }

// awaitFor is await for other events; 0: the end of what fd is read for.
func (s *spawn) awaitFor(fd int, events int16) error {
	var still silence
	for {
		limit := int(patience.Milliseconds())
		if s.ignorePaused {
			limit = -1
		}
		fds := [...]unix.PollFd{{Fd: int32(fd), Events: events}, {Fd: -1}}
		if s.catcher != nil {
			fds[1] = unix.PollFd{Fd: int32(s.catcher.FD()), Events: unix.POLLIN}
		}
		n, err := signals.Poll(fds[:], limit)
		switch {
		case err == unix.EINTR:
			err = nil
		case err != nil:
			err = os.NewSyscallError("poll", err)
		case fds[0].Revents != 0:
			return nil
		case n == 0:
			events = unix.POLLIN // it may have said more than the socket holds
			err = s.checkStill(&still)
		default:
			err = interrupted(s.catcher)
		}
		if err != nil {
			return err
		}
	}
}

// interrupted says which caught signal ends the start, if one does.
func interrupted(catcher *signals.Catcher) error {
	if sig, ends := catcher.Ending(); ends {
		return errors.New("ended by signal " + signals.Name(sig) + " before the program ran")
	}
	return nil
}

// adopt goes on with the process that the executor has forked off.
func (s *spawn) adopt(r nsenter.Record) error {
	if err := s.await(s.executor.Pidfd); err != nil {
		s.free(r.PID) // it ends when it finds the socket closed
		return err
	}
	return s.executor.Adopt(r)
}

// checkFrozen refuses to go on in a frozen cgroup.
func (s *spawn) checkFrozen() error {
	frozen, err := s.group.Freezing()
	switch {
	case err != nil || !frozen:
		return err
	case s.init >= 0:
		return errPausedExec
	}
	return &plan.Error{At: plan.At("/linux/cgroupsPath"), Err: cgroups.ErrFrozen}
}

// begun waits until the executor runs: what is done by pid before is done to the
// runtime, in part.
func (s *spawn) begun() error {
	for still := (silence{}); !s.executor.Begun(patience); {
		if !s.ignorePaused {
			if err := s.checkStill(&still); err != nil {
				return err
			}
		}
	}
	return nil
}

// abort ends the executor and reaps it. Out of a frozen cgroup first: that of
// v1 keeps even the killed.
func (s *spawn) abort() {
	if s.executor == nil {
		return
	}
	_ = unix.PidfdSendSignal(s.executor.Pidfd, unix.SIGKILL, nil, 0)
	if s.group != nil {
		s.free(s.executor.PID)
		s.group.Close()
	}
	s.executor.Abort()
}

// free takes a process out of a frozen cgroup.
func (s *spawn) free(pid int) {
	if frozen, err := s.group.Frozen(); err == nil && frozen {
		_ = s.group.Release(pid)
	}
}

// awaitResume waits until a paused container goes on, or has ended. It waits
// outside of it, where the runtime can still be ended.
func (s *spawn) awaitResume() error {
	for {
		if frozen, err := s.group.Frozen(); err != nil || !frozen {
			return err
		}
		if waitEnd(s.init, 0) == nil {
			return errors.New("cannot exec in a stopped container")
		}
		fds := [...]unix.PollFd{{Fd: -1}}
		if s.catcher != nil {
			fds[0] = unix.PollFd{Fd: int32(s.catcher.FD()), Events: unix.POLLIN}
		}
		if n, err := unix.Poll(fds[:], 20); err != nil && err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		} else if n > 0 {
			if err := interrupted(s.catcher); err != nil {
				return err
			}
		}
	}
}
