// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"path"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// Resctrl is what Compile knows of the host's resctrl file system (the kernel's
// Documentation/filesystems/resctrl.rst), as far as it concerns one container.
type Resctrl struct {
	Mount     string // where it is mounted
	Exists    bool   // the group is there
	Schemata  string // of that group
	Monitored bool   // the container's monitoring group is there
}

// resctrlPlan is what linux.intelRdt comes down to. Paths are below the mount.
type resctrlPlan struct {
	mount string
	make  []resctrlFile // directories
	lines []resctrlFile // values for the group's schemata, each a line of its own
	group string
	kept  bool          // the group outlives the container
	tasks []resctrlFile // who gets the pid
}

// resctrlFile is a path, or a value for one, and the field it comes from.
type resctrlFile struct {
	at   plan.Pointer
	text string
}

// validateIntelRdt checks what the document alone tells. A group is one
// directory, right below the mount.
func validateIntelRdt(rdt *specs.LinuxIntelRdt) error {
	if rdt == nil {
		return nil
	}
	at := document.Field("linux").Field("intelRdt")
	if rdt.ClosID != "" && rdt.ClosID != "/" && !validGroup(rdt.ClosID) {
		return refuse(at.Field("closID"), "want the name of a directory of resctrl, or / for its root, got %q", clip(rdt.ClosID))
	}
	if s := rdt.MemBwSchema; s != "" && (!strings.HasPrefix(s, "MB:") || strings.Contains(s, "\n")) {
		return refuse(at.Field("memBwSchema"), "want one line that begins with MB:, got %q", clip(s))
	}
	for i, s := range rdt.Schemata {
		if s == "" || strings.Contains(s, "\n") {
			return refuse(at.Field("schemata").Index(i), "want one line, got %q", clip(s))
		}
	}
	return nil
}

// validGroup says whether a name can be that of a group: a directory beside
// those the kernel has made.
func validGroup(name string) bool {
	switch name {
	case "", ".", "..", "info", "mon_groups", "mon_data":
		return false
	}
	return len(name) <= 255 && !strings.ContainsAny(name, "/\n\x00")
}

// resctrlGroup is the group of a container, "." for the root of resctrl, and
// its monitoring group, "" without one.
func resctrlGroup(rdt *specs.LinuxIntelRdt, id string) (group, monitor string) {
	switch group = rdt.ClosID; group {
	case "":
		group = id
	case "/":
		group = "."
	}
	if rdt.EnableMonitoring {
		monitor = path.Join(group, "mon_groups", id)
	}
	return group, monitor
}

// compileResctrl follows the rules of config-linux.md, section IntelRdt.
func compileResctrl(spec *specs.Spec, id string, host *Resctrl) (*resctrlPlan, error) {
	rdt := spec.Linux.IntelRdt
	if rdt == nil {
		return nil, nil
	}
	at := plan.At("/linux/intelRdt")
	clos := at.Field("closID")
	group, monitor := resctrlGroup(rdt, id)
	if group != "." && !validGroup(group) {
		return nil, refuse(clos, "resctrl cannot have a group named as the container, %q", id)
	}
	p := &resctrlPlan{mount: host.Mount, group: group, kept: rdt.ClosID != "", tasks: []resctrlFile{{clos, path.Join(group, "tasks")}}}
	schemas := rdt.L3CacheSchema != "" || rdt.MemBwSchema != "" || len(rdt.Schemata) > 0
	switch {
	case !host.Exists && rdt.ClosID != "" && !schemas:
		return nil, &plan.Error{At: clos, Err: errors.New("resctrl has no group " + strconv.Quote(rdt.ClosID)),
			Hint: "without a schema a closID names a group that somebody has configured"}
	case !host.Exists:
		p.make = append(p.make, resctrlFile{clos, group})
	case rdt.ClosID == "":
		return nil, &plan.Error{At: clos, Err: unix.EEXIST, Hint: path.Join(host.Mount, group) + " is another's: without a closID the container has a group of its own"}
	default:
		// Others may be in the group: it is not changed for this container.
		for _, s := range [...]resctrlFile{{at.Field("l3CacheSchema"), rdt.L3CacheSchema}, {at.Field("memBwSchema"), rdt.MemBwSchema}} {
			if !hasSchema(host.Schemata, s.text) {
				return nil, &plan.Error{At: s.at, Err: errors.New("not what the group " + strconv.Quote(group) + " has"), Hint: "its schemata: " + strings.Join(strings.Fields(host.Schemata), " ")}
			}
		}
	}
	for line := range strings.SplitSeq(rdt.L3CacheSchema, "\n") {
		p.schema(at.Field("l3CacheSchema"), line)
	}
	p.schema(at.Field("memBwSchema"), rdt.MemBwSchema)
	for i, line := range rdt.Schemata {
		p.schema(at.Field("schemata").Index(i), line)
	}
	if monitor != "" {
		at := at.Field("enableMonitoring")
		if host.Monitored {
			return nil, &plan.Error{At: at, Err: unix.EEXIST, Hint: path.Join(host.Mount, monitor) + " is another's"}
		}
		p.make = append(p.make, resctrlFile{at, monitor})
		// After the group's: a task is monitored where it is controlled.
		p.tasks = append(p.tasks, resctrlFile{at, path.Join(monitor, "tasks")})
	}
	return p, nil
}

func (p *resctrlPlan) schema(at plan.Pointer, line string) {
	if line = strings.TrimSpace(line); line != "" {
		p.lines = append(p.lines, resctrlFile{at, line})
	}
}

// hasSchema reports whether the text of a schemata file has every value of
// want, such as "L3:0=7f0;1=1f".
func hasSchema(schemata, want string) bool {
	values := schemaValues(schemata)
	for domain, v := range schemaValues(want) {
		if values[domain] != v {
			return false
		}
	}
	return true
}

// schemaValues reads lines such as "    L3:0=7ff;1=07ff" to {"L3:0": "7ff", …}.
func schemaValues(text string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		resource, domains, _ := strings.Cut(strings.TrimSpace(line), ":")
		for domain := range strings.SplitSeq(domains, ";") {
			if id, v, ok := strings.Cut(domain, "="); ok {
				v = strings.TrimLeft(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(v)), "0x"), "0")
				values[strings.TrimSpace(resource)+":"+strings.TrimSpace(id)] = v
			}
		}
	}
	return values
}
