// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"math/bits"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter"
	"corten/nsenter/plan"
)

// namespaceTypes are the types of the spec, each with its CLONE_NEW* flag and
// its name in /proc/PID/ns.
var namespaceTypes = [...]struct {
	name specs.LinuxNamespaceType
	flag uint64
	file string
}{
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP, "cgroup"}, {specs.IPCNamespace, unix.CLONE_NEWIPC, "ipc"},
	{specs.MountNamespace, unix.CLONE_NEWNS, "mnt"}, {specs.NetworkNamespace, unix.CLONE_NEWNET, "net"},
	{specs.PIDNamespace, unix.CLONE_NEWPID, "pid"}, {specs.TimeNamespace, unix.CLONE_NEWTIME, "time"},
	{specs.UserNamespace, unix.CLONE_NEWUSER, "user"}, {specs.UTSNamespace, unix.CLONE_NEWUTS, "uts"},
}

// namespaceFlag is the CLONE_NEW* flag of a type; 0 if the spec has none such.
func namespaceFlag(t specs.LinuxNamespaceType) uint64 {
	for i := range namespaceTypes {
		if namespaceTypes[i].name == t {
			return namespaceTypes[i].flag
		}
	}
	return 0
}

// namespaceFile is the name of a type in /proc/PID/ns.
func namespaceFile(t specs.LinuxNamespaceType) string {
	for i := range namespaceTypes {
		if namespaceTypes[i].name == t {
			return namespaceTypes[i].file
		}
	}
	return ""
}

// namespaces is how the container's namespaces come about.
type namespaces struct {
	all    uint64 // CLONE_NEW* flags of those config.json names
	fresh  uint64 // ... of the new ones
	joined []join // ... of those with a path
	users  join   // the user namespace that the runtime makes, if it does

	made    uint64 // new ones the runtime makes
	atClone uint64 // new ones that clone(2) makes
	after   uint64 // new ones the executor unshares, the cgroup namespace aside
	fork    bool   // a pid or time namespace takes effect only in a further process
}

type join struct {
	at   plan.Pointer
	flag uint64
	slot plan.Slot
}

// named are the namespaces that config.json names. The runtime's own user
// namespace is not among them: setns(2) wants another.
func named(l *specs.Linux, host *Host) (n namespaces) {
	for _, ns := range l.Namespaces {
		flag := namespaceFlag(ns.Type)
		if flag == unix.CLONE_NEWUSER && host.OwnUsers {
			continue
		}
		n.all |= flag
		if ns.Path == "" {
			n.fresh |= flag
		}
	}
	return n
}

// readNamespaces adds the inputs of the joined ones and decides who makes the
// new ones. Normally clone(2) makes all at once. Two cases differ. A user
// namespace, new or joined, must own the others, and the executor must be there
// first, outside of it: only there it may join namespaces of the host. A new one
// is made and mapped by then. And a new time or joined pid namespace is entered by
// the next process only. A new network namespace takes longer than all others: it
// is made meanwhile, and entered where it is needed.
func readNamespaces(b *plan.Builder, spec *specs.Spec, host *Host, newSysfs bool) namespaces {
	n := named(spec.Linux, host)
	for i, ns := range spec.Linux.Namespaces {
		flag := namespaceFlag(ns.Type)
		if !n.joins(flag) {
			continue
		}
		at := plan.At("/linux/namespaces").Index(i).Field("path")
		in := plan.Input{At: at, Kind: plan.KindNamespace, Path: ns.Path}
		if host.Joined != nil {
			in.FD = host.Joined[i]
		}
		slot := b.Input(in)
		n.joined = append(n.joined, join{at, flag, slot})
	}
	n.atClone = n.fresh &^ (unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME)
	if n.all&unix.CLONE_NEWUSER != 0 {
		n.atClone = 0
	}
	n.made = madeFlags(spec.Linux)
	n.atClone &^= n.made
	if newSysfs {
		// With it a super block is made, of mqueue, which would wait for that of sysfs.
		n.atClone &^= unix.CLONE_NEWIPC
	}
	joined := n.all &^ n.fresh
	n.fork = joined&unix.CLONE_NEWPID != 0 || n.fresh&unix.CLONE_NEWTIME != 0 ||
		n.fresh&unix.CLONE_NEWPID != 0 && n.atClone&unix.CLONE_NEWPID == 0
	if n.fork {
		n.atClone &^= unix.CLONE_NEWPID
	}
	n.after = n.fresh &^ n.made &^ n.atClone &^ unix.CLONE_NEWCGROUP
	return n
}

