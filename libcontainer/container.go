// SPDX-License-Identifier: Apache-2.0

// Package libcontainer is a container's life as the host sees it: create,
// start, run, exec, kill, delete, and the order in which each of them happens.
package libcontainer

import (
	"errors"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"corten/cgroups"
)

// Runtime is what the global options choose.
type Runtime struct {
	Root          string // directory of all containers' state
	SystemdCgroup bool
	NoCgroups     bool          // containers stay in the caller's cgroup
	Rootless      string        // "true", "false" or "auto"
	Timeout       time.Duration // how long a step of a start may stand still; 0: two minutes
	Log           func(format string, args ...any)
	Trace         *Trace // nil: none
}

func (r *Runtime) warn(format string, args ...any) {
	if r.Log != nil {
		r.Log(format, args...)
	}
}

// Start lets the payload of a created container run. notifySocket is the
// caller's $NOTIFY_SOCKET: if create had one, Start returns when the payload is
// ready, or has ended.
func (r *Runtime) Start(id, notifySocket string) error {
	c, err := r.openMade(id, true)
	if err != nil {
		return err
	}
	defer c.close()
	status, pidfd, err := c.look()
	if pidfd >= 0 {
		defer unix.Close(pidfd)
	}
	switch {
	case err != nil:
		return err
	case status == statusStopped:
		return errors.New("cannot start a container that has stopped")
	case status == statusRunning:
		return errors.New("cannot start an already running container")
	case status != statusCreated:
		return errors.New("cannot start a container in the " + status + " state")
	}
	if c.Idle {
		return errNoProcess
	}
	if err := c.listen(notifySocket); err != nil {
		return err
	}
	if err := c.openGate(); err != nil {
		return err
	}
	// Started, whatever follows: kill and delete need not wait for hooks.
	if err := c.unlock(); err != nil {
		return err
	}
	err = c.passed(r.timeout())
	if errors.As(err, new(stuckError)) {
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0) // or it might start later
	}
	if err == nil {
		err = c.poststart(hookEnds{container: -1})
	} else if !ofHook(err) {
		return err
	}
	if err != nil {
		r.discard(c)
		return err
	}
	r.relay(c.manager, pidfd, c.PID, false)
	return nil
}

// discard removes a container for which the caller has an error already.
func (r *Runtime) discard(c *container) {
	if err := r.remove(c); err != nil {
		r.warn("%v", err)
	}
}

// openGate writes the executor's byte. Afterwards the fifo has no name any more:
// a container is started once.
func (c *container) openGate() (err error) {
	fd := int(c.dir.Fd())
	c.gate, err = unix.Openat(fd, fifoFile, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return errors.New("cannot start a container that has stopped")
	}
	if _, err := unix.Write(c.gate, []byte{0}); err == unix.EPIPE {
		return errors.New("cannot start a container that has stopped")
	} else if err != nil {
		return os.NewSyscallError("write", err)
	}
	return os.NewSyscallError("unlinkat", unix.Unlinkat(fd, fifoFile, 0))
}

// passed waits until the executor has executed the payload, or has failed to.
func (c *container) passed(limit time.Duration) error {
	defer unix.Close(c.gate)
	var still silence
	// The last reader goes with execve, or with the executor.
	fds := []unix.PollFd{{Fd: int32(c.gate)}}
	for {
		n, err := unix.Poll(fds, int(patience.Milliseconds()))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n > 0:
			return c.gateRecord()
		default:
			if err := c.checkStill(&still, limit); err != nil {
				return err
			}
		}
	}
}

// checkStill is for an executor that is silent behind its gate.
func (c *container) checkStill(still *silence, limit time.Duration) error {
	group := cgroups.Open(c.Cgroups)
	defer group.Close()
	if frozen, err := group.Frozen(); err != nil || frozen {
		*still = silence{} // it goes on when it is resumed
		return err
	}
	return still.check(c.PID, limit, c.Rootfs, c.plan)
}

// State describes one container.
func (r *Runtime) State(id string) (*State, error) {
	c, err := r.openMade(id, false)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.state()
}

// IDs are those of all containers, sorted, and of what is left of others.
func (r *Runtime) IDs() (ids []string, err error) {
	entries, err := os.ReadDir(r.Root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			ids = append(ids, e.Name())
		}
	}
	return ids, err
}

// Names are the ids of all containers, sorted.
func (r *Runtime) Names() ([]string, error) {
	ids, err := r.IDs()
	return slices.DeleteFunc(ids, func(id string) bool {
		dir := path.Join(r.Root, id)
		return unix.Access(path.Join(dir, stateFile), unix.F_OK) != nil || unix.Access(path.Join(dir, journalFile), unix.F_OK) != nil // runc's has no journal
	}), err
}

// List describes all containers, sorted by id. A directory that holds none is
// passed over.
func (r *Runtime) List() ([]State, error) {
	ids, err := r.IDs()
	if err != nil {
		return nil, err
	}
	var all []State
	for _, id := range ids {
		if s, err := r.State(id); err == nil {
			all = append(all, *s)
		}
	}
	return all, nil
}

