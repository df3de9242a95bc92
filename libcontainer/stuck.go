// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter"
	"corten/nsenter/plan"
	"corten/signals"
)

// A file system whose server does not answer, of FUSE or of a network, keeps who
// asks in a system call (runc #3502). The start ends then, and its error names
// the step and the file system. A hook may take its time: it has its own limit.

// defaultTimeout is how long a step may stand still.
const defaultTimeout = 2 * time.Minute

func (r *Runtime) timeout() time.Duration {
	if r.Timeout > 0 {
		return r.Timeout
	}
	return defaultTimeout
}

// stuckError says what did not end in time, and where.
type stuckError struct {
	limit time.Duration
	where string
}

func (e stuckError) Error() string {
	text := fmt.Sprintf("no end after %v", e.limit)
	if e.where != "" {
		text += ": " + e.where
	}
	return text
}

// resolveCached is RESOLVE_CACHED of linux/openat2.h, since Linux 5.12: a path
// that the kernel has not at hand is EAGAIN.
const resolveCached = 0x20

// openTree is open_tree(2) of a path that may be anywhere.
func (s *spawn) openTree(name string, flags uint) (int, error) {
	var fd int
	var err error
	late := s.r.patiently(s.catcher, name, flags&unix.AT_SYMLINK_NOFOLLOW != 0, func() { fd, err = unix.OpenTree(unix.AT_FDCWD, name, flags) })
	if late != nil {
		return -1, late
	}
	return fd, err
}

// patiently asks a file system about a path. What the kernel has not at hand is
// asked for on another thread, which ends with the program if that takes too
// long, or a signal ends the start; only then there is an error.
func (r *Runtime) patiently(catcher *signals.Catcher, name string, noFollow bool, ask func()) error {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolveCached}
	if noFollow {
		how.Flags |= unix.O_NOFOLLOW
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, name, &how)
	if err == nil {
		unix.Close(fd)
	}
	if err != unix.EAGAIN && err != unix.EINVAL {
		ask()
		return nil
	}
	var done [2]int
	if err := unix.Pipe2(done[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(done[0])
	beside(func() {
		ask()
		unix.Close(done[1])
	})
	fds := [...]unix.PollFd{{Fd: int32(done[0])}, {Fd: -1}}
	if catcher != nil {
		fds[1] = unix.PollFd{Fd: int32(catcher.FD()), Events: unix.POLLIN}
	}
	for end := time.Now().Add(r.timeout()); ; {
		n, err := unix.Poll(fds[:], int(max(time.Until(end).Milliseconds(), 0)))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n == 0:
			return stuckError{r.timeout(), silentFileSystem(name)}
		case fds[0].Revents != 0:
			return nil
		default:
			if err := interrupted(catcher); err != nil {
				return err
			}
		}
	}
}

// silence is how long an executor has stood still, as far as it was looked at: a
// machine that was stopped meanwhile adds no more than a second.
type silence struct {
	switches string // its context switches
	seen     time.Time
	still    time.Duration
}

// checkStill is for an executor that is silent.
func (s *spawn) checkStill(still *silence) error {
	if s.group != nil {
		if err := s.checkFrozen(); err != nil {
			return err
		}
	}
	rootfs := ""
	if s.state != nil {
		rootfs = s.state.Rootfs
	}
	return still.check(s.executor.PID, s.r.timeout(), rootfs, func() (*plan.Plan, error) { return &s.compiled.Plan, nil })
}

// check fails when the executor has stood still for the limit, at any step but a
// hook. The plan is asked for only then.
func (w *silence) check(pid int, limit time.Duration, rootfs string, steps func() (*plan.Plan, error)) error {
	now := time.Now()
	if switches := contextSwitches(pid); switches != w.switches {
		*w = silence{switches: switches, seen: now}
	}
	w.still += min(now.Sub(w.seen), time.Second)
	if w.seen = now; w.still < limit {
		return nil
	}
	p, err := steps()
	if err != nil {
		return err
	}
	i, err := nsenter.Step(pid)
	if err != nil || i >= len(p.Steps) || p.Steps[i].Op == plan.OpRun {
		w.still = 0
		return nil
	}
	step := &p.Steps[i]
	return &plan.Error{At: step.At, Step: i + 1, Op: step.Call(), Err: stuckError{limit, culprit(pid, step, rootfs)}}
}

// contextSwitches changes as long as a process does anything.
func contextSwitches(pid int) string {
	text, _ := readHost("/proc/" + strconv.Itoa(pid) + "/status")
	_, counts, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
	return counts
}

// culprit names what keeps an executor: a signal that has stopped it, or the file
// system of the host's path among the step's arguments, else of the rootfs.
func culprit(pid int, step *plan.Step, rootfs string) string {
	if state, _, err := processStat(pid); err == nil && state == 'T' {
		return "a signal has stopped the executor"
	}
	name := rootfs
	for _, arg := range step.Args {
		if text, ok := arg.(string); ok && strings.HasPrefix(text, "/") {
			name = text
		}
	}
	return silentFileSystem(name)
}

// silentFileSystem says which file system a path is in. Nothing is asked of it.
func silentFileSystem(name string) string {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	at, kind := "", ""
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		_, rest, _ := strings.Cut(line, " - ")
		types := strings.Fields(rest)
		if len(fields) < 5 || len(types) == 0 {
			continue
		}
		point := cgroups.Unescape(fields[4])
		if (name == point || strings.HasPrefix(name, strings.TrimSuffix(point, "/")+"/")) && len(point) >= len(at) {
			at, kind = point, types[0]
		}
	}
	if at == "" {
		return ""
	}
	return "the file system at " + at + " (" + kind + ") does not answer"
}
