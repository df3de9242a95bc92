// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"math/bits"
	"os"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// namespaceFlag is the CLONE_NEW* flag of a namespace type of the spec.
func namespaceFlag(t specs.LinuxNamespaceType) uint64 {
	switch t {
	case specs.PIDNamespace:
		return unix.CLONE_NEWPID
	case specs.NetworkNamespace:
		return unix.CLONE_NEWNET
	case specs.MountNamespace:
		return unix.CLONE_NEWNS
	case specs.IPCNamespace:
		return unix.CLONE_NEWIPC
	case specs.UTSNamespace:
		return unix.CLONE_NEWUTS
	case specs.UserNamespace:
		return unix.CLONE_NEWUSER
	case specs.CgroupNamespace:
		return unix.CLONE_NEWCGROUP
	case specs.TimeNamespace:
		return unix.CLONE_NEWTIME
	}
	panic("libcontainer: namespace type " + string(t) + " was not validated")
}

// namespaces is how the container's namespaces come about.
type namespaces struct {
	all    uint64 // CLONE_NEW* flags of those config.json names
	fresh  uint64 // ... of the new ones
	joined []join // ... of those with a path

	atClone uint64 // new ones that clone(2) makes
	after   uint64 // new ones the executor unshares, the cgroup namespace aside
	fork    bool   // a pid or time namespace takes effect only in a further process
}

type join struct {
	at   plan.Pointer
	flag uint64
	slot plan.Slot
}

// readNamespaces adds the inputs of the joined ones and decides who makes the
// new ones. Normally clone(2) makes all at once. Two cases differ. A user
// namespace, new or joined, must own the others, and the executor must be there
// first: execve in one without id maps loses all capabilities, and only the
// initial user namespace may join namespaces of the host. And a new time or
// joined pid namespace is entered by the next process only.
func readNamespaces(b *plan.Builder, spec *specs.Spec) namespaces {
	var n namespaces
	for i, ns := range spec.Linux.Namespaces {
		flag := namespaceFlag(ns.Type)
		n.all |= flag
		if ns.Path == "" {
			n.fresh |= flag
			continue
		}
		at := plan.At("/linux/namespaces").Index(i).Field("path")
		slot := b.Input(plan.Input{At: at, Kind: plan.KindNamespace, Path: ns.Path, Namespace: flag, Foreign: foreign(spec.Linux, ns.Type)})
		n.joined = append(n.joined, join{at, flag, slot})
	}
	n.atClone = n.fresh &^ (unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME)
	if n.all&unix.CLONE_NEWUSER != 0 {
		n.atClone = 0
	}
	joined := n.all &^ n.fresh
	n.fork = joined&unix.CLONE_NEWPID != 0 || n.fresh&unix.CLONE_NEWTIME != 0 ||
		n.fresh&unix.CLONE_NEWPID != 0 && n.atClone&unix.CLONE_NEWPID == 0
	if n.fork {
		n.atClone &^= unix.CLONE_NEWPID
	}
	n.after = n.fresh &^ n.atClone &^ unix.CLONE_NEWCGROUP
	return n
}

// foreign is the field that wants a namespace of type t that is not the
// host's: what it sets would be the host's; nil if none does.
func foreign(l *specs.Linux, t specs.LinuxNamespaceType) *plan.Pointer {
	for _, key := range sortedKeys(l.Sysctl) {
		file, _ := sysctlPath(key) // validated
		if of, _ := sysctlNamespace(file); of == t {
			return new(plan.At("/linux/sysctl").Field(key))
		}
	}
	if t == specs.NetworkNamespace && len(l.NetDevices) > 0 {
		return new(plan.At("/linux/netDevices"))
	}
	return nil
}

