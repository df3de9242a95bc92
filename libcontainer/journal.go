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

func (c *container) journal(p *cgroups.Plan) error {
	var b strings.Builder
	for _, dir := range p.Dirs {
		for _, parent := range missingParents(dir) {
			b.WriteString("parent " + parent + "\n")
		}
		b.WriteString("cgroup " + dir.Path + "\n")
	}
	return writeAt(c.dir, journalFile, []byte(b.String()))
}

// missingParents are the directories above the container's that will have to be
// made, outermost first.
func missingParents(dir cgroups.Dir) (parents []string) {
	for parent := path.Dir(dir.Path); len(parent) > len(dir.Mount) && unix.Access(parent, unix.F_OK) == unix.ENOENT; parent = path.Dir(parent) {
		parents = slices.Insert(parents, 0, parent)
	}
	return parents
}

// journaled reads the cgroups back.
func (c *container) journaled() (paths, parents []string, err error) {
	b, err := readAt(c.dir, journalFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	for line := range strings.Lines(string(b)) {
		// A line without its end was being written: what it names was not begun.
		line, whole := strings.CutSuffix(line, "\n")
		if dir, ok := strings.CutPrefix(line, "cgroup "); ok && whole {
			paths = append(paths, dir)
		} else if dir, ok := strings.CutPrefix(line, "parent "); ok && whole {
			parents = append(parents, dir)
		}
	}
	return paths, parents, err
}

// undo removes everything a container is, from any point of its making or life,
// whether or not it has been tried before: its processes, cgroups, state. The
// one undo: errors of create, run and delete all come here.
func (r *Runtime) undo(c *container) error {
	paths, parents, err := c.journaled()
	if err != nil {
		return err
	}
	group := cgroups.Open(paths, parents...)
	if len(paths) > 0 && !vacated(paths) {
		// The whole cgroup first, and thawed: a frozen process does not die.
		if err := group.Kill(); err != nil {
			return err
		}
	}
	if pidfd, err := c.process(); err == nil {
		err := kill(pidfd)
		unix.Close(pidfd)
		if err != nil {
			return err
		}
	}
	if len(paths) > 0 {
		if err := group.Remove(); err != nil {
			return err
		}
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

// poststop runs the hooks of a container that was created; a failure is a
// warning (runtime-spec, runtime.md, step 13).
func (r *Runtime) poststop(c *container) error {
	if !c.made {
		return nil
	}
	config, err := c.config()
	if err != nil || config.Hooks == nil || len(config.Hooks.Poststop) == 0 {
		return err
	}
	state := hookState(config.Spec, &CreateOptions{ID: c.id, Bundle: c.Bundle}, statusStopped, 0)
	return runHooks("poststop", config.Hooks.Poststop, state)
}

// forget removes the state directory. state.json last, so that what is
// interrupted is still a container to delete.
func (r *Runtime) forget(c *container) error {
	fd := int(c.dir.Fd())
	for _, name := range [...]string{fifoFile, planFile, configFile, "." + stateFile, journalFile, stateFile} {
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
