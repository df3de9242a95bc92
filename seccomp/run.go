// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// deadline is for one run of the compiler; engines' profiles take 10 ms.
const deadline = 10 * time.Second

// maxOutput is in bytes. The longest program has 32 KiB.
const maxOutput = 16 << 20

// Version is libseccomp's, as in "2.5.4"; "" if corten carries no compiler.
func Version() string {
	version, _, _ := strings.Cut(build(), " ")
	return version
}

// build is the last line of the compiler's file, without the newline: the
// version of libseccomp and the SHA-256 of the file up to there. "" if corten
// carries none.
func build() string {
	f, err := carried.Open(carriedName)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	var tail [128]byte
	n, _ := f.(io.ReaderAt).ReadAt(tail[:], max(0, info.Size()-int64(len(tail))))
	line, ok := bytes.CutSuffix(tail[:n], []byte("\n"))
	at := bytes.LastIndexByte(line, '\n')
	if !ok || at < 0 {
		return ""
	}
	return string(line[at+1:])
}

type result struct {
	status         syscall.WaitStatus
	stdout, stderr []byte
}

// run runs the compiler with the given standard input and an empty
// environment. Files in memory instead of pipes: neither side can block.
func run(stdin []byte, args ...string) (r result, err error) {
	var files [4]int // the image, then the standard descriptors
	for i, name := range [...]string{"corten:seccomp", "stdin", "stdout", "stderr"} {
		flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING | unix.MFD_NOEXEC_SEAL
		if i == 0 {
			flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING | unix.MFD_EXEC
		}
		if files[i], err = memfd(name, flags); err != nil {
			return r, wrap("memfd_create", err)
		}
		defer unix.Close(files[i])
	}
	if err := image(files[0]); err != nil {
		return r, err
	}
	if err := writeAll(files[1], stdin); err != nil {
		return r, wrap("write", err)
	}
	if _, err := unix.Seek(files[1], 0, io.SeekStart); err != nil {
		return r, wrap("lseek", err)
	}
	pidfd := -1
	pid, _, err := syscall.StartProcess("/proc/self/fd/"+strconv.Itoa(files[0]), append([]string{"corten-seccomp"}, args...), &syscall.ProcAttr{
		Dir:   "/",
		Files: []uintptr{uintptr(files[1]), uintptr(files[2]), uintptr(files[3])},
		Sys:   &syscall.SysProcAttr{PidFD: &pidfd},
	})
	if err != nil {
		return r, wrap("execve", err)
	}
	if r.status, err = wait(pid, pidfd); err != nil {
		return r, err
	}
	if r.stdout, err = readAll(files[2]); err != nil {
		return r, err
	}
	r.stderr, err = readAll(files[3])
	return r, err
}

// memfd is memfd_create(2) on kernels before 6.3, commit 105ff5339f49, too:
// they do not know the flags about execution.
func memfd(name string, flags int) (int, error) {
	fd, err := unix.MemfdCreate(name, flags)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, flags&^(unix.MFD_EXEC|unix.MFD_NOEXEC_SEAL))
	}
	return fd, err
}

// image writes the compiler's file to fd and seals it: nobody who finds the
// descriptor in /proc can change what is executed.
func image(fd int) error {
	f, err := carried.Open(carriedName)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 256<<10)
	for {
		n, err := f.Read(b)
		if err := writeAll(fd, b[:n]); err != nil {
			return wrap("write", err)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	return wrap("fcntl F_ADD_SEALS", err)
}

// wait reaps the compiler. It is killed when the deadline has passed.
func wait(pid, pidfd int) (status syscall.WaitStatus, err error) {
	late := false
	if pidfd >= 0 {
		defer unix.Close(pidfd)
		late = !ended(pidfd, time.Now().Add(deadline))
	}
	if late {
		unix.Kill(pid, unix.SIGKILL)
	}
	for {
		_, err = syscall.Wait4(pid, &status, 0, nil)
		if err != unix.EINTR {
			break
		}
	}
	if late {
		return status, errors.New("not done after " + deadline.String())
	}
	return status, wrap("wait4", err)
}

// ended waits for the process to end, at most until the given time.
func ended(pidfd int, until time.Time) bool {
	for {
		left := time.Until(until)
		if left <= 0 {
			return false
		}
		fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(left/time.Millisecond)+1)
		if n > 0 || err != nil && err != unix.EINTR {
			return true
		}
	}
}

func writeAll(fd int, b []byte) error {
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

// readAll reads the file from its start.
func readAll(fd int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, wrap("fstat", err)
	}
	if st.Size > maxOutput {
		return nil, wrap("read", unix.EFBIG)
	}
	b := make([]byte, st.Size)
	for done := 0; done < len(b); {
		n, err := unix.Pread(fd, b[done:], int64(done))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, wrap("read", err)
		}
		if n == 0 {
			return nil, wrap("read", io.ErrUnexpectedEOF)
		}
		done += n
	}
	return b, nil
}

// wrap puts the system call before its error.
func wrap(call string, err error) error {
	if err == nil {
		return nil
	}
	return &callError{call, err}
}

type callError struct {
	call string
	err  error
}

func (e *callError) Error() string { return e.call + ": " + e.err.Error() }
func (e *callError) Unwrap() error { return e.err }
