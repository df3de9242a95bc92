// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
	"corten/rootfs"
)

// idMaps are the two maps of a user namespace, HostID being an id of the
// runtime's own. Nil maps are those of a container without one.
type idMaps struct {
	users, groups []specs.LinuxIDMapping
}

// groupsAnnotation asks, by "1", that the payload keeps the caller's
// supplementary groups, which may let a rootless container in where no id of
// its own does. Then additionalGids are not set.
const groupsAnnotation = "run.oci.keep_original_groups"

func keepsGroups(spec *specs.Spec) bool { return spec.Annotations[groupsAnnotation] == "1" }

func validateGroupsAnnotation(annotations map[string]string) error {
	switch value := annotations[groupsAnnotation]; value {
	case "", "0", "1":
		return nil
	default:
		return refuse(plan.At("/annotations").Field(groupsAnnotation), "want 0 or 1, got %q", value)
	}
}

// leaveGroups gives up the caller's groups before a user namespace is joined
// which may deny setgroups(2). DEFENCE (CVE-2022-36109).
func leaveGroups(b *plan.Builder, host *Host, spec *specs.Spec) {
	if !keepsGroups(spec) && host.may(unix.CAP_SETGID) {
		b.Setgroups(plan.At("/process/user/additionalGids"), []byte{})
	}
}

// mayGroup reports whether setgroups(2) is there to drop groups with: not in a
// user namespace that an unprivileged runtime maps itself (see writeMaps), and not
// needed in a joined one (see leaveGroups).
func (n *namespaces) mayGroup(host *Host, groups []specs.LinuxIDMapping) bool {
	if n.all&unix.CLONE_NEWUSER == 0 {
		return true
	}
	return n.fresh&unix.CLONE_NEWUSER != 0 && (host.EUID == 0 || !isOwn(rootfs.IDMapText(groups), host.EGID))
}

// becomeRoot makes the executor the user namespace's root, who owns what is
// mounted and made from here on (I4); where there is none, the payload's user.
func becomeRoot(b *plan.Builder, spec *specs.Spec) {
	uid, gid := uint64(0), uint64(0)
	if ids := spec.Linux.UIDMappings; len(ids) > 0 && !mapped(0, ids) {
		uid = uint64(spec.Process.User.UID)
	}
	if ids := spec.Linux.GIDMappings; len(ids) > 0 && !mapped(0, ids) {
		gid = uint64(spec.Process.User.GID)
	}
	b.Setresgid(plan.At("/linux/gidMappings"), gid)
	b.Setresuid(plan.At("/linux/uidMappings"), uid)
}

// maps are those config.json gives the container's own user namespace.
func (n *namespaces) maps(l *specs.Linux) idMaps {
	if n.all&unix.CLONE_NEWUSER == 0 {
		return idMaps{}
	}
	return idMaps{l.UIDMappings, l.GIDMappings}
}

// readMap reads a map of the process whose directory proc is.
func readMap(proc, file string) (ids []specs.LinuxIDMapping, err error) {
	text, err := os.ReadFile(proc + file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		var n [3]uint32
		words := strings.Fields(line)
		for i := range n {
			if len(words) != len(n) {
				return nil, &os.PathError{Op: "read", Path: proc + file, Err: unix.EINVAL}
			}
			id, err := strconv.ParseUint(words[i], 10, 32)
			if err != nil {
				return nil, err
			}
			n[i] = uint32(id)
		}
		ids = append(ids, specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]})
	}
	return ids, nil
}

// sameMap reports whether two valid maps map the same ids, however they are cut
// into ranges.
func sameMap(a, b []specs.LinuxIDMapping) bool { return slices.Equal(wholeRanges(a), wholeRanges(b)) }

func wholeRanges(ids []specs.LinuxIDMapping) []specs.LinuxIDMapping {
	sorted := slices.SortedFunc(slices.Values(ids), func(a, b specs.LinuxIDMapping) int { return cmp.Compare(a.ContainerID, b.ContainerID) })
	whole := sorted[:0]
	for _, m := range sorted {
		if n := len(whole) - 1; n >= 0 && whole[n].ContainerID+whole[n].Size == m.ContainerID && whole[n].HostID+whole[n].Size == m.HostID {
			whole[n].Size += m.Size
			continue
		}
		whole = append(whole, m)
	}
	return whole
}

