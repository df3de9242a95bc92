// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Catcher holds the signals that came since Catch, as bytes in a pipe.
type Catcher struct {
	pipe   int // the end to read
	giveUp chan struct{}
	told   bool   // giveUp is closed
	held   []byte // signals that Ending has read
	saved  [rtmax + 1]action
}

// action is struct sigaction of the kernel, on amd64 and arm64.
type action struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// Flags of an action, from linux/signal.h.
const (
	saSiginfo  = 0x00000004
	saOnStack  = 0x08000000
	saRestart  = 0x10000000
	saRestorer = 0x04000000
)

// wakeFD is where the handler writes the numbers of signals; faultPC is Go's own
// handler, which gets the ones the kernel raises for a fault. A SIGPIPE from
// ownPID is a write of the runtime's that no one reads: the payload, to which it
// would be forwarded, has nothing to do with it.
var (
	wakeFD  int32   = -1 //lint:ignore U1000 assembly reads it
	faultPC uintptr      //lint:ignore U1000 assembly reads it
	ownPID  int32        //lint:ignore U1000 assembly reads it
)

// handlerPC and restorerPC are the addresses of the handler and of what the
// kernel returns to from it; 0 where the kernel brings its own.
func handlerPC() uintptr
func restorerPC() uintptr

// Catch makes the process keep the signals it gets, for Forward to pass on, and
// from then on: what it does when the payload has ended is not interrupted.
// Call it before the clone: a signal between the clone and Forward would
// otherwise end the runtime and leave the container alone.
//
// Go's threads share every process-directed signal, so a mask on one of them
// would hold none back, and os/signal changes threads twice for each of the 60
// signals it is asked for, which takes longer than a container's whole start.
// So the handler is a write(2) in assembly.
func Catch() (*Catcher, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	c := &Catcher{pipe: ends[0], giveUp: make(chan struct{})}
	wakeFD, ownPID = int32(ends[1]), int32(os.Getpid())
	var fault action
	sigaction(syscall.SIGSEGV, nil, &fault)
	faultPC = fault.handler
	for s := syscall.Signal(1); s <= rtmax; s++ {
		if catchable(s) {
			a := action{handler: handlerPC(), flags: saSiginfo | saOnStack | saRestart, mask: ^uint64(0)}
			if a.restorer = restorerPC(); a.restorer != 0 {
				a.flags |= saRestorer
			}
			sigaction(s, &a, &c.saved[s])
		}
	}
	return c, nil
}

// catchable leaves out what no one can catch, SIGURG, with which Go's scheduler
// preempts, and 32 and 33, which libcs own.
func catchable(s syscall.Signal) bool {
	switch s {
	case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGURG, 32, 33:
		return false
	}
	return true
}

// release gives the signals their actions back.
func (c *Catcher) release(list ...syscall.Signal) {
	for _, s := range list {
		sigaction(s, &c.saved[s], nil)
	}
}

// next are the signals that came, in order; none if none did.
func (c *Catcher) next() []byte {
	var b [512]byte
	n, _ := unix.Read(c.pipe, b[:])
	all := append(c.held, b[:max(n, 0)]...)
	c.held = nil
	return all
}

// FD is readable when a signal has come.
func (c *Catcher) FD() int { return c.pipe }

// Ending reports whether one of the signals that came asks to end: before there
// is a payload to forward it to, it ends the start. The others are kept.
func (c *Catcher) Ending() (syscall.Signal, bool) {
	c.held = c.next()
	for _, b := range c.held {
		switch s := syscall.Signal(b); s {
		case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM:
			return s, true
		}
	}
	return 0, false
}

func sigaction(s syscall.Signal, set, old *action) {
	// It fails only for signals that catchable leaves out.
	_, _, _ = syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
}
