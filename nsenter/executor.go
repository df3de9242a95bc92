// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Executor is a running executor. Its process is the caller's child and has to
// be reaped by the caller.
type Executor struct {
	PID    int
	Pidfd  int
	Status int // the caller's end of the status socket; poll it for reading

	start *task
}

// RecordKind says what a Record reports, as enum record_kind in
// executor/plan.h.
type RecordKind uint32

// The kinds of records.
const (
	// RecordFail: the step failed with Err; Text has the kernel's words, or a
	// hook's. The executor ends with status 1.
	RecordFail RecordKind = iota + 1
	// RecordBarrier: the step was reached; Proceed lets the executor go on.
	RecordBarrier
	// RecordReady: the gate was reached; io.EOF follows at once.
	RecordReady
	// RecordFork: PID goes on, and the process there was ends; Adopt it.
	RecordFork
	// RecordExec: execve is next. io.EOF without a RecordFail: it happened.
	RecordExec
	// RecordListen: the next step opens FD, the listener of a seccomp filter, in
	// the executor; Proceed when it has been taken.
	RecordListen
	// RecordWarn: the step before has failed with Err, and was allowed to; or what
	// Text says.
	RecordWarn
)

// Record is what the executor reports.
type Record struct {
	Kind RecordKind
	Step int           // index of the step, from 0; -1: none, the start itself
	Err  syscall.Errno // of RecordFail and RecordWarn
	PID  int           // of RecordFork
	FD   int           // of RecordListen
	Text string        // at most 4080 bytes
}

const (
	recordHead = 16
	recordText = 4080
)

// ErrRecord is returned for bytes that are no record.
var ErrRecord = errors.New("malformed record of the executor")

// Next waits for a record. io.EOF: the executor has ended, has passed the gate
// or has become the payload, whichever the record before says.
func (e *Executor) Next() (Record, error) {
	var b [recordHead + recordText]byte
	for {
		n, err := unix.Read(e.Status, b[:])
		switch {
		case err == unix.EINTR, err == unix.ECONNRESET: // its end had unread bytes; its records are still there
			continue
		case err != nil:
			return Record{}, fmt.Errorf("read of the executor's status: %w", err)
		case n == 0:
			return Record{}, io.EOF
		}
		return ParseRecord(b[:n])
	}
}

// RecordSize is the length of the record that b begins with; the whole of b if
// it is shorter than a record's head.
func RecordSize(b []byte) int {
	if len(b) < recordHead {
		return len(b)
	}
	return recordHead + int(min(binary.NativeEndian.Uint32(b[12:]), recordText))
}

// ParseRecord reads the record in b: a message of the status socket or, from
// the gate on, what came through the fifo.
func ParseRecord(b []byte) (Record, error) {
	if len(b) < recordHead {
		return Record{}, ErrRecord
	}
	n := binary.NativeEndian
	r := Record{Kind: RecordKind(n.Uint32(b)), Step: int(int32(n.Uint32(b[4:])))}
	value, text := n.Uint32(b[8:]), b[recordHead:]
	if r.Kind < RecordFail || r.Kind > RecordWarn || uint64(n.Uint32(b[12:])) != uint64(len(text)) || len(text) > recordText {
		return Record{}, ErrRecord
	}
	switch r.Kind {
	case RecordFail, RecordWarn:
		r.Err = syscall.Errno(value)
	case RecordFork:
		r.PID = int(value)
	case RecordListen:
		r.FD = int(value)
	}
	r.Text = string(text)
	return r, nil
}

// Proceed lets the executor pass a barrier: the one it waits at, or, sent in
// advance, the next.
func (e *Executor) Proceed() error {
	if err := unix.Send(e.Status, []byte{0}, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("send to the executor: %w", err)
	}
	return nil
}

// Hand passes the step receive, which gets a copy of the descriptor. It may be sent
// in advance, after the bytes for the barriers before.
func (e *Executor) Hand(fd int) error {
	if _, err := unix.SendmsgN(e.Status, []byte{0}, unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("sendmsg to the executor: %w", err)
	}
	return nil
}

// Take is a copy of the executor's descriptor (pidfd_getfd(2)); EBADF if it has
// none with that number.
func (e *Executor) Take(fd int) (int, error) { return unix.PidfdGetfd(e.Pidfd, fd, 0) }

// Adopt makes the process of a RecordFork the executor's and reaps the one
// before.
func (e *Executor) Adopt(r Record) error {
	// The new process is the caller's child too: its pid stays its own until
	// the caller reaps it.
	pidfd, err := unix.PidfdOpen(r.PID, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	_, err = wait(e.PID)
	unix.Close(e.Pidfd)
	e.PID, e.Pidfd = r.PID, pidfd
	return err
}

// Step is the index of the step that an executor is at, as it shows it.
func Step(pid int) (int, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return 0, err
	}
	_, shown, _ := strings.Cut(strings.TrimRight(string(text), "\x00"), "\x00")
	return strconv.Atoi(strings.TrimLeft(shown, " "))
}

// Abort kills the executor, or what it has become, reaps it and closes its
// descriptors. One that does not end within ten seconds is left to init: a file
// system keeps it, and who removes its cgroups will find it.
func (e *Executor) Abort() {
	_ = unix.PidfdSendSignal(e.Pidfd, unix.SIGKILL, nil, 0)
	for fds := []unix.PollFd{{Fd: int32(e.Pidfd), Events: unix.POLLIN}}; ; {
		n, err := unix.Poll(fds, 10_000)
		if err == unix.EINTR {
			continue
		}
		if n > 0 {
			_, _ = wait(e.PID)
		}
		break
	}
	e.Close()
}

// Close closes the descriptors. An executor that is short of its gate, or of
// execve, ends by that.
func (e *Executor) Close() {
	unix.Close(e.Status)
	unix.Close(e.Pidfd)
	e.Status, e.Pidfd = -1, -1
}

// Wait reaps the executor, or what it has become, and returns how it ended.
func (e *Executor) Wait() (syscall.WaitStatus, error) { return wait(e.PID) }

func wait(pid int) (status syscall.WaitStatus, err error) {
	for {
		_, err = syscall.Wait4(pid, &status, 0, nil)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("wait4: %w", err)
	}
	return status, err
}
