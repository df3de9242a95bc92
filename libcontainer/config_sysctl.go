// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// validateSysctls allows the sysctls of a namespace the container has.
// Defence against CVE-2022-0811: any other, kernel.core_pattern above all, is
// the host's.
func validateSysctls(l *specs.Linux) error {
	for _, key := range sortedKeys(l.Sysctl) {
		at := document.Field("linux").Field("sysctl").Field(key)
		file, ok := sysctlPath(key)
		if !ok {
			return refuse(at, "not the name of a sysctl")
		}
		if file == "kernel/hostname" {
			return refuse(at, "set by /hostname, not by a sysctl")
		}
		t, ok := sysctlNamespace(file)
		if !ok {
			return refuse(at, "not the sysctl of a namespace")
		}
		if namespaceOf(l, t) == nil {
			return refuse(at, "needs %s %s namespace", article(t), t)
		}
	}
	return nil
}

func article(t specs.LinuxNamespaceType) string {
	if t == specs.IPCNamespace {
		return "an"
	}
	return "a"
}

// sysctlPath is the file below /proc/sys of a sysctl. As in sysctl(8), the
// first separator of its name, a dot or a slash, is the one between all parts,
// and the other stands for a dot inside a part. Each part has letters, digits,
// '_', '-' and '.', and is not "." or "..".
func sysctlPath(key string) (file string, ok bool) {
	file = key
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		file = strings.Map(func(r rune) rune {
			switch r {
			case '.':
				return '/'
			case '/':
				return '.'
			}
			return r
		}, key)
	}
	if !strings.Contains(file, "/") {
		return "", false
	}
	for part := range strings.SplitSeq(file, "/") {
		wrong := func(r rune) bool { return !isAlnum(r) && r != '_' && r != '-' && r != '.' }
		if part == "" || part == "." || part == ".." || strings.IndexFunc(part, wrong) >= 0 {
			return "", false
		}
	}
	return file, true
}

// sysctlNamespace is the type of namespace that has a file of /proc/sys.
func sysctlNamespace(file string) (t specs.LinuxNamespaceType, ok bool) {
	switch file {
	case "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall", "kernel/shmmax",
		"kernel/shmmni", "kernel/shm_rmid_forced":
		return specs.IPCNamespace, true
	case "kernel/domainname":
		return specs.UTSNamespace, true
	}
	switch {
	case strings.HasPrefix(file, "fs/mqueue/"):
		return specs.IPCNamespace, true
	case strings.HasPrefix(file, "net/"):
		return specs.NetworkNamespace, true
	case strings.HasPrefix(file, "user/"):
		return specs.UserNamespace, true
	}
	return "", false
}
