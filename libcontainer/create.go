// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter/plan"
	"corten/seccomp"
	"corten/signals"
)

// CreateOptions are those of create and run.
type CreateOptions struct {
	ID, Bundle             string
	Config                 string // file in place of the bundle's config.json; "": that
	PIDFile, ConsoleSocket string
	PidfdSocket            string // where a pidfd of the payload is sent; "": nowhere
	PreserveFDs            int    // all that are handed on, from 3
	ListenFDs              int    // how many of them are sockets of a service manager
	ListenNames            string // its $LISTEN_FDNAMES
	NotifySocket           string // its $NOTIFY_SOCKET
	NoPivot, NoNewKeyring  bool

	// Of run only.
	Detach, Keep, NoSubreaper, Init bool

	gate    bool // create: wait for start
	explain bool // plan and check: nothing is made
	dry     bool // check: not even in the filter cache
	making  making
	notify  string // directory of the container's notify socket; "": none
}

// prepare reads and compiles. It has no side effect but in the filter cache.
func (r *Runtime) prepare(o *CreateOptions) (*Config, *Compiled, error) {
	file, err := o.locate()
	if err != nil {
		return nil, nil, err
	}
	if o.NotifySocket != "" && !mayNotify(o.NotifySocket) {
		r.warn("NOTIFY_SOCKET %q is neither a path nor an abstract name: ignored", o.NotifySocket)
		o.NotifySocket = ""
	}
	if o.NotifySocket != "" {
		o.notify = path.Join(r.Root, o.ID, notifyDir)
	}
	r.Trace.Phase("load config.json")
	config, err := Load(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, errors.New("JSON specification file " + path.Base(file) + " not found in " + path.Dir(file))
	}
	if err != nil {
		return nil, nil, err
	}
	if !o.explain {
		r.Trace.Phase("begin the namespaces")
		if err := o.making.begin(config.Spec); err != nil {
			return nil, nil, err
		}
	}
	compiled, err := r.compile(o, config)
	return config, compiled, err
}

// locate makes the bundle's path absolute, and that of its config.json.
func (o *CreateOptions) locate() (file string, err error) {
	if o.Bundle, err = filepath.Abs(o.Bundle); err != nil || o.Config == "" {
		return path.Join(o.Bundle, configFile), err
	}
	o.Config, err = filepath.Abs(o.Config) // for exec, which has another working directory
	return o.Config, err
}

// compile asks the host what config needs to know of it, and makes the plan.
func (r *Runtime) compile(o *CreateOptions, config *Config) (*Compiled, error) {
	if config.Process == nil {
		if !o.gate {
			return nil, errNoProcess
		}
		config.Process = idle()
	}
	if !o.explain {
		if err := terminalRules(config.Process, o.Detach || o.gate, o.ConsoleSocket); err != nil {
			return nil, err
		}
	}
	if err := r.checkRoot(config.Root.Path, o); err != nil {
		return nil, err
	}
	if err := checkHooks(config.Spec); err != nil {
		return nil, err
	}
	r.Trace.Phase("probe the host")
	host, err := r.probe(config)
	if err != nil {
		return nil, err
	}
	if err := host.openJoined(config.Linux); err != nil {
		return nil, err
	}
	if err := host.devices(config.Linux); err != nil {
		return nil, err
	}
	if err := host.resctrl(config.Linux, o.ID); err != nil {
		return nil, err
	}
	host.mounts(config, o.Bundle)
	r.Trace.Phase("find the filter")
	if err := host.filter(config, r.filterCache(o)); err != nil {
		return nil, err
	}
	host.probeLabels(config.Process)
	r.Trace.Phase("compile")
	compiled, err := Compile(config, o, host)
	if err != nil {
		return nil, err
	}
	for _, w := range compiled.Warnings {
		r.warn("%s", w)
	}
	return compiled, nil
}

// filterCache is where compiled seccomp profiles are kept; "": nowhere.
func (r *Runtime) filterCache(o *CreateOptions) string {
	if o.dry {
		return ""
	}
	return path.Join(r.Root, ".cache/seccomp")
}

