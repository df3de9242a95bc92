// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// quick is less than Go's scheduler lets a goroutine be without being asked to
// pause.
const quick = 5 * time.Millisecond

// Poll is poll(2) for what is likely to take no longer than quick. Until then Go's
// scheduler is not told: it would give the processor to a thread that finds nothing
// to do, and the way back costs more than most waits. It is told where other
// goroutines may want the processor (see Processors).
func Poll(fds []unix.PollFd, milliseconds int) (int, error) {
	if limit := time.Duration(milliseconds) * time.Millisecond; runtime.GOMAXPROCS(0) == 1 && (limit < 0 || limit > quick) {
		wait := unix.NsecToTimespec(quick.Nanoseconds())
		n, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(unsafe.SliceData(fds))), uintptr(len(fds)), uintptr(unsafe.Pointer(&wait)), 0, 0, 0)
		if errno != 0 {
			return -1, errno
		}
		if n > 0 {
			return int(n), nil
		}
		if limit > 0 {
			milliseconds -= int(quick.Milliseconds())
		}
	}
	return unix.Poll(fds, milliseconds)
}
