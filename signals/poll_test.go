// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// poll is Poll, again after a signal: Go sends itself some.
func poll(fds []unix.PollFd, milliseconds int) (n int, err error) {
	for err = unix.EINTR; err == unix.EINTR; {
		n, err = Poll(fds, milliseconds)
	}
	return n, err
}

func TestPollIsPollOnOneProcessorToo(t *testing.T) {
	for _, processors := range []int{1, 2} {
		before := runtime.GOMAXPROCS(processors)
		defer runtime.GOMAXPROCS(before)
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(pipe[0])
		defer unix.Close(pipe[1])
		fds := []unix.PollFd{{Fd: int32(pipe[0]), Events: unix.POLLIN}}
		for _, limit := range []int{0, 3, 8} { // short, and beyond what is waited for without Go's scheduler
			if n, err := poll(fds, limit); n != 0 || err != nil || fds[0].Revents != 0 {
				t.Errorf("%d processors, empty pipe, %d ms: %d, %v, events %x", processors, limit, n, err, fds[0].Revents)
			}
		}
		if _, err := unix.Write(pipe[1], []byte{1}); err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int{-1, 0, 3, 8} {
			if n, err := poll(fds, limit); n != 1 || err != nil || fds[0].Revents != unix.POLLIN {
				t.Errorf("%d processors, full pipe, %d ms: %d, %v, events %x", processors, limit, n, err, fds[0].Revents)
			}
		}
	}
}
