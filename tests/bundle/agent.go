// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Agent is a seccomp agent: it listens at Path, takes a container process
// state and a listener from each connection, and answers the notifications.
type Agent struct {
	Path   string
	States chan specs.ContainerProcessState // of each connection that sent one

	t      testing.TB
	socket *net.UnixListener
	answer func(*Notice) Answer
	gone   atomic.Bool
	ended  chan struct{}
}

// Notice is struct seccomp_notif of linux/seccomp.h.
type Notice struct {
	ID          uint64
	PID         int32
	Flags       uint32
	Number      int32
	Arch        uint32
	Instruction uint64
	Args        [6]uint64
	listener    int // not the kernel's
}

// Answer is what a call returns: a value, an error, or what the kernel says
// when it is continued. Leave is for none, and the end of the agent.
type Answer struct {
	Value           int64
	Errno           unix.Errno
	Continue, Leave bool
}

// Requests and flags of linux/seccomp.h.
const (
	receive     = 0xc0502100
	send        = 0xc0182101
	valid       = 0x40082102
	continueFor = 1
)

// StartAgent starts an agent that ends with the test.
func (b *Bundle) StartAgent(answer func(*Notice) Answer) *Agent {
	b.t.Helper()
	a := &Agent{Path: filepath.Join(b.Home, "agent"), States: make(chan specs.ContainerProcessState, 16), t: b.t, answer: answer,
		ended: make(chan struct{}, 16)}
	var err error
	a.socket, err = net.ListenUnix("unix", &net.UnixAddr{Name: a.Path})
	b.must(err)
	b.t.Cleanup(a.End)
	go a.serve()
	return a
}

// End ends the agent: its listeners are closed soon, and whoever waits for an
// answer gets ENOSYS.
func (a *Agent) End() {
	a.gone.Store(true)
	a.socket.Close()
}

// WaitEnd waits until the agent has closed the listener of one connection.
func (a *Agent) WaitEnd() { <-a.ended }

func (a *Agent) serve() {
	for {
		c, err := a.socket.AcceptUnix()
		if err != nil {
			return
		}
		go a.attend(c)
	}
}

// attend reads one connection to its end, so a second state would show, and
// serves the listener that came with it.
func (a *Agent) attend(c *net.UnixConn) {
	defer c.Close()
	text, oob := make([]byte, 1<<20), make([]byte, 1024)
	listener, size := -1, 0
	for {
		n, nOob, _, _, err := c.ReadMsgUnix(text[size:], oob)
		if nOob > 0 {
			messages, _ := unix.ParseSocketControlMessage(oob[:nOob])
			fds, _ := unix.ParseUnixRights(&messages[0])
			if len(fds) != 1 || listener >= 0 {
				a.t.Errorf("descriptors %v, after %d", fds, listener)
			}
			listener = fds[0]
		}
		if size += n; n == 0 || err != nil {
			break
		}
	}
	if size == 0 && listener < 0 {
		return // the container was not made
	}
	var state specs.ContainerProcessState
	if err := json.Unmarshal(text[:size], &state); err != nil {
		a.t.Errorf("container process state %q: %v", text[:size], err)
	}
	a.States <- state
	for !a.gone.Load() && a.next(listener) {
		continue
	}
	unix.Close(listener)
	a.ended <- struct{}{}
}

// next serves a notification; false when nobody is left to send one.
func (a *Agent) next(listener int) bool {
	fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
	if n, _ := unix.Poll(fds, 20); n <= 0 {
		return true
	}
	if fds[0].Revents&unix.POLLIN == 0 {
		return false
	}
	raw := make([]byte, unsafe.Sizeof(Notice{}))
	notice := (*Notice)(unsafe.Pointer(&raw[0]))
	if ioctl(listener, receive, unsafe.Pointer(notice)) != 0 {
		return true // it was killed
	}
	notice.listener = listener
	answer := a.answer(notice)
	if answer.Leave {
		return false
	}
	response := struct {
		id    uint64
		value int64
		error int32
		flags uint32
	}{id: notice.ID, value: answer.Value, error: -int32(answer.Errno)}
	if answer.Continue {
		response.flags = continueFor
	}
	ioctl(listener, send, unsafe.Pointer(&response))
	return true
}

// Waits reports whether the caller still waits for the answer.
func (n *Notice) Waits() bool { return ioctl(n.listener, valid, unsafe.Pointer(&n.ID)) == 0 }

func ioctl(fd int, request uintptr, arg unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
	return errno
}

// Notify makes the agent decide about system calls: all others are allowed.
func (a *Agent) Notify(names ...string) Edit {
	return func(s *specs.Spec) {
		Seccomp(specs.LinuxSyscall{Names: names, Action: specs.ActNotify})(s)
		s.Linux.Seccomp.ListenerPath = a.Path
		s.Linux.Seccomp.ListenerMetadata = "of the test"
	}
}

// State waits for the state of the next connection.
func (a *Agent) State() specs.ContainerProcessState {
	a.t.Helper()
	var state specs.ContainerProcessState
	if !Eventually(func() bool {
		select {
		case state = <-a.States:
			return true
		default:
			return false
		}
	}) {
		a.t.Fatal("no container process state came")
	}
	return state
}