// compileUsers adds the input of the user namespace the runtime makes.
func (n *namespaces) compileUsers(b *plan.Builder, spec *specs.Spec) {
	if n.made&unix.CLONE_NEWUSER != 0 {
		at := namespaceAt(spec, unix.CLONE_NEWUSER)
		n.users = join{at, unix.CLONE_NEWUSER, b.Input(plan.Input{At: at, Kind: plan.KindUsers, Path: usersMap(spec.Linux).String()})}
	}
}

// compileJoins enters the namespaces with a path. With privilege, the user
// namespace last: in it the privilege would not do for a network namespace of
// the host. Without, it comes first: only in it there is any (security.md I3).
func (n *namespaces) compileJoins(b *plan.Builder, spec *specs.Spec, privileged bool) {
	for _, last := range [...]bool{privileged, !privileged} {
		for _, j := range n.joined {
			if (j.flag == unix.CLONE_NEWUSER) != last {
				b.Setns(j.at, j.slot, j.flag)
				b.Close(j.at, j.slot)
				if j.flag == unix.CLONE_NEWUTS && n.namesAtJoin() {
					compileNames(b, spec)
				}
			}
		}
	}
}

// namesAtJoin reports whether hostname and domainname are set as soon as their
// namespace is entered: a user namespace has no right to those of another's.
func (n *namespaces) namesAtJoin() bool {
	return n.all&unix.CLONE_NEWUSER != 0 && n.joins(unix.CLONE_NEWUTS)
}

// joins reports whether the container enters an existing namespace of flag.
func (n *namespaces) joins(flag uint64) bool { return (n.all&^n.fresh)&flag != 0 }

// openTimeOffsets opens, for each clock, the file that sets it for the next
// process. Before a user namespace is entered: there the file is another user's,
// while the right to write it is its opener's.
func openTimeOffsets(b *plan.Builder, offsets map[string]specs.LinuxTimeOffset) (files []plan.Slot) {
	for _, clock := range sortedKeys(offsets) {
		fd := b.Slot()
		b.Openat2(plan.At("/linux/timeOffsets").Field(clock), plan.Cwd, "/proc/self/timens_offsets", unix.O_WRONLY|unix.O_CLOEXEC, 0, 0, fd)
		files = append(files, fd)
	}
	return files
}

// compileTimeOffsets sets the clocks of the new time namespace, before any
// process is in it.
func compileTimeOffsets(b *plan.Builder, files []plan.Slot, offsets map[string]specs.LinuxTimeOffset) {
	for i, clock := range sortedKeys(offsets) {
		at := plan.At("/linux/timeOffsets").Field(clock)
		b.Write(at, files[i], []byte(clock+" "+itoa(offsets[clock].Secs)+" "+itoa(int64(offsets[clock].Nanosecs))+"\n"))
		b.Done(at, files[i])
	}
}

// compileLoopback brings up lo of a new network namespace.
func compileLoopback(b *plan.Builder, at plan.Pointer) {
	socket := b.Slot()
	b.Socket(at, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, socket)
	b.Ioctl(at, socket, unix.SIOCSIFFLAGS, nsenter.LoopbackUp[:])
	b.Done(at, socket)
}

// namespaceAt is the pointer to the namespace of one CLONE_NEW* flag.
func namespaceAt(spec *specs.Spec, flag uint64) plan.Pointer {
	at := plan.At("/linux/namespaces")
	if bits.OnesCount64(flag) == 1 {
		for i, ns := range spec.Linux.Namespaces {
			if namespaceFlag(ns.Type) == flag {
				return at.Index(i)
			}
		}
	}
	return at
}