// checkRoot wants a directory where the root is (runtime-spec, "Root").
func (r *Runtime) checkRoot(root string, o *CreateOptions) error {
	var st unix.Stat_t
	var err error
	if o.explain && !o.dry {
		return nil
	}
	root = rootPath(root, o.Bundle)
	if late := r.patiently(nil, root, false, func() { err = unix.Stat(root, &st) }); late != nil {
		return &plan.Error{At: plan.At("/root/path"), Op: "stat " + strconv.Quote(root), Err: late}
	}
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		err = unix.ENOTDIR
	}
	if err != nil {
		return &plan.Error{At: plan.At("/root/path"), Op: "stat " + strconv.Quote(root), Err: err}
	}
	return nil
}

// filter compiles linux.seccomp, or finds it compiled.
func (h *Host) filter(config *Config, cache string) (err error) {
	if config.Linux.Seccomp == nil {
		return nil
	}
	at := plan.At("/linux/seccomp")
	if err := seccomp.Supported(at, config.Linux.Seccomp); err != nil {
		return err
	}
	h.SeccompFlags = seccomp.Flags(config.Linux.Seccomp)
	h.Seccomp, err = seccomp.Filter(at, config.SeccompRaw, cache)
	return err
}

// terminalRules says when a terminal has somebody to go to, in runc's words,
// which its callers match.
func terminalRules(process *specs.Process, detached bool, socket string) error {
	switch at := plan.At("/process/terminal"); {
	case process.Terminal && detached && socket == "":
		return &plan.Error{At: at, Err: errors.New("cannot allocate tty if runc will detach without setting console socket")}
	case socket != "" && !(detached && process.Terminal):
		return &plan.Error{At: at, Err: errors.New("cannot use console socket if runc will not detach or allocate tty")}
	}
	return nil
}

// rootPath is root.path on the host.
func rootPath(root, bundle string) string {
	if path.IsAbs(root) {
		return root
	}
	return path.Join(bundle, root)
}

// begin makes the state directory, which decides who has the id, and writes the
// journal. Establishes: from here on undo finds everything.
func (r *Runtime) begin(o *CreateOptions, config *Config, compiled *Compiled) (*container, error) {
	r.Trace.Phase("state directory and journal")
	// Without pidfds nothing that is made could be ended.
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return nil, &plan.Error{Op: "pidfd_open", Err: err, Hint: forbiddenHint}
	}
	unix.Close(pidfd)
	root, err := r.rootDir(true)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := unix.Mkdirat(int(root.Fd()), o.ID, 0o711); err == unix.EEXIST {
		return nil, ErrExist
	} else if err != nil {
		return nil, &os.PathError{Op: "mkdirat", Path: path.Join(r.Root, o.ID), Err: err}
	}
	fd, err := unix.Openat(int(root.Fd()), o.ID, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = unix.Unlinkat(int(root.Fd()), o.ID, unix.AT_REMOVEDIR)
		return nil, &os.PathError{Op: "openat", Path: path.Join(r.Root, o.ID), Err: err}
	}
	c := &container{id: o.ID, dir: os.NewFile(uintptr(fd), path.Join(r.Root, o.ID)), loaded: config}
	if err := flock(c.dir, r.timeout()); err != nil {
		return c, err
	}
	c.record = newRecord(o, config)
	c.Into = compiled.Cgroup.Into
	for _, dir := range compiled.Cgroup.Dirs {
		c.Cgroups = append(c.Cgroups, dir.Path)
	}
	// Before they are in the journal: undo ends whoever is in those.
	if err := compiled.Cgroup.Vacant(); err != nil {
		return c, err
	}
	if o.notify != "" {
		if err := c.makeNotify(); err != nil {
			return c, err
		}
		if !o.gate { // else it is start that listens
			if err := c.listen(o.NotifySocket); err != nil {
				return c, err
			}
		}
	}
	return c, c.journal(compiled)
}

