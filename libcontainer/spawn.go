// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"io"
	"os"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter"
	"corten/nsenter/plan"
	"corten/signals"
)

// spawn is one executor from its clone to its execve or its gate.
type spawn struct {
	r        *Runtime
	compiled *Compiled
	console  int // descriptor the terminal is sent to; -1 without one
	gate     int // exec.fifo; -1 without one
	init     int // pidfd of the container's first process, for exec; -1 else
	group    *cgroups.Cgroup
	// elsewhere is where a process of the container may be when none may be in
	// group: it has given controllers to those below. nil: group or nowhere.
	elsewhere func() *cgroups.Cgroup
	resctrl   *os.File   // the mount of resctrl; nil: not asked for
	state     *container // of create; nil in exec
	root      string     // of the container that exec enters, as /proc has it
	pidfds    pidfdReceivers
	agent     *agent // of a filter that notifies; nil else
	spec      *specs.Spec
	process   *specs.Process

	catcher *signals.Catcher // of a foreground container or exec; nil: none

	ignorePaused bool       // exec may wait for a resume
	keeper       func()     // ends the keeper; nil: there is none
	rehearsal    *rehearsal // of check; nil else
	making       making

	executor *nsenter.Executor
	stamps   *stamps // of a trace; nil without
	inputs   []int
	encoded  []byte // the plan; nil: not yet
	mappings []mapping
	served   int  // barriers passed
	listener int  // number of the filter's listener in the executor, once announced
	ready    bool // gate reached
	execs    bool // execve announced
}

