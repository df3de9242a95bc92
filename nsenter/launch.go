// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"corten/nsenter/entry"
)

// call is a system call that a task makes: arguments, number, and what the kernel
// returned, -errno for a failure.
type call struct {
	arg    [6]uintptr
	nr     uintptr
	first  uintptr // where its first argument is, in bytes from here: 0, in arg (see resultOf)
	result uintptr
}

// resultOf is call.first for what the n-th call before it has returned.
func resultOf(n int) uintptr {
	return unsafe.Offsetof(call{}.result) - uintptr(n)*unsafe.Sizeof(call{})
}

// errno is why the call has failed; 0: it has not, or was not made.
func (c *call) errno() syscall.Errno {
	if e := -c.result; 0 < e && e < 4096 {
		return syscall.Errno(e)
	}
	return 0
}

// task is a thread, or a process that shares this one's memory, while it makes
// its calls. The kernel writes to it: it is on the heap, and has to stay there
// until it has made them.
type task struct {
	clone call
	calls []call
	alive atomic.Uint32 // cleared by the kernel when it has executed another program, or ended
	pidfd int32
	apart bool // with memory of its own: how its calls end is not known here
	args  cloneArgs

	// Calls made before the clone, so many, by the thread that makes it, unless
	// that is the main one.
	own  [2]call
	owns uintptr
	main uintptr

	all  uint64 // signals
	mask uint64 //lint:ignore U1000 assembly keeps in it those that the caller blocks
}

// cloneArgs is struct clone_args of clone3(2).
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exit, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// rawClone makes the task's own calls, where they are needed, and its clone call, with all
// signals blocked. The new task makes
// its calls, up to the first that fails, and ends. It has no stack and runs no Go
// code: nothing may interrupt it. The caller's signals are as before again.
func rawClone(t *task) uintptr

// launch clones it with the flags, and CLONE_VM and CLONE_CHILD_CLEARTID unless it is
// apart; into the cgroup of the descriptor unless it is negative. Its signals are
// blocked, and stay so in the program that it executes.
func (t *task) launch(flags uint64, cgroup int) (pid int, err error) {
	if !t.apart {
		flags |= unix.CLONE_VM | unix.CLONE_CHILD_CLEARTID
		t.alive.Store(1)
	}
	t.args = cloneArgs{pidfd: uint64(uintptr(unsafe.Pointer(&t.pidfd))), childTID: uint64(uintptr(unsafe.Pointer(&t.alive)))}
	if flags&unix.CLONE_THREAD == 0 {
		t.args.exit = uint64(unix.SIGCHLD)
	}
	switch old := [6]uintptr{uintptr(flags | t.args.exit), 0, uintptr(t.args.pidfd)}; {
	case cgroup >= 0:
		// Only clone3(2) can; a filter may not know it.
		t.args.flags, t.args.cgroup = flags|unix.CLONE_INTO_CGROUP, uint64(cgroup)
		t.clone = call{nr: unix.SYS_CLONE3, arg: [6]uintptr{uintptr(unsafe.Pointer(&t.args)), unsafe.Sizeof(t.args)}}
	case runtime.GOARCH == "amd64":
		old[3] = uintptr(t.args.childTID)
		t.clone = call{nr: unix.SYS_CLONE, arg: old}
	default:
		old[4] = uintptr(t.args.childTID)
		t.clone = call{nr: unix.SYS_CLONE, arg: old}
	}
	t.all = ^uint64(0)
	t.clone.result = rawClone(t)
	if e := t.clone.errno(); e != 0 {
		return 0, e
	}
	return int(t.clone.result), nil
}

// adopt gives what t clones the caller's processors and timer slack: the goroutine
// that clones it may be on a thread that Go made before package entry took back what
// corten_start did. What is cloned has them as its default then, too.
func (t *task) adopt() {
	t.main = uintptr(unix.Getpid())
	if entry.Kept != 0 {
		t.own[t.owns] = call{nr: unix.SYS_SCHED_SETAFFINITY, arg: [6]uintptr{0, unsafe.Sizeof(entry.All), uintptr(unsafe.Pointer(&entry.All))}}
		t.owns++
	}
	if entry.Slack != 0 {
		t.own[t.owns] = call{nr: unix.SYS_PRCTL, arg: [6]uintptr{unix.PR_SET_TIMERSLACK, entry.Slack}}
		t.owns++
	}
}

// wait waits until the calls have been made, but no longer than d and no longer
// than until a signal comes; whether they have.
func (t *task) wait(d time.Duration) bool {
	limit := unix.NsecToTimespec(d.Nanoseconds())
	if t.alive.Load() != 0 {
		const futexWait = 0 // FUTEX_WAIT: mm_release() wakes no private one
		_, _, _ = syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&t.alive)), futexWait, 1, uintptr(unsafe.Pointer(&limit)), 0, 0)
	}
	return t.alive.Load() == 0
}

// failed is the error of the call that failed; nil: none has.
func (t *task) failed() error {
	for i := range t.calls {
		if e := t.calls[i].errno(); e != 0 {
			return e
		}
	}
	return nil
}

// take is the descriptor that the call nr has opened, once. An error of a call up to
// it is an *os.SyscallError.
func (t *task) take(nr uintptr) (int, error) {
	for i := range t.calls {
		c := &t.calls[i]
		if e := c.errno(); e != 0 {
			return -1, &os.SyscallError{Syscall: c.name(), Err: e}
		}
		if c.nr == nr && c.result != 0 {
			fd := int(c.result)
			c.result = 0
			return fd, nil
		}
	}
	return -1, errors.New("it was not made")
}

// closeRest closes the descriptors that the calls have opened and nobody has taken.
func (t *task) closeRest() {
	for i := range t.calls {
		switch c := &t.calls[i]; c.nr {
		case unix.SYS_OPENAT, unix.SYS_SOCKET, unix.SYS_FSOPEN, unix.SYS_FSMOUNT:
			if c.result != 0 && c.errno() == 0 {
				unix.Close(int(c.result))
				c.result = 0
			}
		}
	}
}
