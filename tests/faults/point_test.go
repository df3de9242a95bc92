// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// point is one place where one thing goes wrong.
type point struct {
	command string
	side    string // "runtime" or "executor": whose call it is
	fault   string // "KILL" or "STOP", or the errno that the call returns
	call    string
	ordinal int  // of the calls with this name, from 1
	told    bool // the executor has said its last word: who ends then is a payload, to the runtime
}

func (p point) String() string {
	return fmt.Sprintf("%s %s %s at %s %d", p.command, p.side, p.fault, p.call, p.ordinal)
}

// errnos are what inject.c takes for a fault.
var errnos = map[string]int{"KILL": 0, "STOP": -1, "EIO": int(unix.EIO), "ENOSPC": int(unix.ENOSPC), "EMFILE": int(unix.EMFILE), "ENOMEM": int(unix.ENOMEM), "EINTR": int(unix.EINTR)}

// uninteresting are the calls that concern no file, descriptor, process or
// network: memory, time, signal handlers, ids and what Go's scheduler does.
var uninteresting = set(`mmap munmap mprotect madvise brk futex epoll_create1 epoll_ctl epoll_pwait eventfd2
	nanosleep clock_nanosleep clock_gettime rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall
	sched_getaffinity sched_yield gettid getpid getppid tgkill arch_prctl set_tid_address set_robust_list rseq
	getuid geteuid getgid getegid umask uname getrandom sysinfo exit exit_group setitimer timer_create timer_settime timer_delete`)

var (
	makesDescriptor = set(`open openat openat2 memfd_create pipe2 socket socketpair dup dup3 fcntl pidfd_open pidfd_getfd fsopen fsmount
		open_tree accept4 recvmsg clone clone3 mount_setattr`)
	takesSpace = set(`openat openat2 mkdirat mknodat symlinkat linkat renameat renameat2 write pwrite64 writev ftruncate setxattr
		mount move_mount clone clone3 unshare`)
	interrupted = set(`openat read write pread64 pwrite64 flock poll ppoll sendto sendmsg recvmsg recvfrom connect accept4 wait4 waitid close`)
)

func set(words string) map[string]bool {
	all := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		all[w] = true
	}
	return all
}

// faults are what can go wrong at a call.
func faults(side, call string) []string {
	all := []string{"KILL", "EIO"}
	if side == "executor" {
		all = append(all, "STOP")
	}
	if call == "close" {
		return append(all, "EINTR")
	}
	for _, c := range [...]struct {
		fault string
		at    map[string]bool
	}{{"EMFILE", makesDescriptor}, {"ENOSPC", takesSpace}, {"EINTR", interrupted}} {
		if c.at[call] {
			all = append(all, c.fault)
		}
	}
	if call != "prctl" {
		all = append(all, "ENOMEM")
	}
	return all
}

// points are those of a recording, in its order.
func points(command, side string, calls []string) (all []point) {
	seen, last := map[string]int{}, len(calls)
	if side == "executor" {
		last = len(calls) - 1
		for last >= 0 && calls[last] != "write" {
			last--
		}
	}
	for i, call := range calls {
		call, forking := strings.CutSuffix(call, "*")
		if seen[call]++; uninteresting[call] {
			continue
		}
		for _, fault := range faults(side, call) {
			// That would stop the runtime, which waits for the execve. Who is first, the
			// executor or the keeper, is not the same every time.
			if fault == "STOP" && (forking || command == "exec --kill-with-parent") {
				continue
			}
			all = append(all, point{command, side, fault, call, seen[call], i > last})
		}
	}
	return all
}

func TestPointsAreCountedByCallAndHaveTheFaultsOfTheCall(t *testing.T) {
	var names []string
	for _, p := range points("run", "runtime", []string{"openat", "futex", "close", "openat"}) {
		names = append(names, p.fault+strconv.Itoa(p.ordinal)+p.call)
	}
	want := strings.Fields("KILL1openat EIO1openat EMFILE1openat ENOSPC1openat EINTR1openat ENOMEM1openat KILL1close EIO1close EINTR1close " +
		"KILL2openat EIO2openat EMFILE2openat ENOSPC2openat EINTR2openat ENOMEM2openat")
	if !slices.Equal(names, want) {
		t.Errorf("points are\n%v, not\n%v", names, want)
	}
}