// open opens the plan's inputs, in order.
func (s *spawn) open() error {
	for i := range s.compiled.Inputs {
		in := &s.compiled.Inputs[i]
		fd, err := s.input(in)
		if e := (*plan.Error)(nil); errors.As(err, &e) {
			return err
		}
		if err != nil {
			return &plan.Error{At: in.At, Op: in.Call(), Err: err, Hint: inputHint(in, err)}
		}
		s.inputs = append(s.inputs, fd)
		if err := s.rehearsal.protect(in, fd); err != nil {
			return err
		}
		if in.IDMap != nil {
			if err := s.idmap(fd, in); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *spawn) input(in *plan.Input) (int, error) {
	switch in.Kind {
	case plan.KindCgroup:
		// The kernel's own: it answers, though it has to look a new directory up.
		const flags = unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC
		fd, err := unix.OpenTree(unix.AT_FDCWD, in.Path, flags)
		if err == unix.ENOENT && in.Or != "" {
			fd, err = unix.OpenTree(unix.AT_FDCWD, in.Or, flags)
		}
		return fd, err
	case plan.KindTree:
		flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
		if in.Tree {
			flags |= unix.AT_RECURSIVE
		}
		if in.NoFollow {
			flags |= unix.AT_SYMLINK_NOFOLLOW
		}
		return s.openTree(in.Path, flags)
	case plan.KindNamespace:
		return in.FD, nil
	case plan.KindGate:
		return dup(s.gate)
	case plan.KindConsole:
		return dup(s.console)
	case plan.KindPidfd:
		return dup(s.init)
	case plan.KindAppend:
		return openAppend(in.Path)
	case plan.KindUsers:
		return s.making.users.Open()
	case plan.KindInherited:
		n, err := strconv.Atoi(in.Path)
		if err != nil {
			return -1, err
		}
		return dup(n)
	}
	return -1, unix.EINVAL
}

func dup(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3) }

func inputHint(in *plan.Input, err error) string {
	if errors.Is(err, unix.ENOENT) && in.Kind == plan.KindTree {
		return "the source of a bind mount must exist on the host"
	}
	return ""
}

func (s *spawn) closeInputs() {
	for _, fd := range s.inputs {
		unix.Close(fd)
	}
	for _, m := range s.mappings {
		unix.Close(m.fd)
	}
	s.inputs, s.mappings = nil, nil
}

// start clones the executor and sets what is set by pid. When it returns, the
// process has its final pid.
func (s *spawn) start() (err error) {
	defer s.closeInputs()
	s.r.Trace.Phase("open and encode the plan")
	if err := s.open(); err != nil {
		return err
	}
	if err := s.traced(); err != nil {
		return err
	}
	bytes := s.encoded
	if bytes == nil || s.compiled.Stamps {
		if bytes, err = s.compiled.EncodeSteps(); err != nil {
			return err
		}
	}
	if !s.process.Terminal && s.rehearsal == nil && !s.compiled.waits(barrierUsers) {
		giveStdio(&s.process.User, s.compiled.maps.users)
	}
	if err := s.clone(bytes); err != nil {
		return err
	}
	return s.failed(s.place())
}

// next reads one record and keeps what it says. End of file is an error here.
func (s *spawn) next() error {
	r, err := s.record()
	if err != nil {
		return s.died(err)
	}
	switch r.Kind {
	case nsenter.RecordFail:
		return s.stepError(&r)
	case nsenter.RecordFork:
		return s.adopt(r)
	case nsenter.RecordListen:
		s.listener = r.FD
	case nsenter.RecordWarn:
		s.warn(&r)
		return s.next()
	case nsenter.RecordReady:
		s.ready = true
	case nsenter.RecordExec:
		s.execs = true
	}
	return nil
}

// warn says what a step was allowed to fail for, or what it says itself. A kernel without a feature is
// no news.
func (s *spawn) warn(r *nsenter.Record) {
	if r.Text != "" {
		s.r.warn("%s", r.Text)
		return
	}
	if steps := s.compiled.Steps; r.Err != unix.ENOSYS && 0 < r.Step && r.Step < len(steps) {
		failed := &plan.Error{At: steps[r.Step].At, Op: steps[r.Step-1].Call(), Err: r.Err}
		s.r.warn("%v: %s", failed, steps[r.Step].Args[0])
	}
}

// record waits for a record, or for a signal that ends the start.
func (s *spawn) record() (nsenter.Record, error) {
	if err := s.await(s.executor.Status); err != nil {
		return nsenter.Record{}, err
	}
	return s.executor.Next()
}

// died says why the executor is gone without a record.
func (s *spawn) died(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	if failed := s.executor.Failed(); failed != nil {
		if why := starved(s.group, s.who()); why != nil {
			return why
		}
		return &plan.Error{At: plan.At("/linux/namespaces"), Op: "clone", Err: failed}
	}
	text, signal := "the executor ended", unix.Signal(0)
	if status, err := s.executor.Wait(); err == nil && status.Signaled() {
		signal = status.Signal()
		text = "the executor was killed by signal " + strconv.Itoa(int(signal))
	}
	if signal == unix.SIGKILL || signal == unix.SIGSEGV {
		if why := starved(s.group, s.who()); why != nil {
			return why
		}
	}
	// execve(2) that has no memory for the new program ends with an error or SIGSEGV.
	if signal == 0 || signal == unix.SIGSEGV {
		if why := short(s.group, s.who()); why != nil {
			return why
		}
	}
	return errors.New(text + " before the container was made")
}

// proceed passes one barrier.
func (s *spawn) proceed() error {
	s.served++
	return s.executor.Proceed()
}

// finish serves the barriers that are left, up to the execve of the payload or
// the gate. hooks runs the runtime's hooks.
func (s *spawn) finish(hooks func() error) error {
	s.r.Trace.Phase("await the executor")
	defer s.endSteps()
	for _, k := range s.compiled.barriers[s.served:] {
		if k.reports() {
			if err := s.next(); err != nil {
				return err
			}
		}
		switch k {
		case barrierNetwork, barrierSysfs:
			if err := s.handOver(k); err != nil {
				return s.failed(err)
			}
			continue
		case barrierDelegate:
			if err := s.delegate(); err != nil {
				return err
			}
		case barrierDevices:
			if err := s.moveDevices(); err != nil {
				return err
			}
		case barrierHooks:
			if err := hooks(); err != nil {
				return err
			}
		case barrierPriorities:
			if err := prioritize(s.executor.PID, s.process); err != nil {
				return err
			}
		case barrierListener:
			if err := s.listen(); err != nil {
				return err
			}
		}
		if err := s.proceed(); err != nil {
			return s.failed(err)
		}
	}
	// Its last words need no answer. Until it has said them all nothing wakes this
	// process, which would take a CPU from it.
	if err := s.awaitFor(s.executor.Status, 0); err != nil {
		return err
	}
	for !s.ready && !s.execs {
		if err := s.next(); err != nil {
			return err
		}
	}
	// After this, only the end of file is good news.
	r, err := s.record()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.stepError(&r)
}

// failed explains an error that comes of the executor's end by the record it
// has left.
func (s *spawn) failed(err error) error {
	if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.ESRCH) {
		return err
	}
	for {
		r, nextErr := s.executor.Next()
		if errors.Is(nextErr, io.EOF) {
			return s.died(nextErr)
		}
		if nextErr != nil {
			return err
		}
		if r.Kind == nsenter.RecordFail {
			return s.stepError(&r)
		}
	}
}
