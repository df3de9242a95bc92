// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Network is a network namespace in the making, by a thread of its own: that takes
// longer than all else of a container. Without a process, descriptor or mount it
// is no more, so that there is nothing to undo.
type Network struct{ thread *task }

var networkFile = [...]byte{'/', 'p', 'r', 'o', 'c', '/', 't', 'h', 'r', 'e', 'a', 'd', '-', 's', 'e', 'l', 'f', '/', 'n', 's', '/', 'n', 'e', 't', 0}

// NewNetwork begins to make one. The thread is none of Go's: those would want a
// processor of Go's for it, and another to start it. Take or Abort is due.
func NewNetwork() (*Network, error) {
	t := &task{calls: makeNetwork(nil)}
	const thread = unix.CLONE_THREAD | unix.CLONE_SIGHAND | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SYSVSEM
	if _, err := t.launch(thread, -1); err != nil {
		return nil, fmt.Errorf("clone of a thread: %w", err)
	}
	return &Network{t}, nil
}

// makeNetwork appends the calls that make a network namespace and open it.
func makeNetwork(calls []call) []call {
	return append(calls, call{nr: unix.SYS_UNSHARE, arg: [6]uintptr{unix.CLONE_NEWNET}}, opening(&networkFile[0]))
}

// Take waits for it and returns its descriptor, the caller's then. An error of
// unshare(2) is a syscall.Errno.
func (n *Network) Take() (int, error) {
	for !n.thread.wait(time.Minute) {
	}
	return n.thread.taken()
}

// Abort closes it, unless it was taken; n may be nil.
func (n *Network) Abort() {
	if n != nil {
		if fd, err := n.Take(); err == nil {
			unix.Close(fd)
		}
	}
}
