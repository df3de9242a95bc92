// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// enter makes the executor a member of the container's namespaces and cgroups.
func (c *Compiled) enter(b *plan.Builder, spec *specs.Spec, n *namespaces, host *Host) {
	users := plan.At("/linux/uidMappings")
	newUser, joinsUser := n.fresh&unix.CLONE_NEWUSER != 0, n.joins(unix.CLONE_NEWUSER)
	c.cloneFlags, c.forks, c.maps = n.atClone, n.fork, n.maps(spec.Linux)
	clocks := openTimeOffsets(b, spec.Linux.TimeOffsets)
	placed := false
	if joinsUser {
		// First oom_score_adj, which nobody but the host's root may write of a
		// process that cannot be traced; and that before others are around who
		// would trace it (I2).
		c.wait(b, users, barrierPlaced)
		placed = true
		leaveGroups(b, host, spec)
		b.Prctl(plan.At("/process"), unix.PR_SET_DUMPABLE, 0)
	}
	n.compileJoins(b, spec, host.may(unix.CAP_SYS_ADMIN))
	if joinsUser {
		c.wait(b, users, barrierUsers)
	} else if n.fork || n.fresh&unix.CLONE_NEWCGROUP != 0 && c.attaches() || spec.Process.OOMScoreAdj != nil || c.resctrl != nil || newUser && len(spec.Process.Rlimits) > 0 {
		// Before the cgroup namespace is made: its root is fixed by where its
		// first member is then (C10).
		c.wait(b, users, barrierPlaced)
		placed = true
	}
	if newUser {
		b.Setns(n.users.at, n.users.slot, n.users.flag)
		b.Close(n.users.at, n.users.slot)
	}
	if newUser || joinsUser {
		becomeRoot(b, spec)
	}
	if n.after != 0 {
		b.Unshare(namespaceAt(spec, n.after), n.after)
	}
	compileTimeOffsets(b, clocks, spec.Linux.TimeOffsets)
	if n.fresh&unix.CLONE_NEWCGROUP != 0 {
		b.Unshare(namespaceAt(spec, unix.CLONE_NEWCGROUP), unix.CLONE_NEWCGROUP)
	}
	if n.fork {
		b.Fork(namespaceAt(spec, unix.CLONE_NEWPID))
	}
	if n.fork || newUser || joinsUser {
		// Again: it is not inherited, and the change of user has reset it.
		b.Prctl(plan.At("/process"), unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
	}
	if n.fork {
		b.Setsid(plan.At("/process"))
	}
	if !placed && c.attaches() {
		c.wait(b, plan.At("/process"), barrierPlaced)
	}
	if len(c.netDevices) > 0 {
		c.enterNetwork(b, spec, n)
		// Before the sysctls, which may be theirs, and the hooks, which may
		// look for them; and while the runtime needs no CAP_SYS_PTRACE yet to
		// open the namespace.
		c.wait(b, plan.At("/linux/netDevices"), barrierDevices)
	}
	// Nobody may trace a half-made container. Defence against CVE-2016-9962.
	b.Prctl(plan.At("/process"), unix.PR_SET_DUMPABLE, 0)
}

// enterNetwork enters the network namespace, the first time that it is called: as
// late as possible, since it takes long to make.
func (c *Compiled) enterNetwork(b *plan.Builder, spec *specs.Spec, n *namespaces) {
	if n.made&unix.CLONE_NEWNET == 0 || c.makesNetwork() {
		return
	}
	c.network = namespaceAt(spec, unix.CLONE_NEWNET)
	fd := b.Slot()
	b.Receive(c.network, fd)
	c.barriers = append(c.barriers, barrierNetwork)
	b.Setns(c.network, fd, unix.CLONE_NEWNET)
	b.Close(c.network, fd)
}

// receiveSysfs receives the sysfs made with the network namespace, for the mount at.
func (c *Compiled) receiveSysfs(b *plan.Builder, at plan.Pointer) plan.Slot {
	c.sysfs = at
	mnt := b.Slot()
	b.Receive(at.Field("type"), mnt)
	c.barriers = append(c.barriers, barrierSysfs)
	return mnt
}

// makesNetwork reports whether the executor is handed a network namespace.
func (c *Compiled) makesNetwork() bool { return c.waits(barrierNetwork) }
