// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter/plan"
)

// The journal names what outside the state directory is about to be made, a
// line each, before it is: a runtime killed at any point leaves nothing that
// undo does not find. The container's processes need no line: until its state
// is written they die with the runtime, and they are in its cgroups.
//
//	cgroup /sys/fs/cgroup/memory/outer/box
//	parent /sys/fs/cgroup/memory/outer
//	unit system box.scope                   of which manager, system or user
//	netdevs 4:4026531840                    the network namespace of the devices
//	netdev eth1 ct8a6… up 0218…             a device, see journalNetDevices
//	arrived ct8a6… 2                        its index in the container
//	resctrl /sys/fs/resctrl/box             removed with the container
//	resctrl-kept /sys/fs/resctrl/gold       removed unless the container was made
//	settled                                 the container was made
//	oom-killed                              it ended so, for those who watch it

// oomKilled is the line of a container that ran in the foreground and was
// killed for its memory limit.
const oomKilled = "oom-killed"

func (c *container) journal(compiled *Compiled) error {
	var b strings.Builder
	for _, dir := range compiled.Cgroup.Dirs {
		for _, parent := range missingParents(dir) {
			b.WriteString("parent " + parent + "\n")
		}
		b.WriteString("cgroup " + dir.Path + "\n")
	}
	if u := compiled.Cgroup.Unit; u != nil {
		b.WriteString("unit " + u.Manager() + " " + u.Name + "\n")
	}
	b.WriteString(journalNetDevices(compiled.netDevices))
	b.WriteString(compiled.resctrl.journal())
	return writeAt(c.dir, journalFile, []byte(b.String()))
}

// settle notes that the container is made, where undo has to know: from here on
// it keeps its network devices, and a group of resctrl with a name of its own
// stays.
func (c *container) settle(compiled *Compiled) error {
	if compiled.netDevices == nil && compiled.resctrl == nil {
		return nil
	}
	if err := c.appendJournal("settled\n"); err != nil {
		return err
	}
	if compiled.netDevices == nil {
		return nil
	}
	return c.letNetNSGo()
}

func (c *container) appendJournal(line string) error {
	fd, err := unix.Openat(int(c.dir.Fd()), journalFile, unix.O_WRONLY|unix.O_APPEND|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "openat", Path: path.Join(c.dir.Name(), journalFile), Err: err}
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(line))
	return os.NewSyscallError("write journal", err)
}

// missingParents are the directories above the container's that will have to be
// made, outermost first.
func missingParents(dir cgroups.Dir) (parents []string) {
	for parent := path.Dir(dir.Path); len(parent) > len(dir.Mount) && unix.Access(parent, unix.F_OK) == unix.ENOENT; parent = path.Dir(parent) {
		parents = slices.Insert(parents, 0, parent)
	}
	return parents
}

// journaled is what a journal says.
type journaled struct {
	cgroups, parents []string
	unit             *cgroups.Unit // of systemd; nil: none
	from             string        // the network namespace of the devices
	devices          []returning   // as journalNetDevices has them
	resctrl          []resctrlDir
	settled          bool // the container was made
}

// journaled reads the journal back.
func (c *container) journaled() (j journaled, err error) {
	b, err := readAt(c.dir, journalFile)
	if errors.Is(err, os.ErrNotExist) {
		return j, nil
	}
	for line := range strings.Lines(string(b)) {
		// A line without its end was being written: what it names was not begun.
		line, whole := strings.CutSuffix(line, "\n")
		if !whole {
			continue
		}
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "cgroup":
			j.cgroups = append(j.cgroups, rest)
		case "parent":
			j.parents = append(j.parents, rest)
		case "unit":
			manager, name, _ := strings.Cut(rest, " ")
			j.unit = &cgroups.Unit{Name: name, User: manager == "user"}
		case "netdevs":
			j.from = rest
		case "netdev":
			j.device(rest)
		case "arrived":
			j.arrived(rest)
		case "resctrl", "resctrl-kept":
			j.resctrl = append(j.resctrl, resctrlDir{rest, word == "resctrl-kept"})
		case "settled":
			j.settled = true
		}
	}
	return j, err
}

// undo removes everything a container is, from any point of its making or life,
// whether or not it has been tried before: its processes, cgroups, state. The
// one undo: errors of create, run and delete all come here.
func (r *Runtime) undo(c *container) error {
	r.Trace.Phase("remove")
	j, err := c.journaled()
	if err != nil {
		return err
	}
	paths := j.cgroups
	if c.made && len(paths) < len(c.Cgroups) {
		paths = c.Cgroups // the journal is damaged
	}
	group := cgroups.Open(paths, j.parents...)
	pidfd, err := c.process()
	if errors.Is(err, ErrNotRunning) {
		c.ended(-1, 0, false) // while the cgroup is there
	} else if err != nil {
		return err
	} else {
		defer unix.Close(pidfd)
	}
	if len(paths) > 0 && !vacated(paths) {
		// The whole cgroup first, and thawed: a frozen process does not die.
		if err := group.Kill(); err != nil {
			return err
		}
	}
	if pidfd >= 0 {
		if err := kill(pidfd); err != nil {
			return err
		}
		c.ended(-1, 0, false)
	}
	if j.unit != nil {
		if err := j.unit.Stop(); err != nil {
			return err
		}
	}
	if len(paths) > 0 {
		if err := group.Remove(); err != nil {
			return err
		}
	}
	if err := r.returnDevices(c, &j); err != nil {
		return err
	}
	if err := j.removeResctrl(); err != nil {
		return err
	}
	if err := r.poststop(c); err != nil {
		r.warn("%v", err)
	}
	return r.forget(c)
}

// vacated removes the cgroups if that is all there is to do: most often, their
// processes have ended.
func vacated(paths []string) bool {
	gone := true
	for _, p := range paths {
		err := unix.Rmdir(p)
		gone = gone && (err == nil || err == unix.ENOENT)
	}
	return gone
}

// remove is undo for who holds no lock. Another may have removed the container.
func (r *Runtime) remove(c *container) error {
	err := c.lock(r.timeout())
	if err == nil {
		err = r.undo(c)
	}
	if errors.Is(err, ErrNotExist) {
		return nil
	}
	return err
}

// forget removes the state directory. state.json last, so that what is
// interrupted is still a container to delete.
func (r *Runtime) forget(c *container) error {
	if err := c.removeNotify(); err != nil {
		return err
	}
	fd := int(c.dir.Fd())
	for _, name := range [...]string{fifoFile, planFile, updateFile, exitFile, "." + configFile, configFile, "." + stateFile, journalFile, stateFile} {
		if err := unix.Unlinkat(fd, name, 0); err != nil && err != unix.ENOENT {
			return &os.PathError{Op: "unlinkat", Path: path.Join(c.dir.Name(), name), Err: err}
		}
	}
	root, err := r.rootDir(false)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := unix.Unlinkat(int(root.Fd()), c.id, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return &plan.Error{Op: "rmdir " + c.dir.Name(), Err: err}
	}
	return nil
}

// kill ends the process of pidfd and waits until it has ended.
func kill(pidfd int) error {
	if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return os.NewSyscallError("pidfd_send_signal", err)
	}
	return waitEnd(pidfd, 10_000)
}

// waitEnd waits at most limit milliseconds for the process to end.
func waitEnd(pidfd, limit int) error {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, limit)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n == 0:
			return errors.New("container init still running")
		}
		return nil
	}
}
