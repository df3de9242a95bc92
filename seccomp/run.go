// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"bytes"
	"io"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"corten/nsenter/program"
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
	var files [3]int
	for i, name := range [...]string{"stdin", "stdout", "stderr"} {
		if files[i], err = program.Memfd(name, unix.MFD_NOEXEC_SEAL); err != nil {
			return r, wrap("memfd_create", err)
		}
		defer unix.Close(files[i])
	}
	if err := writeAll(files[0], stdin); err != nil {
		return r, wrap("write", err)
	}
	if _, err := unix.Seek(files[0], 0, io.SeekStart); err != nil {
		return r, wrap("lseek", err)
	}
	p, err := program.Start(carried, carriedName, nil, files, append([]string{"corten-seccomp"}, args...)...)
	if err != nil {
		return r, err
	}
	if r.status, err = p.Wait(deadline); err != nil {
		return r, err
	}
	if r.stdout, err = readAll(files[1]); err != nil {
		return r, err
	}
	r.stderr, err = readAll(files[2])
	return r, err
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
