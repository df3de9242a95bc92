// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"cmp"
	"os"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
	"corten/rootfs"
	"corten/seccomp"
)

// validateLinux checks the linux section, and what else needs a namespace.
func validateLinux(s *specs.Spec) error {
	l := s.Linux
	if l == nil {
		l = new(specs.Linux)
	}
	if err := validateNamespaces(l.Namespaces); err != nil {
		return err
	}
	uts := namespaceOf(l, specs.UTSNamespace) != nil
	if err := validateName(document.Field("hostname"), s.Hostname, uts); err != nil {
		return err
	}
	if err := validateName(document.Field("domainname"), s.Domainname, uts); err != nil {
		return err
	}
	if err := validateMappings(l); err != nil {
		return err
	}
	if s.Process != nil {
		if err := validateMapped(s.Process.User, &idMaps{l.UIDMappings, l.GIDMappings}); err != nil {
			return err
		}
	}
	if err := validateTimeOffsets(l); err != nil {
		return err
	}
	if err := validateSysctls(l); err != nil {
		return err
	}
	if err := validateNetDevices(l); err != nil {
		return err
	}
	if err := validateIntelRdt(l.IntelRdt); err != nil {
		return err
	}
	at := document.Field("linux")
	if err := validateMemoryPolicy(at.Field("memoryPolicy"), l.MemoryPolicy); err != nil {
		return err
	}
	if err := validatePersonality(at.Field("personality"), l.Personality); err != nil {
		return err
	}
	for i := range l.Devices {
		if err := validateDevice(at.Field("devices").Index(i), &l.Devices[i]); err != nil {
			return err
		}
	}
	if l.Resources != nil {
		rules := at.Field("resources").Field("devices")
		for i, d := range l.Resources.Devices {
			if err := validateDeviceRule(rules.Index(i), d); err != nil {
				return err
			}
		}
	}
	if err := validatePaths(l, "maskedPaths", l.MaskedPaths); err != nil {
		return err
	}
	if err := validatePaths(l, "readonlyPaths", l.ReadonlyPaths); err != nil {
		return err
	}
	switch l.RootfsPropagation {
	case "", "shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable":
	default:
		return refuse(at.Field("rootfsPropagation"), "want shared, slave, private or unbindable, got %q",
			clip(l.RootfsPropagation))
	}
	if l.Seccomp == nil {
		return nil
	}
	return seccomp.Validate(at.Field("seccomp"), l.Seccomp)
}

// validateName wants a name that sethostname(2) takes, and a namespace for it.
func validateName(at plan.Pointer, name string, uts bool) error {
	if name != "" && !uts {
		return refuse(at, "needs a uts namespace")
	}
	if len(name) > 64 {
		return refuse(at, "want at most 64 bytes, got %d", len(name))
	}
	return nil
}

// namespaceOf is the entry of l for a type of namespace; nil if it is the
// runtime's own.
func namespaceOf(l *specs.Linux, t specs.LinuxNamespaceType) *specs.LinuxNamespace {
	for i := range l.Namespaces {
		if l.Namespaces[i].Type == t {
			return &l.Namespaces[i]
		}
	}
	return nil
}

func validateNamespaces(list []specs.LinuxNamespace) error {
	all := document.Field("linux").Field("namespaces")
	for i, n := range list {
		at := all.Index(i)
		if namespaceFlag(n.Type) == 0 {
			return refuse(at.Field("type"), "unknown namespace %q", clip(string(n.Type)))
		}
		if slices.ContainsFunc(list[:i], func(o specs.LinuxNamespace) bool { return o.Type == n.Type }) {
			return refuse(at.Field("type"), "%s occurs twice", n.Type)
		}
		if n.Path != "" && !path.IsAbs(n.Path) {
			return refuse(at.Field("path"), "want an absolute path, got %q", clip(n.Path))
		}
	}
	return nil
}

// validateMappings checks those of the user namespace. With one joined by path
// they must agree with what it has; that is for who has opened it to see.
func validateMappings(l *specs.Linux) error {
	user := namespaceOf(l, specs.UserNamespace)
	for _, m := range [...]struct {
		name string
		ids  []specs.LinuxIDMapping
	}{{"uidMappings", l.UIDMappings}, {"gidMappings", l.GIDMappings}} {
		at := document.Field("linux").Field(m.name)
		if user == nil && len(m.ids) > 0 {
			return refuse(at, "needs a user namespace")
		}
		if user != nil && user.Path == "" && len(m.ids) == 0 {
			return refuse(at, "a new user namespace needs mappings")
		}
		if err := validateIDs(at, m.ids); err != nil {
			return err
		}
	}
	return nil
}

// validateIDs wants what user_namespaces(7) does: up to 340 ranges that do not
// overlap on either side.
func validateIDs(at plan.Pointer, ids []specs.LinuxIDMapping) error {
	if len(ids) > 340 {
		return refuse(at, "the kernel takes 340 mappings, got %d", len(ids))
	}
	for i, m := range ids {
		at := at.Index(i)
		if m.Size == 0 {
			return refuse(at.Field("size"), "must not be 0")
		}
		if m.ContainerID > maxUint32-m.Size || m.HostID > maxUint32-m.Size {
			return refuse(at.Field("size"), "ends beyond the last id, 4294967294")
		}
		for j, o := range ids[:i] {
			if overlap(m.ContainerID, m.Size, o.ContainerID, o.Size) {
				return refuse(at.Field("containerID"), "overlaps mapping %d", j)
			}
			if overlap(m.HostID, m.Size, o.HostID, o.Size) {
				return refuse(at.Field("hostID"), "overlaps mapping %d", j)
			}
		}
	}
	// user_namespaces(7): one write of less than a page.
	if len(ids) > 100 && len(rootfs.IDMapText(ids)) >= os.Getpagesize() {
		return refuse(at, "as text %d bytes, of which the kernel takes less than %d", len(rootfs.IDMapText(ids)), os.Getpagesize())
	}
	return nil
}

