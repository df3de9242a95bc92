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
	pid, pidfd int
}

// Start runs the file of a carried program as the words, with an environment
// and standard descriptors of its own.
func Start(carried fs.FS, file string, env []string, stdio [3]int, words ...string) (*Process, error) {
	image, err := sealed(carried, file, words[0])
	if err != nil {
		return nil, err
	}
	defer unix.Close(image)
	p := &Process{pidfd: -1}
	p.pid, _, err = syscall.StartProcess("/proc/self/fd/"+strconv.Itoa(image), words, &syscall.ProcAttr{
		Dir: "/", Env: env,
		Files: []uintptr{uintptr(stdio[0]), uintptr(stdio[1]), uintptr(stdio[2])},
		Sys:   &syscall.SysProcAttr{PidFD: &p.pidfd},
	})
	if err != nil {
		return nil, os.NewSyscallError("execve", err)
	}
	return p, nil
}

// PID is the program's, until Wait has reaped it.
func (p *Process) PID() int { return p.pid }

// Wait reaps the program. It is killed, and that an error, if it does not end
// within so long.
func (p *Process) Wait(limit time.Duration) (status syscall.WaitStatus, err error) {
	late := p.pidfd >= 0 && !readable(p.pidfd, limit)
	if late {
		unix.Kill(p.pid, unix.SIGKILL)
	}
	if p.pidfd >= 0 {
		unix.Close(p.pidfd)
	}
	for {
		if _, err = syscall.Wait4(p.pid, &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	if late {
		return status, errors.New("not done after " + limit.String())
	}
	return status, os.NewSyscallError("wait4", err)
}

// Dialogue is a program that is asked and answers through pipes.
type Dialogue struct {
	*Process
	Stdin, Stdout *os.File
}

// Ask starts a program for a dialogue. Its stderr is the caller's.
func Ask(carried fs.FS, file string, env []string, words ...string) (*Dialogue, error) {
	var pipes [2][2]int
	for i := range pipes {
		if err := unix.Pipe2(pipes[i][:], unix.O_CLOEXEC); err != nil {
			return nil, os.NewSyscallError("pipe2", err)
		}
	}
	d := &Dialogue{Stdin: os.NewFile(uintptr(pipes[0][1]), "stdin"), Stdout: os.NewFile(uintptr(pipes[1][0]), "stdout")}
	p, err := Start(carried, file, env, [3]int{pipes[0][0], pipes[1][1], 2}, words...)
	unix.Close(pipes[0][0])
	unix.Close(pipes[1][1])
	if err != nil {
		d.Stdin.Close()
		d.Stdout.Close()
		return nil, err
	}
	d.Process = p
	return d, nil
}

// Line is the first line of the program's output, without the newline; it is
// waited for at most so long.
func (d *Dialogue) Line(limit time.Duration) (string, error) {
	var line []byte
	for {
		if !readable(int(d.Stdout.Fd()), limit) {
			return "", errors.New("no answer after " + limit.String())
		}
		var b [4096]byte
		n, err := d.Stdout.Read(b[:])
		line = append(line, b[:n]...)
		if n > 0 && b[n-1] == '\n' {
			return string(line[:len(line)-1]), nil
		}
		if err != nil {
			return string(line), err
		}
	}
}

// Close closes the program's input, on which it ends, and reaps it; it is
// killed if it does not end within so long.
func (d *Dialogue) Close(limit time.Duration) {
	d.Stdin.Close()
	d.Stdout.Close()
	_, _ = d.Wait(limit)
}

// readable waits, at most so long, until fd can be read or has ended.
func readable(fd int, limit time.Duration) bool {
	for until := time.Now().Add(limit); ; {
		left := time.Until(until)
		if left < 0 {
			return false
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left/time.Millisecond)+1)
		if n > 0 || err != nil && err != unix.EINTR {
			return true
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
	fd, err = Memfd(name, unix.MFD_EXEC)
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
	if err := Seal(fd, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("fcntl F_ADD_SEALS", err)
	}
	return fd, nil
}

// Memfd is memfd_create(2) of a file that can be sealed; kind is MFD_EXEC or
// MFD_NOEXEC_SEAL, which kernels before 6.3, commit 105ff5339f49, do not know.
func Memfd(name string, kind int) (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|kind)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, flags)
	}
	return fd, err
}

// Seal adds seals to a memfd. EBUSY: the kernel has a page of it in hand, for one
// to move it elsewhere, and did not wait long enough (memfd_wait_for_pins).
func Seal(fd, seals int) error {
	for tries := 0; ; tries++ {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
		if err != unix.EBUSY || tries == 50 {
			return err
		}
		pause := unix.NsecToTimespec(1e6)
		_ = unix.Nanosleep(&pause, nil)
	}
}