// openNamespace opens a namespace to join, once: what is checked here is what
// setns(2) gets.
func openNamespace(in *plan.Input) (int, error) {
	fd, err := unix.Open(in.Path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := checkNamespace(fd, in); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// nsGetType is NS_GET_NSTYPE (ioctl_ns(2)): the CLONE_NEW* flag of a namespace.
const nsGetType = 0xb703

func checkNamespace(fd int, in *plan.Input) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return os.NewSyscallError("fstatfs", err)
	}
	if fs.Type != unix.NSFS_MAGIC {
		return &plan.Error{At: in.At, Err: errors.New(strconv.Quote(in.Path) + " is not a namespace")}
	}
	is, err := unix.IoctlRetInt(fd, nsGetType)
	if err != nil {
		return &plan.Error{At: in.At, Op: "ioctl NS_GET_NSTYPE " + strconv.Quote(in.Path), Err: err}
	}
	if uint64(is) != in.Namespace {
		return &plan.Error{At: in.At, Err: errors.New(strconv.Quote(in.Path) + " is a namespace of another type: " + plan.CloneFlags(uint64(is)) +
			", not " + plan.CloneFlags(in.Namespace))}
	}
	if in.Foreign == nil {
		return nil
	}
	// DEFENCE (CVE-2022-0811): what a container sets for itself is not the
	// host's, nor the runtime's where that is in a namespace of its own. Of
	// the descriptor, so that the path cannot become another's.
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	for _, host := range [...]string{"self", "1"} {
		var own unix.Stat_t
		err := unix.Stat("/proc/"+host+"/ns/"+namespaceFile(in.Namespace), &own)
		if err == nil && own.Dev == st.Dev && own.Ino == st.Ino {
			return &plan.Error{At: *in.Foreign, Err: errors.New(strconv.Quote(in.Path) + " is the host's: it needs a namespace of the container's own")}
		}
	}
	return nil
}

// namespaceFile is the name in /proc/PID/ns.
func namespaceFile(flag uint64) string {
	switch flag {
	case unix.CLONE_NEWPID:
		return "pid"
	case unix.CLONE_NEWNET:
		return "net"
	case unix.CLONE_NEWNS:
		return "mnt"
	case unix.CLONE_NEWIPC:
		return "ipc"
	case unix.CLONE_NEWUTS:
		return "uts"
	case unix.CLONE_NEWUSER:
		return "user"
	case unix.CLONE_NEWCGROUP:
		return "cgroup"
	}
	return "time"
}

// compileJoins enters the namespaces with a path. All but the user namespace
// first, while the runtime's own privileges hold; in a foreign user namespace
// they would not do for a network namespace of the host.
func (n *namespaces) compileJoins(b *plan.Builder, rootless bool) {
	user := func(j join) bool { return j.flag == unix.CLONE_NEWUSER }
	for _, first := range [...]bool{!rootless, rootless} {
		for _, j := range n.joined {
			if user(j) != first {
				b.Setns(j.at, j.slot, j.flag)
				b.Close(j.at, j.slot)
			}
		}
	}
}

// joins reports whether the container enters an existing namespace of flag.
func (n *namespaces) joins(flag uint64) bool { return (n.all&^n.fresh)&flag != 0 }

// compileTimeOffsets sets the clocks of the new time namespace, before any
// process is in it.
func compileTimeOffsets(b *plan.Builder, offsets map[string]specs.LinuxTimeOffset) {
	at := plan.At("/linux/timeOffsets")
	for _, clock := range sortedKeys(offsets) {
		fd, at := b.Slot(), at.Field(clock)
		b.Openat2(at, plan.Cwd, "/proc/self/timens_offsets", unix.O_WRONLY|unix.O_CLOEXEC, 0, 0, fd)
		b.Write(at, fd, []byte(clock+" "+itoa(offsets[clock].Secs)+" "+itoa(int64(offsets[clock].Nanosecs))+"\n"))
		b.Done(at, fd)
	}
}

// compileLoopback brings up lo of a new network namespace.
func compileLoopback(b *plan.Builder, at plan.Pointer) {
	var request [40]byte // struct ifreq: name, then flags
	copy(request[:], "lo")
	request[unix.IFNAMSIZ] = unix.IFF_UP
	socket := b.Slot()
	b.Socket(at, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, socket)
	b.Ioctl(at, socket, unix.SIOCSIFFLAGS, request[:])
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