// overlap reports whether two ranges, none of which wraps, have an id in common.
func overlap(a, sizeA, b, sizeB uint32) bool { return a < b+sizeB && b < a+sizeA }

// validateMapped wants the process's user and groups to exist in its user
// namespace: setresuid(2) has only EINVAL to say about it.
func validateMapped(u specs.User, maps *idMaps) error {
	at := document.Field("process").Field("user")
	if len(maps.users) > 0 && !mapped(u.UID, maps.users) {
		return refuse(at.Field("uid"), "%d has no mapping in /linux/uidMappings", u.UID)
	}
	if len(maps.groups) == 0 {
		return nil
	}
	if !mapped(u.GID, maps.groups) {
		return refuse(at.Field("gid"), "%d has no mapping in /linux/gidMappings", u.GID)
	}
	for i, gid := range u.AdditionalGids {
		if !mapped(gid, maps.groups) {
			return refuse(at.Field("additionalGids").Index(i), "%d has no mapping in /linux/gidMappings", gid)
		}
	}
	return nil
}

func mapped(id uint32, ids []specs.LinuxIDMapping) bool {
	return slices.ContainsFunc(ids, func(m specs.LinuxIDMapping) bool {
		return id >= m.ContainerID && id-m.ContainerID < m.Size
	})
}

const maxClock = (1<<63 - 1) / 1_000_000_000 / 2

func validateTimeOffsets(l *specs.Linux) error {
	at := document.Field("linux").Field("timeOffsets")
	if len(l.TimeOffsets) == 0 {
		return nil
	}
	// time_namespaces(7): they are fixed once the namespace has a process.
	if ns := namespaceOf(l, specs.TimeNamespace); ns == nil || ns.Path != "" {
		return refuse(at, "needs a new time namespace")
	}
	for _, clock := range sortedKeys(l.TimeOffsets) {
		if clock != "monotonic" && clock != "boottime" {
			return refuse(at.Field(clock), "unknown clock, want monotonic or boottime")
		}
		// Half of KTIME_SEC_MAX, the furthest a clock can be; that it stays above
		// 0 is for the kernel to see.
		if n := l.TimeOffsets[clock].Secs; n > maxClock || n < -maxClock {
			return refuse(at.Field(clock).Field("secs"), "want -%d to %d, got %d", maxClock, maxClock, n)
		}
		if n := l.TimeOffsets[clock].Nanosecs; n >= 1e9 {
			return refuse(at.Field(clock).Field("nanosecs"), "want 0 to 999999999, got %d", n)
		}
	}
	return nil
}

// sortedKeys are m's keys in an order that does not change.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func validateDevice(at plan.Pointer, d *specs.LinuxDevice) error {
	if !path.IsAbs(d.Path) {
		return refuse(at.Field("path"), "want an absolute path, got %q", clip(d.Path))
	}
	switch d.Type {
	case "c", "b", "u":
		// mknod(2) has 12 bits for the major and 20 for the minor number.
		if d.Major < 0 || d.Major >= 1<<12 {
			return refuse(at.Field("major"), "want 0 to 4095, got %d", d.Major)
		}
		if d.Minor < 0 || d.Minor >= 1<<20 {
			return refuse(at.Field("minor"), "want 0 to 1048575, got %d", d.Minor)
		}
	case "p":
	default:
		return refuse(at.Field("type"), "want c, b, u or p, got %q", clip(d.Type))
	}
	// Some engines leave the file's type in.
	if d.FileMode != nil && *d.FileMode > 0o177777 {
		return refuse(at.Field("fileMode"), "want 0 to 65535, got %d", *d.FileMode)
	}
	return nil
}

func validateDeviceRule(at plan.Pointer, d specs.LinuxDeviceCgroup) error {
	switch d.Type {
	case "", "a", "b", "c":
	default:
		return refuse(at.Field("type"), "want a, b or c, got %q", clip(d.Type))
	}
	if strings.Trim(d.Access, "rwm") != "" {
		return refuse(at.Field("access"), "want letters of rwm, got %q", clip(d.Access))
	}
	// -1 is any number.
	if d.Major != nil && (*d.Major < -1 || *d.Major > maxUint32) {
		return refuse(at.Field("major"), "want -1 to %d, got %d", int64(maxUint32), *d.Major)
	}
	if d.Minor != nil && (*d.Minor < -1 || *d.Minor > maxUint32) {
		return refuse(at.Field("minor"), "want -1 to %d, got %d", int64(maxUint32), *d.Minor)
	}
	return nil
}

// validatePaths checks maskedPaths or readonlyPaths. Without a mount namespace
// they would be the host's.
func validatePaths(l *specs.Linux, name string, paths []string) error {
	at := document.Field("linux").Field(name)
	if len(paths) > 0 && namespaceOf(l, specs.MountNamespace) == nil {
		return refuse(at, "needs a mount namespace")
	}
	for i, p := range paths {
		if !path.IsAbs(p) {
			return refuse(at.Index(i), "want an absolute path, got %q", clip(p))
		}
	}
	return nil
}