// create brings a container to its gate (o.gate) or its payload to life.
func (r *Runtime) create(o *CreateOptions, console int, catcher *signals.Catcher) (c *container, s *spawn, err error) {
	if !validID(o.ID) {
		return nil, nil, ErrInvalidID
	}
	if err := checkPIDFile(o.PIDFile); err != nil {
		return nil, nil, err
	}
	defer o.making.abort()
	config, compiled, err := r.prepare(o)
	if err != nil {
		return nil, nil, err
	}
	// Before the first thing is made, so that nothing is if there is no agent.
	agent, err := dialAgent(config.Linux.Seccomp, containerState(config.Spec, o, "creating", 0))
	if err != nil {
		return nil, nil, err
	}
	defer agent.close()
	pidfds, err := dialPidfdReceivers(o.PidfdSocket, config.Annotations[pidfdReceiver])
	if err != nil {
		return nil, nil, err
	}
	defer pidfds.close()
	c, err = r.begin(o, config, compiled)
	if c == nil {
		return nil, nil, err
	}
	s = &spawn{making: o.making, pidfds: pidfds, r: r, state: c, compiled: compiled, agent: agent, console: console, catcher: catcher, gate: -1, init: -1, spec: config.Spec, process: config.Process}
	if err == nil {
		err = r.make(c, s, o)
	}
	if s.gate >= 0 {
		unix.Close(s.gate)
	}
	if err != nil {
		s.abort()
		o.making.abort() // whose descriptor undo may need, where there are few
		if undoErr := r.undo(c); undoErr != nil {
			r.warn("%v", undoErr)
		}
		c.close()
		return nil, nil, err
	}
	return c, s, nil
}

func (r *Runtime) make(c *container, s *spawn, o *CreateOptions) (err error) {
	if o.gate {
		if s.gate, err = c.makeGate(); err != nil {
			return err
		}
		if s.encoded, err = s.compiled.Encode(); err != nil {
			return err
		}
		if err := writeAt(c.dir, planFile, s.encoded); err != nil {
			return err
		}
	}
	r.Trace.Phase("cgroup")
	if s.group, err = s.compiled.Cgroup.Apply(); err != nil {
		// It has undone itself, and what is there now is another's.
		return errors.Join(err, c.journal(&Compiled{Cgroup: &cgroups.Plan{}}))
	}
	defer s.group.Close()
	if len(s.group.Paths) < len(c.Cgroups) {
		// Without permission to make them it stays where the runtime is.
		c.Cgroups, c.Into = nil, -1
		none := *s.compiled
		none.Cgroup = &cgroups.Plan{Into: -1}
		if err := c.journal(&none); err != nil {
			return err
		}
	}
	if err := s.openResctrl(); err != nil {
		return err
	}
	defer s.resctrl.Close()
	if err := s.start(); err != nil {
		return err
	}
	r.Trace.Phase("write the state")
	if err := c.running(s.executor.PID); err != nil {
		return err
	}
	if err = s.finish(func() error { return s.before(o) }); err != nil {
		return err
	}
	if err := s.pidfds.send("standard", s.executor.Pidfd); err != nil {
		return err
	}
	if err := writePIDFile(o.PIDFile, c.PID); err != nil {
		return err
	}
	return c.settle(s.compiled)
}

// running writes the state of a container whose process is there. The executor
// works meanwhile, and waits for it at its last barrier.
func (c *container) running(pid int) (err error) {
	if err := writeAt(c.dir, configFile, c.loaded.Raw); err != nil {
		return err
	}
	c.PID = pid
	if c.BootID, err = bootID(); err != nil {
		return err
	}
	if _, c.StartTime, err = processStat(pid); err != nil {
		return err
	}
	c.made = true
	return c.write()
}

// makeGate makes exec.fifo and opens it both ways: as long as the executor
// keeps that descriptor the fifo has a reader, which is how start and state
// know that it waits.
func (c *container) makeGate() (int, error) {
	fd := int(c.dir.Fd())
	if err := unix.Mkfifoat(fd, fifoFile, 0o600); err != nil {
		return -1, &os.PathError{Op: "mkfifoat", Path: path.Join(c.dir.Name(), fifoFile), Err: err}
	}
	gate, err := unix.Openat(fd, fifoFile, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	return gate, os.NewSyscallError("openat", err)
}

// Create makes a container that waits for Start.
func (r *Runtime) Create(o CreateOptions) error {
	o.gate = true
	console := -1
	if o.ConsoleSocket != "" {
		var err error
		if console, err = dialConsole(o.ConsoleSocket); err != nil {
			return err
		}
		defer unix.Close(console)
	}
	c, s, err := r.create(&o, console, nil)
	if err != nil {
		return err
	}
	s.executor.Close()
	c.close()
	return nil
}
