// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/json"
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
	"corten/seccomp"
)

// agent is a connection to the seccomp agent at listenerPath, the program on the
// host that decides the system calls with the action SCMP_ACT_NOTIFY.
type agent struct {
	socket int
	state  specs.ContainerProcessState
}

var listenerAt = plan.At("/linux/seccomp").Field("listenerPath")

// dialAgent connects if the profile notifies; nil without an error if not.
func dialAgent(profile *specs.LinuxSeccomp, state specs.State) (*agent, error) {
	if !seccomp.Notifies(profile) {
		return nil, nil
	}
	socket, err := dial(profile.ListenerPath)
	if err != nil {
		return nil, &plan.Error{At: listenerAt, Op: profile.ListenerPath, Err: err,
			Hint: "the seccomp agent must be listening before the container is made"}
	}
	return &agent{socket, specs.ContainerProcessState{Version: specs.Version, Fds: []string{specs.SeccompFdName},
		Metadata: profile.ListenerMetadata, State: state}}, nil
}

// close is for a nil agent too.
func (a *agent) close() {
	if a != nil && a.socket >= 0 {
		unix.Close(a.socket)
		a.socket = -1
	}
}

// send gives the agent the listener of the process pid, as the specification's
// "The Container Process State" says: one state a connection, and then its end,
// which an agent may wait for before it answers anything.
func (a *agent) send(listener, pid int) error {
	defer a.close()
	a.state.Pid = pid
	if a.state.State.Pid == 0 {
		a.state.State.Pid = pid
	}
	b, err := json.Marshal(&a.state)
	for rights := unix.UnixRights(listener); err == nil && len(b) > 0; rights = nil {
		var n int
		n, err = unix.SendmsgN(a.socket, b, rights, nil, unix.MSG_NOSIGNAL)
		b = b[max(n, 0):]
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EAGAIN) {
		err = errors.New("the agent has read nothing for 10 s")
	}
	return &plan.Error{At: listenerAt, Op: "sendmsg", Err: err}
}

// listen takes the listener from the executor and passes it on. Under its filter
// the executor cannot say that it is there: the next call may be one that waits
// for the agent. So the runtime looks, as long as nothing else is heard.
func (s *spawn) listen() error {
	for {
		fd, err := s.executor.Take(s.listener)
		if err == nil {
			defer unix.Close(fd)
			return s.agent.send(fd, s.executor.PID)
		}
		if !errors.Is(err, unix.EBADF) && !errors.Is(err, unix.ESRCH) {
			e := &plan.Error{At: plan.At("/linux/seccomp"), Op: "pidfd_getfd", Err: err}
			if errors.Is(err, unix.EPERM) {
				e.Hint = "to take the filter's listener from the container needs CAP_SYS_PTRACE"
			}
			return e
		}
		fds := []unix.PollFd{{Fd: int32(s.executor.Status), Events: unix.POLLIN}}
		if n, _ := unix.Poll(fds, 1); n > 0 {
			if err := s.next(); err != nil { // it failed, or has ended
				return err
			}
		}
	}
}
