// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// symbol is a flag or a value with the kernel's name.
type symbol struct {
	value uint64
	name  string
}

// symbols are the names of an op's numbers, by argument. A first symbol of
// value 0 names zero.
func symbols() map[Op]map[int][]symbol {
	return map[Op]map[int][]symbol{
		OpSetns:          {1: cloneFlags},
		OpUnshare:        {0: cloneFlags},
		OpMount:          {1: mountFlags},
		OpOpenTree:       {2: {{0, "0"}, {unix.OPEN_TREE_CLONE, "OPEN_TREE_CLONE"}, {unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"}, {unix.AT_RECURSIVE, "AT_RECURSIVE"}, {unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"}, {unix.OPEN_TREE_CLOEXEC, "OPEN_TREE_CLOEXEC"}}},
		OpFsmount:        {1: mountAttributes},
		OpMountSetattr:   {1: {{0, "0"}, {unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"}, {unix.AT_RECURSIVE, "AT_RECURSIVE"}}, 2: mountAttributes, 3: mountAttributes, 4: mountFlags},
		OpUmount2:        {1: {{0, "0"}, {unix.MNT_DETACH, "MNT_DETACH"}}},
		OpOpenat2:        {2: openFlags, 4: {{0, "0"}, {unix.RESOLVE_IN_ROOT, "IN_ROOT"}, {unix.RESOLVE_NO_MAGICLINKS, "NO_MAGICLINKS"}, {unix.RESOLVE_NO_SYMLINKS, "NO_SYMLINKS"}, {unix.RESOLVE_BENEATH, "BENEATH"}, {unix.RESOLVE_NO_XDEV, "NO_XDEV"}}},
		OpTargetFor:      {3: {{0, "0"}, {TargetNoFollow, "NOFOLLOW"}}},
		OpCopyAttributes: {2: {{CopyMode, "MODE"}, {CopyOwner, "OWNER"}}},
		OpUnlinkat:       {2: {{0, "0"}, {unix.AT_REMOVEDIR, "AT_REMOVEDIR"}}},
	}
}

// values are the names of an op's numbers that are no masks.
func values() map[Op]map[int][]symbol {
	return map[Op]map[int][]symbol{
		OpFsconfig:    {1: {{unix.FSCONFIG_SET_FLAG, "SET_FLAG"}, {unix.FSCONFIG_SET_STRING, "SET_STRING"}, {unix.FSCONFIG_CMD_CREATE, "CREATE"}}},
		OpPrctl:       {0: {{unix.PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG"}, {unix.PR_SET_DUMPABLE, "PR_SET_DUMPABLE"}, {unix.PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS"}}},
		OpIoctl:       {1: {{unix.TIOCSPTLCK, "TIOCSPTLCK"}, {unix.TIOCSWINSZ, "TIOCSWINSZ"}, {unix.SIOCSIFFLAGS, "SIOCSIFFLAGS"}}},
		OpSocket:      {0: {{unix.AF_INET, "AF_INET"}, {unix.AF_UNIX, "AF_UNIX"}}, 1: {{unix.SOCK_DGRAM | unix.SOCK_CLOEXEC, "SOCK_DGRAM|SOCK_CLOEXEC"}}},
		OpPrlimit:     {0: rlimitNames, 1: {{unix.RLIM_INFINITY, "unlimited"}}, 2: {{unix.RLIM_INFINITY, "unlimited"}}},
		OpPersonality: {0: {{0, "PER_LINUX"}, {8, "PER_LINUX32"}}},
		OpBarrier:     {0: {{0, "wait"}, {1, "report"}}},
	}
}

// octal are the arguments that are modes.
func octal() map[Op]map[int]bool {
	return map[Op]map[int]bool{
		OpOpenat2: {3: true}, OpTarget: {2: true}, OpMkdirat: {2: true}, OpUmask: {0: true},
	}
}

// hex are the arguments that are sets or packed numbers.
func hex() map[Op]map[int]bool {
	return map[Op]map[int]bool{
		OpSeccomp: {0: true}, OpSeccompListen: {0: true}, OpIoctlTiocgptpeer: {1: true},
	}
}

var cloneFlags = []symbol{{unix.CLONE_NEWUSER, "CLONE_NEWUSER"}, {unix.CLONE_NEWNS, "CLONE_NEWNS"}, {unix.CLONE_NEWPID, "CLONE_NEWPID"},
	{unix.CLONE_NEWNET, "CLONE_NEWNET"}, {unix.CLONE_NEWIPC, "CLONE_NEWIPC"}, {unix.CLONE_NEWUTS, "CLONE_NEWUTS"},
	{unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"}, {unix.CLONE_NEWTIME, "CLONE_NEWTIME"}}

var mountFlags = []symbol{{0, "0"}, {unix.MS_REC, "MS_REC"}, {unix.MS_PRIVATE, "MS_PRIVATE"}, {unix.MS_SLAVE, "MS_SLAVE"},
	{unix.MS_SHARED, "MS_SHARED"}, {unix.MS_UNBINDABLE, "MS_UNBINDABLE"}}

var mountAttributes = []symbol{{0, "0"}, {unix.MOUNT_ATTR_RDONLY, "RDONLY"}, {unix.MOUNT_ATTR_NOSUID, "NOSUID"}, {unix.MOUNT_ATTR_NODEV, "NODEV"},
	{unix.MOUNT_ATTR_NOEXEC, "NOEXEC"}, {unix.MOUNT_ATTR__ATIME, "ATIME_MASK"}, {unix.MOUNT_ATTR_NOATIME, "NOATIME"},
	{unix.MOUNT_ATTR_STRICTATIME, "STRICTATIME"}, {unix.MOUNT_ATTR_NODIRATIME, "NODIRATIME"}, {unix.MOUNT_ATTR_NOSYMFOLLOW, "NOSYMFOLLOW"}}

var openFlags = []symbol{{0, "O_RDONLY"}, {unix.O_WRONLY, "O_WRONLY"}, {unix.O_RDWR, "O_RDWR"}, {unix.O_PATH, "O_PATH"}, {unix.O_DIRECTORY, "O_DIRECTORY"},
	{unix.O_NOFOLLOW, "O_NOFOLLOW"}, {unix.O_CLOEXEC, "O_CLOEXEC"}, {unix.O_NOCTTY, "O_NOCTTY"}, {unix.O_CREAT, "O_CREAT"}, {unix.O_EXCL, "O_EXCL"}}

var rlimitNames = []symbol{{unix.RLIMIT_CPU, "CPU"}, {unix.RLIMIT_FSIZE, "FSIZE"}, {unix.RLIMIT_DATA, "DATA"}, {unix.RLIMIT_STACK, "STACK"},
	{unix.RLIMIT_CORE, "CORE"}, {unix.RLIMIT_RSS, "RSS"}, {unix.RLIMIT_NPROC, "NPROC"}, {unix.RLIMIT_NOFILE, "NOFILE"}, {unix.RLIMIT_MEMLOCK, "MEMLOCK"},
	{unix.RLIMIT_AS, "AS"}, {unix.RLIMIT_LOCKS, "LOCKS"}, {unix.RLIMIT_SIGPENDING, "SIGPENDING"}, {unix.RLIMIT_MSGQUEUE, "MSGQUEUE"},
	{unix.RLIMIT_NICE, "NICE"}, {unix.RLIMIT_RTPRIO, "RTPRIO"}, {unix.RLIMIT_RTTIME, "RTTIME"}}

// names are the maps above, made when the first plan is printed: a start of corten
// that prints none needs none.
var names = sync.OnceValue(func() (n struct {
	symbols, values map[Op]map[int][]symbol
	octal, hex      map[Op]map[int]bool
}) {
	n.symbols, n.values, n.octal, n.hex = symbols(), values(), octal(), hex()
	return n
})

// number prints argument i of op with the names above; what no name covers is
// added in hexadecimal.
func number(op Op, i int, n uint64) string {
	names := names()
	for _, v := range names.values[op][i] {
		if v.value == n {
			return v.name
		}
	}
	if flags := names.symbols[op][i]; flags != nil {
		return flagNames(flags, n)
	}
	switch {
	case names.octal[op][i]:
		return "0" + strconv.FormatUint(n, 8)
	case names.hex[op][i]:
		return "0x" + strconv.FormatUint(n, 16)
	}
	return strconv.FormatUint(n, 10)
}

func flagNames(names []symbol, n uint64) string {
	var parts []string
	for _, s := range names {
		if s.value == 0 && n == 0 {
			return s.name
		}
		if s.value != 0 && n&s.value == s.value {
			parts = append(parts, s.name)
			n &^= s.value
		}
	}
	if n != 0 {
		parts = append(parts, "0x"+strconv.FormatUint(n, 16))
	}
	if parts == nil {
		return "0"
	}
	return strings.Join(parts, "|")
}

// CloneFlags is a set of CLONE_NEW* flags by their names.
func CloneFlags(flags uint64) string { return flagNames(cloneFlags, flags) }

// MountAttributes are the names of MOUNT_ATTR_* flags.
func MountAttributes(flags uint64) string { return flagNames(mountAttributes, flags) }