// writeMaps gives the new user namespace of a process its maps, at are their
// pointers. An unprivileged runtime can map its own id alone; all else is for
// newuidmap(1) and newgidmap(1), which know the ranges that /etc/subuid and
// /etc/subgid give it.
func writeMaps(pid int, at [2]plan.Pointer, uids, gids string) error {
	proc, privileged := "/proc/"+strconv.Itoa(pid)+"/", os.Geteuid() == 0
	for _, m := range [...]struct {
		at                 plan.Pointer
		file, text, mapper string
		own                int
	}{
		{at[1], "gid_map", gids, "/usr/bin/newgidmap", os.Getegid()},
		{at[0], "uid_map", uids, "/usr/bin/newuidmap", os.Geteuid()},
	} {
		if !privileged && !isOwn(m.text, m.own) {
			if err := runMapper(m.mapper, pid, m.text); err != nil {
				return &plan.Error{At: m.at, Op: m.mapper, Err: err, Hint: mapperHint(err)}
			}
			continue
		}
		if !privileged && m.file == "gid_map" {
			// DEFENCE (CVE-2014-8989): the one who maps only himself may not keep
			// setgroups(2): leaving a group can gain access.
			if err := writeFile(proc+"setgroups", "deny"); err != nil {
				return &plan.Error{At: m.at, Op: "write setgroups deny", Err: err}
			}
		}
		if err := writeFile(proc+m.file, m.text); err != nil {
			return &plan.Error{At: m.at, Op: "write " + m.file + " " + strconv.Quote(clip(m.text)), Err: err, Hint: mapHint(err)}
		}
	}
	return nil
}

// isOwn reports whether a map is of one id, the caller's.
func isOwn(text string, own int) bool {
	words := strings.Fields(text)
	return len(words) == 3 && words[1] == strconv.Itoa(own) && words[2] == "1"
}

func mapHint(err error) string {
	if err == unix.EPERM {
		return "without CAP_SETUID and CAP_SETGID over these ids only the caller's own can be mapped"
	}
	return ""
}

// readMaps reads the maps of the process whose directory proc is.
func readMaps(proc string) (maps idMaps, err error) {
	if maps.users, err = readMap(proc, "uid_map"); err == nil {
		maps.groups, err = readMap(proc, "gid_map")
	}
	if err != nil {
		err = &plan.Error{At: plan.At("/linux/namespaces"), Op: "read the id maps", Err: err}
	}
	return maps, err
}

// checkUsers compares the maps of the joined user namespace, which the executor
// is in, with what config.json says of them.
func (s *spawn) checkUsers(proc string) error {
	found, err := readMaps(proc)
	if err != nil {
		return err
	}
	wanted := s.compiled.maps
	s.compiled.maps = found
	for _, m := range [...]struct {
		name        string
		want, found []specs.LinuxIDMapping
	}{{"uidMappings", wanted.users, found.users}, {"gidMappings", wanted.groups, found.groups}} {
		if len(m.want) > 0 && !sameMap(m.want, m.found) {
			text := strings.ReplaceAll(strings.TrimSpace(rootfs.IDMapText(m.found)), "\n", ", ")
			return refuse(plan.At("/linux").Field(m.name), "the user namespace that is joined has other mappings: %s", clip(text))
		}
	}
	return validateMapped(s.process.User, &found)
}

// knowMaps finds the maps of a running container's user namespace, whose first
// process is pid, and refuses to run a process as somebody they do not map.
func (c *Compiled) knowMaps(config *Config, host *Host, pid int, process *specs.Process) (err error) {
	if n := named(config.Linux, host); n.joins(unix.CLONE_NEWUSER) {
		if c.maps, err = readMaps("/proc/" + strconv.Itoa(pid) + "/"); err != nil {
			return err
		}
	}
	return validateMapped(process.User, &c.maps)
}
