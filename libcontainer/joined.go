// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// openJoined opens the namespaces with a path, each once: what is looked at here
// is what the executor enters (security.md C6). It refuses what is not of its
// type, what would be the host's, and a mount namespace in which the container
// could mount nothing.
func (h *Host) openJoined(l *specs.Linux) (err error) {
	users := -1
	for i, ns := range l.Namespaces {
		if ns.Path == "" {
			continue
		}
		if h.Joined == nil {
			h.Joined = make([]int, len(l.Namespaces))
		}
		at := plan.At("/linux/namespaces").Index(i).Field("path")
		if h.Joined[i], err = openNamespace(at, ns.Path, namespaceFlag(ns.Type)); err != nil {
			return err
		}
		if ns.Type == specs.UserNamespace {
			users = h.Joined[i]
		}
		if wants := setsIn(l, ns.Type); wants != nil {
			if err := checkForeign(*wants, &ns, h.Joined[i]); err != nil {
				return err
			}
		}
	}
	if users >= 0 {
		if h.OwnUsers, err = sameNamespace(users, "/proc/self/ns/user"); err != nil {
			return err
		}
	}
	if h.OwnUsers {
		return checkIdentity(l)
	}
	return h.checkMounts(l, users)
}

// joinedBy finds out what openJoined does of the running container whose first
// process is pid; what its paths name today may be others.
func (h *Host) joinedBy(l *specs.Linux, pid int) error {
	if ns := namespaceOf(l, specs.UserNamespace); ns == nil || ns.Path == "" {
		return nil
	}
	fd, err := openNamespace(plan.At("/linux/namespaces"), "/proc/"+strconv.Itoa(pid)+"/ns/user", unix.CLONE_NEWUSER)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	h.OwnUsers, err = sameNamespace(fd, "/proc/self/ns/user")
	return err
}

// openNamespace opens a namespace and wants it to be of the type flag.
func openNamespace(at plan.Pointer, path string, flag uint64) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &plan.Error{At: at, Op: "open " + strconv.Quote(path), Err: err}
	}
	var fs unix.Statfs_t
	found := 0
	err = os.NewSyscallError("fstatfs", unix.Fstatfs(fd, &fs))
	if err == nil && fs.Type != unix.NSFS_MAGIC {
		err = errors.New(strconv.Quote(path) + " is not a namespace")
	}
	if err == nil {
		found, err = unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
		err = os.NewSyscallError("ioctl NS_GET_NSTYPE", err)
	}
	if err == nil && uint64(found) != flag {
		err = errors.New(strconv.Quote(path) + " is a namespace of another type: " + plan.CloneFlags(uint64(found)) + ", not " + plan.CloneFlags(flag))
	}
	if err != nil {
		unix.Close(fd)
		return -1, &plan.Error{At: at, Err: err}
	}
	return fd, nil
}

// sameNamespace reports whether fd is the namespace that path is a link to. By
// the inode: the initial user namespace's id map, say, is no proof of it.
func sameNamespace(fd int, path string) (bool, error) {
	var is, other unix.Stat_t
	if err := unix.Fstat(fd, &is); err != nil {
		return false, os.NewSyscallError("fstat", err)
	}
	if err := unix.Stat(path, &other); err != nil {
		return false, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return is.Dev == other.Dev && is.Ino == other.Ino, nil
}

// setsIn is the field that sets something in the namespace of type t; nil if none does.
func setsIn(l *specs.Linux, t specs.LinuxNamespaceType) *plan.Pointer {
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

// checkForeign wants the namespace to be neither the host's nor, where that is in
// one of its own, the runtime's. DEFENCE (CVE-2022-0811): what a container sets
// for itself is not theirs.
func checkForeign(at plan.Pointer, ns *specs.LinuxNamespace, fd int) error {
	for _, host := range [...]string{"/proc/self/ns/", "/proc/1/ns/"} {
		if same, err := sameNamespace(fd, host+namespaceFile(ns.Type)); err == nil && same {
			return refuse(at, "%q is the host's: it needs a namespace of the container's own", ns.Path)
		}
	}
	return nil
}

// checkIdentity wants mappings for the runtime's own user namespace to be what
// they are there: every id is itself.
func checkIdentity(l *specs.Linux) error {
	other := func(m specs.LinuxIDMapping) bool { return m.ContainerID != m.HostID }
	at := plan.At("/linux/uidMappings")
	i := slices.IndexFunc(l.UIDMappings, other)
	if i < 0 {
		at, i = plan.At("/linux/gidMappings"), slices.IndexFunc(l.GIDMappings, other)
	}
	if i < 0 {
		return nil
	}
	return refuse(at.Index(i), "the user namespace is the runtime's own, which maps every id to itself")
}

// checkMounts wants a joined mount namespace to belong to the container's user
// namespace.
func (h *Host) checkMounts(l *specs.Linux, users int) error {
	i := slices.IndexFunc(l.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == specs.MountNamespace && ns.Path != "" })
	if i < 0 || namespaceOf(l, specs.UserNamespace) == nil {
		return nil
	}
	if users >= 0 {
		if owner, err := unix.IoctlRetInt(h.Joined[i], unix.NS_GET_USERNS); err == nil {
			defer unix.Close(owner)
			if same, err := sameNamespace(owner, "/proc/self/fd/"+strconv.Itoa(users)); err == nil && same {
				return nil
			}
		}
	}
	return refuse(plan.At("/linux/namespaces").Index(i).Field("path"),
		"this mount namespace belongs to another user namespace than the container's, which could mount nothing in it")
}
