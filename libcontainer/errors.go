// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"corten/nsenter"
	"corten/nsenter/plan"
)

// Errors that callers and engines tell apart by their text (features.md §2.6).
var (
	ErrNotExist   = errors.New("container does not exist")
	ErrExist      = errors.New("container with given ID already exists")
	ErrNotRunning = errors.New("container not running")
	ErrNotPaused  = errors.New("container not paused")
	ErrInvalidID  = errors.New("invalid container ID format")

	errForeign    = errors.New("another runtime has made the container, and it alone can handle it")
	errPausedExec = errors.New("cannot exec in a paused container (use --ignore-paused to override)")
)

// stepError explains the record of a failed step.
func stepError(p *plan.Plan, r *nsenter.Record) error {
	if r.Step < 0 || r.Step >= len(p.Steps) {
		return &plan.Error{Err: r.Err, Op: "plan", Hint: "the executor refused the plan: corten and its executor do not belong together"}
	}
	s := &p.Steps[r.Step]
	e := &plan.Error{At: s.At, Step: r.Step + 1, Op: s.Call(), Err: r.Err, Hint: hint(s, r.Err)}
	switch s.Op {
	case plan.OpLookup, plan.OpExecve:
		e.Op, e.Err = "exec", programError(p, s, r.Err)
	case plan.OpFsconfig:
		e.Op = fsconfigCall(p, r.Step)
	case plan.OpRun:
		e.Op, e.Err = "run "+s.Args[0].(string), hookError(s, r)
		return e
	}
	if strings.Contains(r.Text, "Unknown parameter") {
		e.Hint = ""
	}
	if r.Text != "" {
		e.Err = wordedError{e.Err, r.Text}
	}
	return e
}

// hookError is how a hook of the container ended, in the words of those the
// runtime runs.
func hookError(s *plan.Step, r *nsenter.Record) error {
	switch r.Err {
	case syscall.ECHILD:
		end, output, _ := strings.Cut(r.Text, ": ")
		return errors.New(end + quoteOutput(output))
	case syscall.ETIMEDOUT:
		return errors.New(hookPast(int(s.Args[4].(uint64)/1000)) + quoteOutput(r.Text))
	}
	return r.Err
}

// wordedError is an errno with what the kernel said about it.
type wordedError struct {
	error
	words string
}

func (e wordedError) Error() string { return e.error.Error() + " (" + e.words + ")" }
func (e wordedError) Unwrap() error { return e.error }

// programError has the words engines look for. The program is args[0], which
// the last step, execve, has.
func programError(p *plan.Plan, s *plan.Step, errno syscall.Errno) error {
	name := ""
	if last := &p.Steps[len(p.Steps)-1]; last.Op == plan.OpExecve {
		name = last.Args[0].([]string)[0]
	}
	if s.Op == plan.OpLookup && errno == syscall.ENOENT && !strings.Contains(name, "/") {
		return errors.New(strconv.Quote(name) + ": executable file not found in $PATH")
	}
	return &quoted{name, errno}
}

type quoted struct {
	name string
	err  error
}

func (q *quoted) Error() string { return strconv.Quote(q.name) + ": " + q.err.Error() }
func (q *quoted) Unwrap() error { return q.err }

// fsconfigCall names the file system type instead of the slot.
func fsconfigCall(p *plan.Plan, step int) string {
	s := &p.Steps[step]
	fsType := "?"
	for i := step; i >= 0; i-- {
		if o := &p.Steps[i]; o.Op == plan.OpFsopen && o.Args[1] == s.Args[0] {
			fsType = o.Args[0].(string)
			break
		}
	}
	call := "fsconfig " + fsType
	key, value := s.Args[2].(string), s.Args[3].(string)
	if key == "" {
		return call + " create"
	}
	call += " " + strconv.Quote(key)
	if value != "" {
		call += "=" + strconv.Quote(value)
	}
	return call
}

