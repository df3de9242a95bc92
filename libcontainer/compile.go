// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter"
	"corten/nsenter/plan"
	"corten/rootfs"
)

// initAnnotation asks for the built-in init, as run --init does.
const initAnnotation = "corten.init"

// Compiled is what a container's creation comes down to.
type Compiled struct {
	plan.Plan
	Cgroup   *cgroups.Plan
	Warnings []string

	netDevices []movedDevice
	resctrl    *resctrlPlan
	cloneFlags uint64
	barriers   []barrier
	forks      bool
	network    plan.Pointer // of the network namespace that the runtime makes
	sysfs      plan.Pointer // of the mount of the sysfs that it makes with it
	newSysfs   *nsenter.Sysfs
	raises     bool   // hard limits, where the executor may not
	maps       idMaps // of the container's user namespace
}

// barrier is a step at which the executor waits for the runtime, and what the
// runtime does there.
type barrier uint8

const (
	barrierPlaced     barrier = iota + 1 // cgroups and oom_score_adj are set by pid
	barrierNetwork                       // the network namespace is handed over
	barrierSysfs                         // the sysfs made with it is
	barrierUsers                         // the id maps of the joined user namespace are read
	barrierDelegate                      // it is moved to a cgroup that is its own
	barrierDevices                       // network devices are moved
	barrierHooks                         // prestart and createRuntime hooks
	barrierPriorities                    // priorities are set, which a user namespace has no right to
	barrierListener                      // the seccomp agent has the filter's listener
	barrierCommit                        // the state is on disk: the payload may run
)

// reports says whether the executor announces that it is waiting. At the
// others, the runtime's byte is usually there first.
func (k barrier) reports() bool {
	return k == barrierUsers || k == barrierDelegate || k == barrierDevices || k == barrierHooks || k == barrierPriorities || k == barrierListener
}

func (c *Compiled) wait(b *plan.Builder, at plan.Pointer, k barrier) {
	report := uint64(0)
	if k.reports() {
		report = 1
	}
	b.Barrier(at, report)
	c.barriers = append(c.barriers, k)
}

// waits reports whether the executor waits at a barrier of the kind.
func (c *Compiled) waits(k barrier) bool { return slices.Contains(c.barriers, k) }

// attaches reports whether the runtime has to put the executor into a cgroup:
// all but the one that clone3(2) starts it in.
func (c *Compiled) attaches() bool {
	into := 0
	if c.Cgroup.Into >= 0 && !c.Cgroup.Handed {
		into = 1
	}
	return len(c.Cgroup.Dirs) > into
}

