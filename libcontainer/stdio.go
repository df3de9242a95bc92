// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// giveStdio makes the payload's user the owner of what 0, 1 and 2 are, so that
// it can open /dev/stdout. Pipes, files, sockets and terminals, never another
// device: the host's /dev/null would be the user's then (CVE-2026-88265).
// Without the right to, things stay as they are, as with runc.
func giveStdio(user *specs.User, mappings []specs.LinuxIDMapping) {
	uid, ok := hostID(user.UID, mappings)
	if !ok {
		return
	}
	for fd := range 3 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Uid == uid {
			continue
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFCHR:
			if major := unix.Major(st.Rdev); major < 136 || major > 143 { // Unix98 ptys, devices.txt
				continue
			}
		case unix.S_IFIFO, unix.S_IFREG, unix.S_IFSOCK:
		default:
			continue
		}
		_ = unix.Fchown(fd, int(uid), -1)
	}
}

// hostID is the host's number of an id in the container.
func hostID(id uint32, mappings []specs.LinuxIDMapping) (uint32, bool) {
	if len(mappings) == 0 {
		return id, true
	}
	for _, m := range mappings {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return m.HostID + (id - m.ContainerID), true
		}
	}
	return 0, false
}