// forbiddenHint is for a call that no kernel refuses which corten runs on.
const forbiddenHint = "corten needs Linux 5.10, and every call of it: a seccomp filter around corten may forbid this one"

// hint says what to do where the errno alone misleads.
func hint(s *plan.Step, errno syscall.Errno) string {
	switch {
	case (s.Op == plan.OpTarget || s.Op == plan.OpTargetFor) && errno == syscall.EROFS:
		return "the mount point is missing and the root file system is read-only: make it in the image"
	case s.Op == plan.OpTarget && errno == syscall.ENOTDIR:
		return "the target, and what it is below, must be directories"
	case s.Op == plan.OpTargetFor && errno == syscall.ENOTDIR:
		return "the target has to be a directory if the source is one, and else must be none; what it is below must be directories"
	case s.Op == plan.OpFsconfig && errno == syscall.EINVAL && s.Args[2].(string) == "size":
		return "size takes bytes with an optional k, m or g, or a percentage"
	case s.Op == plan.OpMount && errno == syscall.EINVAL && s.Args[0] == "/":
		return "the runtime's own root is not a mount point: before chroot(8), bind the directory to itself"
	case s.Op == plan.OpPrlimit && errno == syscall.EPERM:
		return "raising a hard limit needs CAP_SYS_RESOURCE in the initial user namespace"
	case s.Op == plan.OpSchedSetattr, s.Op == plan.OpSetpriority:
		return schedulerHint(errno)
	case s.Op == plan.OpIoprioSet:
		return ioPriorityHint(errno)
	case s.Op == plan.OpSchedSetaffinity && errno == syscall.EINVAL:
		return affinityHint
	case s.Op == plan.OpSetMempolicy && errno == syscall.EINVAL:
		return "a node that the machine has not or the cpuset does not allow, or a mode newer than the kernel: " +
			"MPOL_F_NUMA_BALANCING has 5.12, MPOL_PREFERRED_MANY 5.15, MPOL_WEIGHTED_INTERLEAVE 6.9"
	case s.Op == plan.OpSetMempolicy && errno == syscall.ENOSYS:
		return "the kernel is built without CONFIG_NUMA"
	case s.Op == plan.OpCheckLabel:
		return "the kernel does not show the label that was written: it would not be in force"
	case s.Op == plan.OpWrite && s.At.String() == "/process/apparmorProfile":
		return "the profile must be loaded on the host, and corten be allowed to change to it"
	case s.Op == plan.OpWrite && s.At.String() == "/process/selinuxLabel":
		return "the loaded policy must know the label, and let corten change to it"
	case s.Op == plan.OpSetns && errno == syscall.EPERM:
		return "corten has no right in the user namespace that this namespace belongs to"
	case s.Op == plan.OpSetgroups && errno == syscall.EPERM:
		return "the user namespace denies setgroups(2)"
	case s.Op == plan.OpFsconfig && errno == syscall.EPERM && s.Args[1] == uint64(unix.FSCONFIG_CMD_CREATE):
		return "a user namespace mounts file systems of its own pid, network and ipc namespaces only: bind the host's"
	case s.Op == plan.OpPivotRoot && errno == syscall.EINVAL:
		return "the root of this host cannot be pivoted, as in an initramfs: use --no-pivot"
	case s.Op == plan.OpOpenat2 && errno == syscall.ELOOP:
		return "a symbolic link stands where none is followed"
	case s.Op == plan.OpCheckCwd:
		return "the working directory is outside the container's root"
	case s.Op == plan.OpCheck && errno == syscall.EXDEV:
		return "the file is not what it must be, or lies in another file system: the image may have put a link there"
	case s.Op == plan.OpMountSetattr && errno == syscall.ENOSYS:
		return "mount_setattr(2) needs Linux 5.12"
	case errno == syscall.ENOSYS, s.Op == plan.OpOpenat2 && errno == syscall.EPERM:
		return forbiddenHint
	}
	return ""
}
