// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"time"

	"golang.org/x/sys/unix"
)

// Network is a network namespace that a thread of its own makes meanwhile, which
// is most of what a clone takes. Without a process, descriptor or mount it is no
// more, so that there is nothing to undo.
type Network struct{ thread *task }

var networkFile = [...]byte{'/', 'p', 'r', 'o', 'c', '/', 't', 'h', 'r', 'e', 'a', 'd', '-', 's', 'e', 'l', 'f', '/', 'n', 's', '/', 'n', 'e', 't', 0}

// NewNetwork begins to make one. The thread is none of Go's: those would want a
// processor of Go's for it, and another to start it.
func NewNetwork() *Network {
	t := &task{calls: []call{{nr: unix.SYS_UNSHARE, arg: [6]uintptr{unix.CLONE_NEWNET}}, opening(&networkFile[0])}}
	const thread = unix.CLONE_THREAD | unix.CLONE_SIGHAND | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SYSVSEM
	if _, err := t.launch(thread, -1); err != nil {
		return nil
	}
	return &Network{t}
}

// Take is its descriptor; 0 when it could not be made, or there is none.
func (n *Network) Take() int {
	if n == nil {
		return 0
	}
	for !n.thread.wait(time.Minute) {
	}
	if n.thread.failed() != nil {
		return 0
	}
	return int(n.thread.calls[1].result)
}
