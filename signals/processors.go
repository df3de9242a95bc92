// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"os"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"corten/nsenter/entry"
)

// Processors lets Go run on n processors, if it may not yet. corten_start keeps it
// and its first threads on one, and has those oversleep by milliseconds.
func Processors(n int) {
	spread()
	runtime.GOMAXPROCS(max(n, runtime.GOMAXPROCS(0)))
}

// spread gives all other threads the processors of the main one, and all the caller's timer slack.
// That takes CAP_SYS_NICE; without it they keep theirs.
var spread = sync.OnceFunc(func() {
	var own unix.CPUSet
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil || unix.SchedGetaffinity(os.Getpid(), &own) != nil {
		return
	}
	for _, t := range threads {
		if tid, err := strconv.Atoi(t.Name()); err == nil && tid != os.Getpid() {
			_ = unix.SchedSetaffinity(tid, &own)
		}
		if entry.Slack == 0 {
			continue
		}
		fd, err := unix.Open("/proc/"+t.Name()+"/timerslack_ns", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		_, _ = unix.Write(fd, strconv.AppendInt(nil, int64(entry.Slack), 10))
		unix.Close(fd)
	}
})
