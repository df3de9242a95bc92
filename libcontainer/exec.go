// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"path"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter/plan"
	"corten/rootfs"
	"corten/signals"
)

// ExecOptions are those of exec. Process, from --process, replaces the
// container's own process section; else the other fields change it.
type ExecOptions struct {
	ID      string
	Process *specs.Process

	Args, Env, Caps []string
	Cwd, User       string // User is uid[:gid]
	AdditionalGids  []uint32
	TTY, NoNewPrivs bool

	AppArmorProfile, SELinuxLabel string

	Detach, IgnorePaused   bool
	KillWithParent         bool // the process ends when the runtime does
	PIDFile, ConsoleSocket string
	PidfdSocket            string   // where a pidfd of the process is sent; "": nowhere
	Cgroups                []string // [CONTROLLER[,CONTROLLER]:]PATH below the container's cgroup
	PreserveFDs            int

	noNewKeyring bool // as the container was made
}

// CompileExec turns a process into the plan that runs it in the container made
// of config. Pure, as Compile is.
func CompileExec(config *Config, spec *specs.Process, o *ExecOptions, host *Host) (*Compiled, error) {
	c, b, payload := &Compiled{Cgroup: &cgroups.Plan{Into: -1}}, plan.NewBuilder(), plan.At("/process")
	init := b.Input(plan.Input{At: plan.At("/linux/namespaces"), Kind: plan.KindPidfd})
	console := plan.None
	if spec.Terminal {
		console = b.Input(plan.Input{At: plan.At("/process/terminal"), Kind: plan.KindConsole})
	}
	preserved := preserve(b, o.PreserveFDs)
	n := named(config.Linux, host)
	userNS := n.all&unix.CLONE_NEWUSER != 0
	c.maps = n.maps(config.Linux)
	p := &process{b: b, made: c, spec: spec, facts: host, userNS: userNS, setgroups: n.mayGroup(host, config.Linux.GIDMappings), keepGroups: keepsGroups(config.Spec)}
	if err := p.readLabels(); err != nil {
		return nil, err
	}
	p.sets, c.Warnings = capabilities(spec.Capabilities, host.available(userNS))

	b.Prctl(payload, unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
	b.Umask(payload, 0)
	// Outside of the container, and inherited by the fork: nothing of the
	// host's need be held inside.
	p.compileAttributes()
	p.compileLabels()
	// Before the first step into the container, whose processes could
	// otherwise trace this one. Defence against CVE-2016-9962.
	c.wait(b, payload, barrierPlaced)
	b.Prctl(payload, unix.PR_SET_DUMPABLE, 0)
	// All at once, by the process itself: no path of /proc, no half-joined state.
	if n.joins(unix.CLONE_NEWUSER) {
		leaveGroups(b, host, config.Spec)
	}
	b.Setns(plan.At("/linux/namespaces"), init, n.all)
	b.Close(payload, init)
	if userNS {
		becomeRoot(b, config.Spec)
		b.Prctl(payload, unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
		b.Prctl(payload, unix.PR_SET_DUMPABLE, 0)
	}
	if n.all&unix.CLONE_NEWPID != 0 {
		// Only now does the container see the process, and it holds nothing
		// of the host any more.
		c.forks = true
		b.Fork(namespaceAt(config.Spec, unix.CLONE_NEWPID))
		b.Prctl(payload, unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
	}
	b.Setsid(payload)
	if !o.noNewKeyring {
		compileKeyring(b)
	}
	root := b.Slot()
	b.Openat2(plan.At("/root"), plan.Cwd, "/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, 0, root)
	peer := plan.None
	if spec.Terminal {
		peer = rootfs.Terminal(b, root, spec.ConsoleSize, console)
	}
	p.compileCwd(p.compileCwdTarget(root, false))
	b.Done(payload, root)
	if peer != plan.None {
		p.compileTerminal(peer)
	}
	for i, slot := range preserved {
		b.Dup3(payload, slot, uint64(3+i))
	}
	c.limits(p)
	final := ""
	if spec.ExecCPUAffinity != nil {
		final = spec.ExecCPUAffinity.Final
	}
	p.compileScheduling(config.Linux, final)
	p.compileCredentials()
	p.compileHome()
	p.compileLookup()
	p.compileAgent()
	c.wait(b, payload, barrierCommit)
	p.compileExec(false, uint64(len(preserved)), func() {})
	c.Plan = b.Plan
	return c, nil
}

// Exec runs a further process in a running container: attached, with its exit
// status as the result, or detached.
func (r *Runtime) Exec(o ExecOptions) (status int, err error) {
	fg, err := newForeground(o.Detach, o.ConsoleSocket, true)
	if err != nil {
		return 0, err
	}
	defer fg.close()
	s, err := r.exec(&o, fg.console, fg.catcher)
	if err != nil {
		return 0, err
	}
	defer s.executor.Close()
	if o.Detach {
		return 0, nil
	}
	r.Trace.Phase("payload")
	status, err = fg.attend(s)
	s.endKeeper()
	if err != nil {
		s.abort() // nobody would attend to it
	}
	return status, err
}

// exec brings the process to life.
func (r *Runtime) exec(o *ExecOptions, console int, catcher *signals.Catcher) (*spawn, error) {
	if err := checkPIDFile(o.PIDFile); err != nil {
		return nil, err
	}
	r.Trace.Phase("read the state")
	c, err := r.openMade(o.ID, false)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.awaitMade(); err != nil {
		return nil, err
	}
	status, init, err := c.look()
	if init >= 0 {
		defer unix.Close(init)
	}
	switch {
	case err != nil:
		return nil, err
	case status == statusStopped:
		return nil, errors.New("cannot exec in a stopped container")
	case status == statusPaused && !o.IgnorePaused:
		return nil, errPausedExec
	}
	r.Trace.Phase("load config.json")
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	process, err := o.process(c.ownProcess)
	if err != nil {
		return nil, err
	}
	if err := terminalRules(process, o.Detach, o.ConsoleSocket); err != nil {
		return nil, err
	}
	r.Trace.Phase("probe the host")
	host, err := r.probe(config)
	if err != nil {
		return nil, err
	}
	if err := host.joinedBy(config.Linux, c.PID); err != nil {
		return nil, err
	}
	r.Trace.Phase("find the filter")
	if err := host.filter(config, path.Join(r.Root, ".cache/seccomp")); err != nil {
		return nil, err
	}
	o.noNewKeyring = c.NoNewKeyring
	host.probeLabels(process)
	r.Trace.Phase("compile")
	compiled, err := CompileExec(config, process, o, host)
	if err != nil {
		return nil, err
	}
	compiled.Cgroup.Into = c.Into
	if err := compiled.knowMaps(config, host, c.PID, process); err != nil {
		return nil, err
	}
	for _, w := range compiled.Warnings {
		r.warn("%s", w)
	}
	r.Trace.Phase("reach the container")
	compiled.resctrl = execResctrl(config, o.ID)
	agent, err := dialAgent(config.Linux.Seccomp, specs.State{Version: specs.Version, ID: c.ID, Status: specs.StateRunning,
		Pid: c.PID, Bundle: c.Bundle, Annotations: config.Annotations})
	if err != nil {
		return nil, err
	}
	defer agent.close()
	pidfds, err := dialPidfdReceivers(o.PidfdSocket, "")
	if err != nil {
		return nil, err
	}
	defer pidfds.close()
	s := &spawn{r: r, compiled: compiled, agent: agent, pidfds: pidfds, console: console, catcher: catcher, gate: -1, spec: config.Spec, process: process, group: cgroups.Open(c.Cgroups), ignorePaused: o.IgnorePaused, init: init}
	s.root = "/proc/" + strconv.Itoa(c.PID) + "/root"
	if len(o.Cgroups) > 0 {
		whole := s.group
		s.group, err = whole.Sub(o.Cgroups, host.Cgroups)
		whole.Close()
		if err != nil {
			return nil, err
		}
	} else {
		s.elsewhere = func() *cgroups.Cgroup { return c.whereabouts(s.group, host.Cgroups) }
	}
	defer func() { s.group.Close() }()
	if err := s.hand(c, host.Cgroups); err != nil {
		return nil, err
	}
	if err := s.openResctrl(); err != nil {
		return nil, err
	}
	defer s.resctrl.Close()
	if o.IgnorePaused {
		err = s.awaitResume()
	}
	if err == nil {
		err = pinInitial(process.ExecCPUAffinity)
	}
	if err == nil {
		err = s.start()
	}
	if err == nil && o.KillWithParent {
		s.keeper, err = startKeeper(s.executor.Pidfd, s.executor.PID) // while it waits for the runtime
	}
	if err == nil {
		err = s.finish(func() error { return nil })
	}
	if err == nil {
		err = s.pidfds.send("setns", s.executor.Pidfd)
	}
	if err == nil {
		err = writePIDFile(o.PIDFile, s.executor.PID)
	}
	if err != nil {
		s.abort()
		s.endKeeper()
		return nil, err
	}
	return s, nil
}

// whereabouts is the cgroup below group that the container's first process is
// in now: it may have moved, to manage those above itself.
func (c *container) whereabouts(group *cgroups.Cgroup, host *cgroups.Host) *cgroups.Cgroup {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(c.PID) + "/cgroup")
	if err != nil {
		return nil
	}
	return group.Where(string(text), host)
}

// hand leaves it to systemd to move the process into the container's unit,
// where the kernel lets the runtime not.
func (s *spawn) hand(c *container, host *cgroups.Host) error {
	if c.Into < 0 || !host.MayNotEnter(c.Cgroups[c.Into]) {
		return nil
	}
	j, err := c.journaled()
	if err == nil && j.unit != nil {
		s.compiled.Cgroup.Handed = true
		s.group.Hand(j.unit)
	}
	return err
}
