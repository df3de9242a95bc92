// SPDX-License-Identifier: Apache-2.0

// Package program runs the programs that corten carries for the rare jobs
// whose libraries would cost time at every start of corten itself.
package program

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a carried program that runs.
type Process struct {
	Stdin, Stdout *os.File // pipes
	pid, pidfd    int
}

// Start runs the file of a carried program as the words, with an environment
// of its own. Its stderr is the caller's.
func Start(carried fs.FS, file string, env []string, words ...string) (p *Process, err error) {
	image, err := sealed(carried, file, words[0])
	if err != nil {
		return nil, err
	}
	defer unix.Close(image)
	var pipes [2][2]int
	for i := range pipes {
		if err := unix.Pipe2(pipes[i][:], unix.O_CLOEXEC); err != nil {
			return nil, os.NewSyscallError("pipe2", err)
		}
	}
	p = &Process{os.NewFile(uintptr(pipes[0][1]), "stdin"), os.NewFile(uintptr(pipes[1][0]), "stdout"), 0, -1}
	p.pid, _, err = syscall.StartProcess("/proc/self/fd/"+strconv.Itoa(image), words, &syscall.ProcAttr{
		Dir: "/", Env: env,
		Files: []uintptr{uintptr(pipes[0][0]), uintptr(pipes[1][1]), 2},
		Sys:   &syscall.SysProcAttr{PidFD: &p.pidfd},
	})
	unix.Close(pipes[0][0])
	unix.Close(pipes[1][1])
	if err != nil {
		p.Stdin.Close()
		p.Stdout.Close()
		return nil, os.NewSyscallError("execve", err)
	}
	return p, nil
}

// Line is the first line of the program's output, without the newline; it is
// waited for at most so long.
func (p *Process) Line(limit time.Duration) (string, error) {
	var line []byte
	fds := []unix.PollFd{{Fd: int32(p.Stdout.Fd()), Events: unix.POLLIN}}
	for until := time.Now().Add(limit); ; {
		n, err := unix.Poll(fds, int(time.Until(until)/time.Millisecond)+1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", os.NewSyscallError("poll", err)
		}
		if n == 0 {
			return "", errors.New("no answer after " + limit.String())
		}
		var b [4096]byte
		n, err = p.Stdout.Read(b[:])
		line = append(line, b[:n]...)
		if n > 0 && b[n-1] == '\n' {
			return string(line[:len(line)-1]), nil
		}
		if err != nil {
			return string(line), err
		}
	}
}

// Close closes the program's input, on which it ends, kills it if it does not
// within so long, and reaps it.
func (p *Process) Close(limit time.Duration) {
	p.Stdin.Close()
	p.Stdout.Close()
	fds := []unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}
	for until := time.Now().Add(limit); ; {
		n, err := unix.Poll(fds, max(0, int(time.Until(until)/time.Millisecond)+1))
		if err == unix.EINTR {
			continue
		}
		if n == 0 || err != nil {
			unix.Kill(p.pid, unix.SIGKILL)
		}
		break
	}
	unix.Close(p.pidfd)
	for {
		if _, err := unix.Wait4(p.pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}

// sealed is the program's file in memory: nobody who finds the descriptor in
// /proc can change what is executed.
func sealed(carried fs.FS, file, name string) (fd int, err error) {
	f, err := carried.Open(file)
	if err != nil {
		return -1, err
	}
	defer f.Close()
	fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL { // before 6.3, commit 105ff5339f49
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	b := make([]byte, 256<<10)
	for {
		n, err := f.Read(b)
		if _, err := unix.Write(fd, b[:n]); err != nil {
			unix.Close(fd)
			return -1, os.NewSyscallError("write", err)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("fcntl F_ADD_SEALS", err)
	}
	return fd, nil
}
