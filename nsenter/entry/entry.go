// SPDX-License-Identifier: Apache-2.0

// Package entry is what happens before Go's runtime starts, in corten_start,
// and what has to be taken back of it. It imports nothing, so that it is
// initialized before the standard library.
package entry

// Nofile is the caller's limit on descriptors (prlimit(2), RLIMIT_NOFILE):
// package syscall raises the soft one to the hard one.
var Nofile struct{ Cur, Max uint64 }

// Slack is the caller's timer slack, in ns (prctl(2), PR_SET_TIMERSLACK); 0: unknown.
var Slack uintptr

// Kept is 1 if corten_start has kept the process on one processor; then All is
// what to ask sched_setaffinity(2) for, to have all processors of the cpuset.
var (
	Kept uintptr
	All  [128]uintptr
)

// resume takes back what corten_start did to the process, if it ran, and fills
// Nofile.
func resume()

func init() { resume() }

// Release lets the calling thread run on all processors again that its cpuset has.
// Those threads that Go has started before stay on the one where corten_start has
// kept the process, and have a large timer slack; the main goroutine may come to one.
func Release()
