// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// mapping is a user namespace that is there for its id maps only.
type mapping struct {
	key string
	fd  int
}

// idmap sets the mapping of in on its detached mount. Before the clone is
// attached anywhere: nobody sees the mount without its mapping.
func (s *spawn) idmap(tree int, in *plan.Input) error {
	m := in.IDMap
	fd, err := s.userNS(m)
	if err != nil {
		return err
	}
	flags := uint(unix.AT_EMPTY_PATH)
	if m.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(fd)}
	if err := unix.MountSetattr(tree, "", flags, &attr); err != nil {
		return &plan.Error{At: m.At, Op: "mount_setattr " + strconv.Quote(in.Path) + " " + m.String(), Err: err, Hint: idmapHint(tree, err)}
	}
	return nil
}

// userNS is a descriptor of the namespace that has m's maps. One namespace does
// for all mounts with the same maps.
func (s *spawn) userNS(m *plan.IDMap) (int, error) {
	key := m.UserNS + "\x00" + m.UIDs + "\x00" + m.GIDs
	for _, have := range s.mappings {
		if have.key == key {
			return have.fd, nil
		}
	}
	fd, err := openUserNS(m)
	if err == nil {
		s.mappings = append(s.mappings, mapping{key, fd})
	}
	return fd, err
}

func openUserNS(m *plan.IDMap) (int, error) {
	if m.UserNS == "" {
		return newUserNS(m)
	}
	fd, err := unix.Open(m.UserNS, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &plan.Error{At: m.At, Op: "open " + strconv.Quote(m.UserNS), Err: err}
	}
	return fd, nil
}

// newUserNS makes one with the maps of m. It never has a process in it but the one
// that makes it.
func newUserNS(m *plan.IDMap) (int, error) {
	made, err := beginUsers(m.At, [2]plan.Pointer{m.At, m.At}, m, false)
	defer made.Abort()
	if err != nil {
		return -1, err
	}
	fd, err := made.Open()
	if err != nil {
		return -1, &plan.Error{At: m.At, Op: "clone CLONE_NEWUSER", Err: err}
	}
	return fd, nil
}

// idmapHint says why the kernel gives no mapping to a mount.
func idmapHint(tree int, err error) string {
	switch {
	case errors.Is(err, unix.ENOSYS):
		return "an id mapping of a mount needs Linux 5.12"
	case errors.Is(err, unix.EPERM):
		return "an id mapping of a mount needs CAP_SYS_ADMIN in the user namespace that has mounted its file system, and the mount must not have a mapping yet"
	case !errors.Is(err, unix.EINVAL):
		return ""
	}
	var fs unix.Statfs_t
	if unix.Fstatfs(tree, &fs) != nil {
		return ""
	}
	return "this kernel has no id mappings for mounts of " + fileSystem(int64(fs.Type)) + ", or of one below it"
}

// fileSystem names a file system by its magic number (statfs(2)).
func fileSystem(magic int64) string {
	switch magic {
	case unix.TMPFS_MAGIC:
		return "tmpfs (Linux 6.3 has)"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay (Linux 5.19 has)"
	case unix.FUSE_SUPER_MAGIC:
		return "fuse"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.PROC_SUPER_MAGIC:
		return "proc"
	case unix.SYSFS_MAGIC:
		return "sysfs"
	case unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC:
		return "cgroup"
	case unix.DEVPTS_SUPER_MAGIC:
		return "devpts"
	case unix.RAMFS_MAGIC:
		return "ramfs"
	case unix.V9FS_MAGIC:
		return "9p"
	}
	return fmt.Sprintf("the file system with magic number %#x", magic)
}
