// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"path"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// rdtUpdate is a change of the schemata of a container's own resctrl group; nil
// without one.
type rdtUpdate struct {
	dir     *os.File // resctrl's root
	file    string
	lines   []resctrlFile
	was     string // the schemata
	written bool
}

// openRdtUpdate puts the change into l and finds the group. A group that has a
// closID may be shared: it is not for one container to change.
func openRdtUpdate(l *specs.Linux, id string, change *Change) (*rdtUpdate, error) {
	if change.L3CacheSchema == "" && change.MemBwSchema == "" {
		return nil, nil
	}
	at := plan.At("/linux/intelRdt")
	switch {
	case l.IntelRdt == nil:
		return nil, &plan.Error{At: at, Err: errors.New("the container has no group of resctrl"), Hint: "create makes it where config.json has linux.intelRdt"}
	case l.IntelRdt.ClosID != "":
		return nil, &plan.Error{At: at.Field("closID"), Err: errors.New("the group " + strconv.Quote(l.IntelRdt.ClosID) + " is not the container's alone")}
	}
	dir, err := openResctrl()
	if err != nil {
		return nil, err
	}
	u := &rdtUpdate{dir: dir}
	if err := u.open(l, id, change); err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

func (u *rdtUpdate) open(l *specs.Linux, id string, change *Change) error {
	rdt, p := *l.IntelRdt, &resctrlPlan{}
	at := plan.At("/linux/intelRdt")
	if change.L3CacheSchema != "" {
		rdt.L3CacheSchema = change.L3CacheSchema
		for line := range strings.SplitSeq(change.L3CacheSchema, "\n") {
			p.schema(at.Field("l3CacheSchema"), line)
		}
	}
	if change.MemBwSchema != "" {
		rdt.MemBwSchema = change.MemBwSchema
		p.schema(at.Field("memBwSchema"), change.MemBwSchema)
	}
	if err := validateIntelRdt(&rdt); err != nil {
		return err
	}
	group, _ := resctrlGroup(&rdt, id)
	l.IntelRdt, u.lines, u.file = &rdt, p.lines, path.Join(group, "schemata")
	was, err := readResctrl(u.dir, u.file)
	if u.was = was; err != nil {
		return &plan.Error{At: at, Err: err}
	}
	return nil
}

// write writes the lines and makes sure that the kernel has taken them.
func (u *rdtUpdate) write() error {
	if u == nil {
		return nil
	}
	u.written = true
	for _, line := range u.lines {
		failed := &plan.Error{At: line.at, Op: "write " + path.Join(u.dir.Name(), u.file) + " " + strconv.Quote(line.text)}
		if failed.Err = writeResctrl(u.dir, u.file, line.text+"\n"); failed.Err != nil {
			failed.Hint = resctrlHint(u.dir)
			return failed
		}
		now, err := readResctrl(u.dir, u.file)
		if err == nil && !hasSchema(now, line.text) {
			err = errors.New("the kernel has set " + strings.Join(strings.Fields(now), " "))
		}
		if failed.Err = err; err != nil {
			return failed
		}
	}
	return nil
}

// undo writes the schemata as they were, a line each.
func (u *rdtUpdate) undo() error {
	if u == nil || !u.written {
		return nil
	}
	for line := range strings.Lines(u.was) {
		if err := writeResctrl(u.dir, u.file, strings.TrimSpace(line)+"\n"); err != nil {
			return &plan.Error{Op: "putting " + path.Join(u.dir.Name(), u.file) + " back", Err: err}
		}
	}
	return nil
}

func (u *rdtUpdate) close() {
	if u != nil {
		u.dir.Close()
	}
}