// Compile turns config.json into the plan of a container. It is pure: the same
// config, options and facts give the same plan, and the kernel is not asked.
// THE ORDER of everything is here, a line a phase, each with its reason.
func Compile(config *Config, o *CreateOptions, host *Host) (*Compiled, error) {
	spec, c, b, payload := config.Spec, &Compiled{}, plan.NewBuilder(), plan.At("/process")
	var err error
	if c.Cgroup, err = cgroups.Compile(spec, o.ID, host.Cgroups); err != nil {
		return nil, err
	}

	if c.netDevices, err = compileNetDevices(spec, o.ID, host); err != nil {
		return nil, err
	}
	if c.resctrl, err = compileResctrl(spec, o.ID, host.Resctrl); err != nil {
		return nil, err
	}
	for _, at := range c.Cgroup.Ignored {
		c.Warnings = append(c.Warnings, "config.json#"+at.String()+": the kernel has no such limit any more: ignored")
	}

	for i := range spec.Mounts {
		if d := spec.Mounts[i].Destination; !path.IsAbs(d) {
			c.Warnings = append(c.Warnings, "config.json#/mounts/"+strconv.Itoa(i)+"/destination: "+strconv.Quote(d)+" is not absolute: taken as "+strconv.Quote(path.Join("/", d)))
		}
	}

	if newerVersion(spec.Version) {
		c.Warnings = append(c.Warnings, "config.json#/ociVersion: "+spec.Version+" is newer than "+specs.Version+": what it has added is ignored")
	}

	switch spec.Annotations[initAnnotation] {
	case "", "true", "false":
	default:
		return nil, &plan.Error{At: plan.At("/annotations").Field(initAnnotation), Err: errors.New("want true or false")}
	}

	// Inputs: every path of the host is resolved by the runtime, before the
	// clone, so before anything hostile can run.
	c.newSysfs = madeSysfs(spec)
	n := readNamespaces(b, spec, host, c.newSysfs != nil)
	if n.all&unix.CLONE_NEWNS == 0 {
		return nil, &plan.Error{At: plan.At("/linux/namespaces"), Err: errors.New("a mount namespace is required: without one the container's mounts would be the host's")}
	}
	var console, gate plan.Slot = plan.None, plan.None
	if spec.Process.Terminal {
		console = b.Input(plan.Input{At: plan.At("/process/terminal"), Kind: plan.KindConsole})
	}
	if o.gate {
		gate = b.Input(plan.Input{Kind: plan.KindGate})
	}
	preserved := preserve(b, o.PreserveFDs)
	n.compileUsers(b, spec)
	outputs := readHookSlots(b, spec)
	root, err := rootfs.New(b, spec, facts(spec, o, host, c.Cgroup, &n))
	if err != nil {
		return nil, err
	}
	init := o.Init || spec.Annotations[initAnnotation] == "true"
	p := &process{b: b, made: c, spec: spec.Process, facts: host, manager: o.managerEnv(init), userNS: n.all&unix.CLONE_NEWUSER != 0}
	p.setgroups, p.keepGroups = n.mayGroup(host, spec.Linux.GIDMappings), keepsGroups(spec)
	if err := p.readLabels(); err != nil {
		return nil, err
	}
	if err := survivesFork(spec, init); err != nil {
		return nil, err
	}
	var warnings []string
	p.sets, warnings = capabilities(spec.Process.Capabilities, host.available(p.userNS))
	c.Warnings = append(c.Warnings, warnings...)

	// Life: nothing half-made survives the runtime (I1).
	b.Prctl(payload, unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
	b.Umask(payload, 0) // modes of what is made are exact
	b.Setsid(payload)   // first, since a terminal must be the session's (I31)

	// Namespaces.
	if host.EUID == 0 {
		p.compileProcfs() // the host's right to mount one, whatever namespaces come
	}
	c.enter(b, spec, &n, host)
	if err := c.compileDelegation(b, spec, host.Cgroups); err != nil {
		return nil, err
	}
	p.compileAttributes()
	if !o.NoNewKeyring {
		compileKeyring(b)
	}
	if n.fresh&^n.made&unix.CLONE_NEWNET != 0 {
		compileLoopback(b, namespaceAt(spec, unix.CLONE_NEWNET))
	}

	// Root and mounts. Before pivot_root, because a user namespace may mount
	// proc and sysfs only while the host's are in sight.
	root.Attach()
	root.Network = func() { c.enterNetwork(b, spec, &n) }
	if c.newSysfs != nil {
		root.Sysfs = func(at plan.Pointer) plan.Slot { return c.receiveSysfs(b, at) }
	}
	if err := root.Mounts(); err != nil {
		return nil, err
	}
	c.enterNetwork(b, spec, &n) // for hooks, and what sysctls there are
	root.Devices()
	root.Notify()
	peer := plan.None
	if spec.Process.Terminal {
		peer = rootfs.Terminal(b, root.Slot(), spec.Process.ConsoleSize, console)
		root.Console(peer)
	}
	if !n.namesAtJoin() {
		compileNames(b, spec)
	}
	compileSysctl(b, spec.Linux.Sysctl, &n)

	// Hooks of the runtime, then of the container: all is mounted, and the
	// host's root still there for them.
	if h := spec.Hooks; h != nil {
		if len(h.Prestart)+len(h.CreateRuntime) > 0 { //nolint:staticcheck // prestart is deprecated, and used
			c.wait(b, plan.At("/hooks"), barrierHooks)
		}
		compileCreateContainer(b, spec, o, outputs)
	}

	// Masks after all mounts and the console: whatever those were tricked
	// into, is masked (I13).
	root.Readonly()
	root.Masked()
	cwd := p.compileCwdTarget(root.Slot(), true) // while the root can still be written
	root.Pivot()

	// Process.
	p.compileCwd(cwd)
	if peer != plan.None {
		p.compileTerminal(peer)
	}
	for i, slot := range preserved {
		b.Dup3(payload, slot, uint64(3+i))
	}
	p.compileLabels()
	// Late, because a small limit must not starve the steps above.
	c.limits(p)
	p.compileScheduling(spec.Linux, "")
	p.compileCredentials()
	p.compileHome()
	p.compileLookup()
	p.compileAgent()

	// The point of no return: created, and start's to decide; or, in run, as
	// soon as the state is on disk.
	if gate != plan.None {
		b.Gate(payload, gate)
	} else {
		c.wait(b, payload, barrierCommit)
	}
	if len(spec.Process.Args) == 0 {
		c.Plan = b.Plan
		return c, nil // an idle process: start refuses, and nothing is behind the gate
	}
	p.compileExec(init, uint64(len(preserved)), func() { compileStartContainer(b, spec, o, outputs) })
	c.Plan = b.Plan
	return c, nil
}

func compileNames(b *plan.Builder, spec *specs.Spec) {
	if spec.Hostname != "" {
		b.Sethostname(plan.At("/hostname"), spec.Hostname)
	}
	if spec.Domainname != "" {
		b.Setdomainname(plan.At("/domainname"), spec.Domainname)
	}
}

// compileSysctl writes kernel parameters through a procfs of the executor's
// own. Defence against CVE-2025-52881: through the container's, an image
// chose which file the value went to.
func compileSysctl(b *plan.Builder, sysctl map[string]string, n *namespaces) {
	at := plan.At("/linux/sysctl")
	if len(sysctl) == 0 {
		return
	}
	var proc plan.Slot
	own := n.all&unix.CLONE_NEWUSER == 0 || n.fresh&unix.CLONE_NEWPID != 0
	if own {
		proc = compileProcfs(b, at)
	} else { // a user namespace mounts proc of its own pid namespaces only
		proc = hostProcfs(b, at)
	}
	for _, key := range sortedKeys(sysctl) {
		file, _ := sysctlPath(key) // validated
		if file == "kernel/domainname" {
			// The file is the host's root's alone to write, the call also that
			// of the user namespace.
			b.Setdomainname(at.Field(key), strings.TrimSuffix(sysctl[key], "\n"))
			continue
		}
		fd, at := b.Slot(), at.Field(key)
		open := func(proc plan.Slot) {
			b.Openat2(at, proc, "sys/"+file, unix.O_WRONLY|unix.O_CLOEXEC, 0, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_XDEV, fd)
		}
		if open(proc); own {
			// AppArmor takes a path of a mount that is nowhere for one below "/": a
			// profile that the runtime itself is under may refuse it.
			b.Tolerate("EACCES")
			var host plan.Slot
			b.Unless(fd, func() {
				host = hostProcfs(b, at)
				open(host)
			})
			b.Done(at, host)
		}
		b.Write(at, fd, []byte(sysctl[key]))
		b.Done(at, fd)
	}
	b.Done(at, proc)
}

// hostProcfs opens the host's /proc, which before pivot_root is still in sight
// and out of an image's reach.
func hostProcfs(b *plan.Builder, at plan.Pointer) plan.Slot {
	proc := b.Slot()
	b.Openat2(at, plan.Cwd, "/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS, proc)
	b.Check(at, proc, unix.S_IFDIR, 0, unix.PROC_SUPER_MAGIC)
	return proc
}

// preserve adds the descriptors 3 to 2+n that the caller hands on.
func preserve(b *plan.Builder, n int) (slots []plan.Slot) {
	for i := range n {
		slots = append(slots, b.Input(plan.Input{Kind: plan.KindInherited, Path: strconv.Itoa(3 + i)}))
	}
	return slots
}

// facts is what rootfs has to know.
func facts(spec *specs.Spec, o *CreateOptions, host *Host, cgroup *cgroups.Plan, n *namespaces) rootfs.Facts {
	f := rootfs.Facts{Bundle: o.Bundle, Unprivileged: !host.may(unix.CAP_SYS_ADMIN), UserNS: n.all&unix.CLONE_NEWUSER != 0, CgroupNS: n.all&unix.CLONE_NEWCGROUP != 0,
		NoPivot: o.NoPivot, Notify: o.notify, NewNetNS: n.fresh&unix.CLONE_NEWNET != 0, SELinux: host.SELinux, Links: host.Links}
	f.Mapped = f.UserNS || host.Cgroups.InUserNS
	f.Cgroupless = host.Cgroups.Rootless
	if n.joins(unix.CLONE_NEWUSER) {
		f.UserNSPath = namespaceOf(spec.Linux, specs.UserNamespace).Path
	}
	if host.Cgroups.Disabled {
		for _, h := range host.Cgroups.Hierarchies { // it sees the caller's
			f.Hierarchies = append(f.Hierarchies, rootfs.Hierarchy{Mount: h.Mount, Controllers: h.Controllers, Name: h.Name, V2: h.V2, Cgroup: h.Dir()})
		}
	}
	for _, dir := range cgroup.Dirs {
		h := host.Cgroups.Hierarchies[dir.Hierarchy]
		group := rootfs.Hierarchy{Mount: h.Mount, Controllers: h.Controllers, Name: h.Name, V2: h.V2, Cgroup: dir.Path}
		if cgroup.Optional {
			group.Or = h.Dir()
		}
		f.Hierarchies = append(f.Hierarchies, group)
	}
	return f
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
