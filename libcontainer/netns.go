// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Most of what a clone takes is the new network namespace: a thread of its own
// makes it while the main one compiles the plan. A namespace without a process,
// descriptor or mount is no more, so that there is nothing to undo.

// network is a network namespace that is being made; nil: none is.
type network struct{ made chan int }

func newNetwork() *network {
	n := &network{make(chan int, 1)}
	beside(func() {
		runtime.LockOSThread() // for good: the thread ends, and is no longer in there
		fd := -1
		if unix.Unshare(unix.CLONE_NEWNET) == nil {
			fd, _ = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		n.made <- fd
	})
	return n
}

// take is its descriptor; 0 when there is none, and the clone has to make one: it
// says why that cannot be.
func (n *network) take() int {
	if n == nil {
		return 0
	}
	return max(<-n.made, 0)
}

// makesNetwork says whether the container gets a new network namespace, and no
// user namespace, which would own it.
func makesNetwork(l *specs.Linux) bool {
	ns := namespaceOf(l, specs.NetworkNamespace)
	return ns != nil && ns.Path == "" && namespaceOf(l, specs.UserNamespace) == nil
}
