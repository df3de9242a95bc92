// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// IDMapText is a list of mappings as /proc/PID/uid_map takes it
// (user_namespaces(7)).
func IDMapText(ids []specs.LinuxIDMapping) string {
	var b []byte
	for _, id := range ids {
		b = appendMapping(b, id)
	}
	return string(b)
}

func appendMapping(b []byte, id specs.LinuxIDMapping) []byte {
	for i, n := range [...]uint32{id.ContainerID, id.HostID, id.Size} {
		b = append(strconv.AppendUint(b, uint64(n), 10), "  \n"[i])
	}
	return b
}

// idmap is the id mapping of mount i: its own mappings, those its option has,
// or the container's; nil if it has none. Own mappings alone ask for one too:
// the option is there to make older runtimes fail (config.md, "mounts").
func (r *Root) idmap(at plan.Pointer, m *specs.Mount, o *options) (*plan.IDMap, error) {
	own := len(m.UIDMappings)+len(m.GIDMappings) > 0
	if !own && o.words&idmap == 0 {
		return nil, nil
	}
	asked := at.Field("uidMappings")
	if i := slices.IndexFunc(m.Options, isIDMap); i >= 0 {
		asked = at.Field("options").Index(i)
	}
	switch {
	case !isBind(m, o):
		return nil, &plan.Error{At: asked, Err: errors.New("only a bind mount can have an id mapping")}
	case o.remount:
		return nil, &plan.Error{At: asked, Err: errors.New("a mount keeps the id mapping it was made with")}
	case own && len(m.UIDMappings) == 0:
		return nil, &plan.Error{At: at.Field("uidMappings"), Err: errors.New("required beside gidMappings")}
	case own && len(m.GIDMappings) == 0:
		return nil, &plan.Error{At: at.Field("gidMappings"), Err: errors.New("required beside uidMappings")}
	case own && o.mapping >= 0:
		return nil, &plan.Error{At: at.Field("options").Index(o.mapping), Err: errors.New("the mount has uidMappings and gidMappings, too")}
	}
	if r.facts.Unprivileged {
		return nil, &plan.Error{At: asked, Err: errors.New("only root can map the ids of a mount"),
			Hint: "it takes CAP_SYS_ADMIN in the user namespace of the file system, which on disks is the host's"}
	}
	out := &plan.IDMap{At: asked, Recursive: o.words&ridmap != 0}
	l := r.spec.Linux
	switch {
	case own:
		out.At, out.UIDs, out.GIDs = at.Field("uidMappings"), IDMapText(m.UIDMappings), IDMapText(m.GIDMappings)
	case o.mapping >= 0:
		return out, r.spelled(out, m.Options[o.mapping])
	case r.facts.UserNSPath != "":
		out.UserNS = r.facts.UserNSPath
	case r.facts.UserNS:
		out.UIDs, out.GIDs = IDMapText(l.UIDMappings), IDMapText(l.GIDMappings)
	default:
		return nil, &plan.Error{At: asked, Err: errors.New("needs uidMappings and gidMappings: the container has no user namespace whose mappings could be taken")}
	}
	return out, nil
}

func isIDMap(text string) bool {
	name, _, _ := strings.Cut(text, "=")
	return name == "idmap" || name == "ridmap"
}

// spelled reads crun's form, idmap=uids=0-1-10#10-11-10;gids=0-100-10: for each
// range the file system's id, the host's and the size. After an @ the second is
// an id of the container's user namespace.
func (r *Root) spelled(out *plan.IDMap, option string) error {
	_, text, _ := strings.Cut(option, "=")
	for part := range strings.SplitSeq(text, ";") {
		name, ranges, _ := strings.Cut(part, "=")
		var to *string
		var base []specs.LinuxIDMapping
		switch name {
		case "uids":
			to, base = &out.UIDs, r.spec.Linux.UIDMappings
		case "gids":
			to, base = &out.GIDs, r.spec.Linux.GIDMappings
		default:
			return &plan.Error{At: out.At, Err: errors.New("want uids= and gids=, parted by a semicolon, got " + strconv.Quote(part))}
		}
		if *to != "" {
			return &plan.Error{At: out.At, Err: errors.New(name + "= is given twice: more ranges come after a #")}
		}
		for one := range strings.SplitSeq(ranges, "#") {
			id, err := mapping(one, base)
			if err != nil {
				return &plan.Error{At: out.At, Err: err}
			}
			*to += string(appendMapping(nil, id))
		}
	}
	if out.UIDs == "" || out.GIDs == "" {
		return &plan.Error{At: out.At, Err: errors.New("needs both uids= and gids=")}
	}
	return nil
}

// mapping reads [@]INNER-OUTER-SIZE.
func mapping(text string, base []specs.LinuxIDMapping) (id specs.LinuxIDMapping, err error) {
	numbers, relative := strings.CutPrefix(text, "@")
	parts := strings.Split(numbers, "-")
	if len(parts) != 3 {
		return id, errors.New("want three numbers, as in 0-1000-1, got " + strconv.Quote(text))
	}
	for i, to := range [...]*uint32{&id.ContainerID, &id.HostID, &id.Size} {
		n, err := strconv.ParseUint(parts[i], 10, 32)
		if err != nil {
			return id, errors.New("want three numbers up to 4294967295, as in 0-1000-1, got " + strconv.Quote(text))
		}
		*to = uint32(n)
	}
	last := ^uint32(0) - id.Size
	if id.Size == 0 || id.ContainerID > last || id.HostID > last {
		return id, errors.New("the range " + strconv.Quote(text) + " is empty, or ends beyond the last id")
	}
	if !relative {
		return id, nil
	}
	for _, b := range base {
		if id.HostID >= b.ContainerID && uint64(id.HostID)+uint64(id.Size) <= uint64(b.ContainerID)+uint64(b.Size) {
			id.HostID += b.HostID - b.ContainerID
			return id, nil
		}
	}
	return id, errors.New("no range of the container's user namespace has all of " + strconv.Quote(text))
}