// Kill sends a signal to the first process, or with all to every process. It
// takes no lock: the pidfd is the container's process or nobody's.
func (r *Runtime) Kill(id string, sig syscall.Signal, all bool) error {
	c, err := r.openMade(id, false)
	if err != nil {
		return err
	}
	defer c.close()
	group := cgroups.Open(c.Cgroups)
	pidfd, err := c.process()
	if err != nil && !(all && errors.Is(err, ErrNotRunning)) {
		return err
	}
	if err == nil {
		defer unix.Close(pidfd)
	}
	if len(c.Cgroups) > 0 && sig == syscall.SIGKILL && (all || !c.OwnPIDs) {
		return group.Kill() // without a pid namespace, the others outlive the first
	}
	if all {
		return c.signalAll(group, sig)
	}
	if err := unix.PidfdSendSignal(pidfd, sig, nil, 0); err == unix.ESRCH {
		return ErrNotRunning
	} else if err != nil {
		return os.NewSyscallError("pidfd_send_signal", err)
	}
	if sig == syscall.SIGKILL {
		// A frozen v1 cgroup holds even the killed.
		if frozen, err := group.Frozen(); err != nil {
			return err
		} else if frozen {
			return group.Thaw()
		}
	}
	return nil
}

// signalAll sends a signal to every process of the container.
func (c *container) signalAll(group *cgroups.Cgroup, sig syscall.Signal) error {
	pids, err := c.processes(group)
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
			return os.NewSyscallError("kill", err)
		}
	}
	return nil
}

// ownPIDs reports whether the container has a pid namespace of its own.
func (c *Config) ownPIDs() bool {
	for _, ns := range c.Linux.Namespaces {
		if ns.Type == "pid" {
			return ns.Path == ""
		}
	}
	return false
}

// lookTime is for those who watch the memory of a container that was killed for
// it. containerd's shim is woken when that happens, and forgets it when it finds
// no cgroup any more: what has killed stays so long, as with slower runtimes.
const lookTime = 20 * time.Millisecond

// Delete removes a stopped or created container; with force any, and also what
// an interrupted create has left.
func (r *Runtime) Delete(id string, force bool) error {
	if force {
		r.end(id)
	}
	c, err := r.open(id, true)
	if errors.Is(err, ErrNotExist) && force {
		return nil
	}
	if c == nil {
		return err
	}
	defer c.close()
	if err != nil && (!force || errors.Is(err, errForeign)) {
		return err
	}
	if !c.made {
		if undoErr := r.undo(c); undoErr != nil || force {
			return undoErr
		}
		return ErrNotExist
	}
	if force {
		return r.undo(c)
	}
	status, err := c.status()
	if err != nil {
		return err
	}
	if status != statusStopped && status != statusCreated {
		return errors.New("cannot delete container " + id + " that is not stopped: " + status)
	}
	if cgroups.HaveKilled(c.Cgroups) {
		time.Sleep(lookTime)
	}
	return r.undo(c)
}

// end kills a container without waiting for the command that holds its lock,
// which may be waiting for it. What it cannot do, undo will say.
func (r *Runtime) end(id string) {
	c, err := r.open(id, false)
	if c == nil {
		return
	}
	defer c.close()
	c.endStoppedHolder()
	if err == nil && !c.made { // a create waits for an executor that does not go on
		if j, err := c.journaled(); err == nil {
			_ = cgroups.Open(j.cgroups).Kill()
		}
	}
	if pidfd, err := c.process(); err == nil {
		_ = cgroups.Open(c.Cgroups).Kill()
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
		unix.Close(pidfd)
	}
}

// Processes are the pids of the container's processes, sorted.
func (r *Runtime) Processes(id string) ([]int, error) {
	c, err := r.openMade(id, false)
	if err != nil {
		return nil, err
	}
	defer c.close()
	pids, err := c.processes(cgroups.Open(c.Cgroups))
	slices.Sort(pids)
	return pids, err
}

// processes are those of the cgroup, or without one the relatives.
func (c *container) processes(group *cgroups.Cgroup) ([]int, error) {
	if len(c.Cgroups) == 0 {
		return c.relatives(), nil
	}
	return group.Procs()
}

// relatives are the processes of the pid namespace that the first process is in,
// if that is the container's own; else it alone. None if it has ended.
func (c *container) relatives() (pids []int) {
	pidfd, err := c.process()
	if err != nil {
		return nil
	}
	defer unix.Close(pidfd)
	if !c.OwnPIDs {
		return []int{c.PID}
	}
	entries, _ := os.ReadDir("/proc")
	own, _ := os.Readlink("/proc/" + strconv.Itoa(c.PID) + "/ns/pid")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if link, err := os.Readlink("/proc/" + e.Name() + "/ns/pid"); err == nil && link == own {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
