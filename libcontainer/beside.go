// SPDX-License-Identifier: Apache-2.0

package libcontainer

import "runtime"

// beside runs f while the caller goes on. corten_start has Go begin with one
// processor, which a thread keeps through a clone, and for milliseconds in any
// other call: f gets another.
func beside(f func()) {
	runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
	go f()
}
