// SPDX-License-Identifier: Apache-2.0

// Package nsenter starts the executor: the C program, embedded here, that
// enters the namespaces and runs a plan.
package nsenter

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Options are what an executor is started with.
type Options struct {
	Plan       []byte  // as plan.Encode returns it
	Inputs     []int   // descriptors of the plan's inputs, in slot order
	Stdio      [3]int  // the executor's, and at first the payload's, 0 to 2
	Cloneflags uintptr // CLONE_NEW*
	CgroupFD   int     // O_PATH descriptor of a cgroup v2 directory to start in; -1: the caller's own
	Network    int     // descriptor of a network namespace to start in, if that can be, in place of CLONE_NEWNET; 0: none
}

// What the executor is started with, as in executor/plan.h.
const (
	inputsFD = 6
	progress = 10
)

// Start clones the executor into new namespaces and its cgroup and returns when
// it runs. All descriptors of o stay open and the caller's. An executor whose
// plan sets PR_SET_PDEATHSIG ends with the thread that called Start: lock it.
func Start(o Options) (*Executor, error) {
	program, err := sealedImage()
	if err != nil {
		return nil, err
	}
	defer unix.Close(program)
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
	e, err := fork(o, status[1], steps, program)
	if err != nil {
		unix.Close(status[0])
		return nil, err
	}
	e.Status = status[0]
	return e, nil
}

func fork(o Options, status, steps, program int) (*Executor, error) {
	// All of them are in Files: ForkExec moves only those out of each other's
	// way, and one that is not could be gone when the path is looked up
	// (golang/go#61751).
	files := make([]uintptr, 0, inputsFD+len(o.Inputs))
	for _, fd := range [...]int{o.Stdio[0], o.Stdio[1], o.Stdio[2], status, steps, program} {
		files = append(files, uintptr(fd))
	}
	for _, fd := range o.Inputs {
		files = append(files, uintptr(fd))
	}
	for _, fd := range files {
		if int(fd) < 0 {
			return nil, fmt.Errorf("executor: %w", syscall.EBADF)
		}
	}
	pidfd := -1
	attr := &syscall.ProcAttr{Files: files, Sys: &syscall.SysProcAttr{Cloneflags: o.Cloneflags, PidFD: &pidfd}}
	if o.CgroupFD >= 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, o.CgroupFD
	}
	var leave func() error
	if o.Network > 0 {
		if leave, _ = EnterNetwork(o.Network); leave != nil {
			attr.Sys.Cloneflags &^= unix.CLONE_NEWNET
		}
	}
	pid, err := syscall.ForkExec("/proc/self/fd/5", []string{"corten", strings.Repeat(" ", progress)}, attr)
	e := &Executor{PID: pid, Pidfd: pidfd, Status: -1}
	if leave != nil {
		if back := leave(); back != nil && err == nil {
			e.Abort()
			err = back
		}
	}
	if err != nil {
		return nil, fmt.Errorf("clone of the executor: %w", err)
	}
	return e, nil
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
	fd, err := memfd("corten", unix.MFD_EXEC)
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
	fd, err := memfd("corten-plan", unix.MFD_NOEXEC_SEAL)
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

// memfd makes one with the flag of Linux 6.3 (105ff5339f49), or without.
func memfd(name string, flag int) (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|flag)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, flags)
	}
	return fd, err
}

// seal closes fd to every change; optional is a seal older kernels refuse.
func seal(fd, optional int) error {
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals|optional)
	if err == unix.EINVAL && optional != 0 {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
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
