// SPDX-License-Identifier: Apache-2.0

package plan

import "strings"

// Capabilities are the names of capabilities(7) in the order of their
// numbers, without CAP_.
var Capabilities = [...]string{"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"}

// CapabilityList is a set of capabilities, bit n for capability n, by names; ""
// if it is empty.
func CapabilityList(set uint64) string {
	var names []string
	for i, n := range Capabilities {
		if set&(1<<i) != 0 {
			names = append(names, "CAP_"+n)
		}
	}
	return strings.Join(names, " ")
}
