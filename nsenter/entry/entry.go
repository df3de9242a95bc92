// SPDX-License-Identifier: Apache-2.0

// Package entry is what happens before Go's runtime starts, in corten_start,
// and what has to be taken back of it. It imports nothing, so that it is
// initialized before the standard library.
package entry

// Nofile is the caller's limit on descriptors (prlimit(2), RLIMIT_NOFILE):
// package syscall raises the soft one to the hard one.
var Nofile struct{ Cur, Max uint64 }

// resume takes back what corten_start did to the process, if it ran, and fills
// Nofile.
func resume()

func init() { resume() }

// Release lets the calling thread, the main one, run on all processors again that
// its cpuset has. Those that Go has started before stay on the one where
// corten_start has kept the process.
func Release()
