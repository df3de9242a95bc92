// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"os"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Processors lets Go run on n processors, if it may not yet. corten_start has it
// begin with one, which a thread in a system call keeps for milliseconds, and
// has the first threads oversleep by as much: with several processors they sleep
// before they take work from each other.
func Processors(n int) {
	punctual()
	runtime.GOMAXPROCS(max(n, runtime.GOMAXPROCS(0)))
}

// punctual gives all threads the timer slack of the main one. It takes
// CAP_SYS_NICE; without it they remain as they are.
var punctual = sync.OnceFunc(func() {
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	threads, listErr := os.ReadDir("/proc/self/task")
	if err != nil || listErr != nil {
		return
	}
	for _, t := range threads {
		fd, err := unix.Open("/proc/"+t.Name()+"/timerslack_ns", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		_, _ = unix.Write(fd, strconv.AppendInt(nil, int64(slack), 10))
		unix.Close(fd)
	}
})
