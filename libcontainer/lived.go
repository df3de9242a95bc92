// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lived is how old this process is. The kernel tells that exactly to those with
// CAP_NET_ADMIN (its taskstats.rst); others learn for how long the main thread,
// the caller's, has run or waited for a processor (proc_pid_schedstat(5)).
func lived() time.Duration {
	if age, err := taskAge(os.Getpid()); err == nil {
		return age
	}
	text, _ := readHost("/proc/self/schedstat")
	var sum time.Duration
	for i, word := range strings.Fields(string(text)) {
		if n, err := strconv.ParseInt(word, 10, 64); err == nil && i < 2 {
			sum += time.Duration(n)
		}
	}
	return sum
}

// taskAge asks the kernel's taskstats for the time since a process was made.
func taskAge(pid int) (time.Duration, error) {
	n, err := openNetlink(unix.NETLINK_GENERIC)
	if err != nil {
		return 0, err
	}
	defer n.close()
	family, err := n.generic(unix.GENL_ID_CTRL, unix.CTRL_CMD_GETFAMILY, unix.CTRL_ATTR_FAMILY_NAME, []byte(unix.TASKSTATS_GENL_NAME+"\x00"), unix.CTRL_ATTR_FAMILY_ID)
	if err != nil || len(family) < 2 {
		return 0, unix.ENOENT
	}
	ne := binary.NativeEndian
	aggregate, err := n.generic(ne.Uint16(family), unix.TASKSTATS_CMD_GET, unix.TASKSTATS_CMD_ATTR_PID, ne.AppendUint32(nil, uint32(pid)), unix.TASKSTATS_TYPE_AGGR_PID)
	if err != nil {
		return 0, err
	}
	const etime = int(unsafe.Offsetof(unix.Taskstats{}.Ac_etime)) // microseconds
	for kind, stats := range attributes(aggregate) {
		if kind == unix.TASKSTATS_TYPE_STATS && len(stats) >= etime+8 {
			return time.Duration(ne.Uint64(stats[etime:])) * time.Microsecond, nil
		}
	}
	return 0, unix.EBADMSG
}

// generic sends one attribute with a command of generic netlink, and returns one
// of the attributes that come back.
func (n *netlink) generic(family uint16, command uint8, kind uint16, value []byte, want uint16) ([]byte, error) {
	const head = int(unsafe.Sizeof(unix.Genlmsghdr{}))
	body := attribute(make([]byte, head), kind, value)
	body[0], body[1] = command, 1
	replies, err := n.request(family, 0, body)
	if err != nil {
		return nil, err
	}
	for _, r := range replies {
		for kind, value := range attributes(r[min(head, len(r)):]) {
			if kind == want {
				return value, nil
			}
		}
	}
	return nil, unix.ENOENT
}
