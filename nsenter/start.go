// SPDX-License-Identifier: Apache-2.0

// Package nsenter starts the executor: the C program, embedded here, that
// enters the namespaces and runs a plan.
package nsenter

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"corten/nsenter/entry"
	"corten/nsenter/program"
)

// Options are what an executor is started with.
type Options struct {
	Plan       []byte  // as plan.Encode returns it
	Inputs     []int   // descriptors of the plan's inputs, in slot order
	Stdio      [3]int  // the executor's, and at first the payload's, 0 to 2
	Cloneflags uintptr // CLONE_NEW*
	CgroupFD   int     // O_PATH descriptor of a cgroup v2 directory to start in; -1: the caller's own
	Apart      bool    // shares no memory with the caller: whom a cgroup's limit kills takes along who shares its memory
}

// inputsFD is the first input's, as in executor/plan.h.
const inputsFD = 6

// Start clones the executor into new namespaces and its cgroup. All descriptors of
// o are the caller's, to close when it returns. An executor whose plan sets
// PR_SET_PDEATHSIG ends with the thread that called Start, which is one of Go's: they
// end with the process, but those whose goroutine ends while it is locked to them.
func Start(o Options) (*Executor, error) {
	executor, err := sealedImage()
	if err != nil {
		return nil, err
	}
	defer unix.Close(executor)
	steps, err := sealedPlan(o.Plan)
	if err != nil {
		return nil, err
	}
	defer unix.Close(steps)
	status, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(status[1])
	e, err := fork(o, status[1], steps, executor)
	if err != nil {
		unix.Close(status[0])
		return nil, err
	}
	e.Status = status[0]
	return e, nil
}

// progress is where the executor shows its step.
const progress = "          "

// What is executed, and with which arguments; there is no environment.
var (
	programPath = unsafe.StringData("/proc/self/fd/5\x00")
	arguments   = [...]*byte{unsafe.StringData("corten\x00"), unsafe.StringData(progress + "\x00"), nil}
	environment [1]*byte
)

// fork clones the executor. In the clone every descriptor gets its number, and
// the limit on them is the caller's again; then it executes the program.
func fork(o Options, status, steps, executor int) (*Executor, error) {
	files := append(make([]int, 0, inputsFD+len(o.Inputs)), o.Stdio[0], o.Stdio[1], o.Stdio[2], status, steps, executor)
	files = append(files, o.Inputs...)
	moved, err := spread(files)
	defer closeAll(moved)
	if err != nil {
		return nil, err
	}
	t := &task{calls: make([]call, 0, len(files)+2), apart: o.Apart}
	t.adopt()
	do := func(nr uintptr, arg ...uintptr) {
		c := call{nr: nr}
		copy(c.arg[:], arg)
		t.calls = append(t.calls, c)
	}
	for i, fd := range files {
		if fd == i {
			do(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFD, 0)
		} else {
			do(unix.SYS_DUP3, uintptr(fd), uintptr(i), 0)
		}
	}
	if entry.Nofile.Max > 0 {
		do(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&entry.Nofile)), 0)
	}
	do(unix.SYS_EXECVE, uintptr(unsafe.Pointer(programPath)), uintptr(unsafe.Pointer(&arguments)), uintptr(unsafe.Pointer(&environment)))
	pid, err := t.launch(uint64(o.Cloneflags)|unix.CLONE_PIDFD, o.CgroupFD)
	if err != nil {
		return nil, fmt.Errorf("clone of the executor: %w", err)
	}
	e := &Executor{PID: pid, Pidfd: int(t.pidfd), Status: -1, start: t}
	return e, nil
}

// AsCaller runs f on a thread with the caller's processors and timer slack, which
// what f starts inherits.
func AsCaller(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.Gettid() != unix.Getpid() {
		entry.Release()
		if entry.Slack != 0 {
			_ = unix.Prctl(unix.PR_SET_TIMERSLACK, entry.Slack, 0, 0, 0)
		}
	}
	f()
}

// Begun waits until the executor runs, for d at most; whether it does, or has
// ended. Before, it shares the caller's memory: what is written to some of its
// files in /proc would hold for the caller, too.
func (e *Executor) Begun(d time.Duration) bool { return e.start.wait(d) }

// Failed is why the executor never ran; nil: it does, has, or was killed before.
func (e *Executor) Failed() error {
	if err := e.start.failed(); err != nil {
		return fmt.Errorf("start of the executor: %w", err)
	}
	return nil
}

// spread makes sure that no number is given to a descriptor before the one that
// has it was copied: it copies those below their place out of the way. The
// copies are the caller's to close.
func spread(files []int) (copies []int, err error) {
	for i, fd := range files {
		if fd < 0 {
			return copies, fmt.Errorf("executor: %w", syscall.EBADF)
		}
		if fd >= i {
			continue
		}
		if files[i], err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, len(files)); err != nil {
			return copies, fmt.Errorf("F_DUPFD_CLOEXEC: %w", err)
		}
		copies = append(copies, files[i])
	}
	return copies, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// EnterNetwork moves this thread, which has to be locked, into the network
// namespace of the descriptor, until leave is called.
func EnterNetwork(fd int) (leave func() error, err error) {
	own, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /proc/thread-self/ns/net: %w", err)
	}
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		unix.Close(own)
		return nil, fmt.Errorf("setns CLONE_NEWNET: %w", err)
	}
	return func() error {
		defer unix.Close(own)
		if err := unix.Setns(own, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("setns back: %w", err)
		}
		return nil
	}, nil
}

// sealedImage is a descriptor of the executor that nobody can write to.
//
// DEFENCE (CVE-2019-5736): what a container finds as /proc/PID/exe is this
// copy, never the runtime's own file.
func sealedImage() (int, error) {
	fd, err := program.Memfd("corten", unix.MFD_EXEC)
	if errors.Is(err, unix.EACCES) {
		return -1, errors.New("memfd_create: permission denied: vm.memfd_noexec=2 forbids a program in a memfd")
	}
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	err = write(fd, image)
	if err == nil {
		err = unix.Fchmod(fd, 0o511)
	}
	if err == nil {
		err = seal(fd, unix.F_SEAL_EXEC)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("memfd of the executor: %w", err)
	}
	return fd, nil
}

func sealedPlan(b []byte) (int, error) {
	fd, err := program.Memfd("corten-plan", unix.MFD_NOEXEC_SEAL)
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	if err = write(fd, b); err == nil {
		err = seal(fd, 0)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("memfd of the plan: %w", err)
	}
	return fd, nil
}

// seal closes fd to every change; optional is a seal older kernels refuse.
func seal(fd, optional int) error {
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	err := program.Seal(fd, seals|optional)
	if err == unix.EINVAL && optional != 0 {
		err = program.Seal(fd, seals)
	}
	return err
}

func write(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
