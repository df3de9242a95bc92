// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// Check says what Apply would fail for, as far as it can be told from the
// cgroups that are there. It changes nothing.
func (p *Plan) Check() (all []error) {
	if p.Optional {
		return nil // goes without
	}
	if p.Unit != nil {
		return p.Unit.check()
	}
	for i := range p.Dirs {
		d := &p.Dirs[i]
		parent := d.Path
		for parent != d.Mount && unix.Access(parent, unix.F_OK) != nil {
			parent = path.Dir(parent)
		}
		if err := p.may(d, parent); err != nil {
			all = append(all, err)
			continue
		}
		if d.V2 {
			all = append(all, p.delegated(i, parent)...)
		}
		for j := range p.Rows {
			if row := &p.Rows[j]; row.Dir == i && row.Devices == nil {
				if err := row.check(d, parent); err != nil && !p.forgives(row, err) {
					all = append(all, err)
				}
			}
		}
	}
	return all
}

// check says why the row cannot be written in the cgroup of d, the innermost
// of whose directories that are there is parent.
func (r *Row) check(d *Dir, parent string) error {
	if parent == d.Path && r.ReadBack == AtMost {
		text, _ := readPath(parent + "/" + r.File)
		return r.compare(-1, strings.TrimSpace(text))
	}
	if r.Reused && parent != d.Path {
		return nil
	}
	if r.lacking(d, parent) {
		switch {
		case r.IfThere:
			return nil
		case r.Else != nil:
			return r.Else.check(d, parent)
		}
		return r.failed("open "+r.File, unix.ENOENT)
	}
	write := "write " + r.File + " " + strconv.Quote(r.Value)
	if r.File == "memory.use_hierarchy" && r.Value == "0" && parent != d.Path {
		if above, _ := readPath(parent + "/" + r.File); strings.TrimSpace(above) == "1" {
			return r.failed(write, unix.EINVAL)
		}
	}
	if r.ReadBack != List {
		return nil
	}
	want, ok := parseSet(r.Value)
	if !ok && strings.Trim(r.Value, "0123456789-,:/ \n") != "" {
		return r.failed(write, unix.EINVAL)
	}
	file := r.File
	if d.V2 {
		file += ".effective"
	}
	above, _ := readPath(parent + "/" + file)
	if have, known := parseSet(strings.TrimSpace(above)); ok && known && strings.TrimSpace(above) != "" && !want.within(&have) {
		return &plan.Error{At: r.At, Op: write, Err: unix.EINVAL, Hint: parent + " has " + strings.TrimSpace(above)}
	}
	return nil
}

// lacking reports whether no cgroup that is like the container's has the file:
// itself or, since the root lacks some, those beside it. With none beside it the
// file is taken to be there, unless the root tells otherwise.
func (r *Row) lacking(d *Dir, parent string) bool {
	dirs := []string{parent}
	if d.V2 && parent != d.Path || parent == d.Mount {
		entries, _ := os.ReadDir(parent)
		dirs = nil
		for _, e := range entries {
			dir := path.Join(parent, e.Name())
			text, err := readPath(dir + "/cgroup.controllers")
			if e.IsDir() && (!d.V2 || err == nil && slices.Contains(strings.Fields(text), r.Controller)) {
				dirs = append(dirs, dir)
			}
		}
	}
	lacks := false
	for _, dir := range dirs {
		if unix.Access(dir+"/"+r.File, unix.F_OK) == nil {
			return false
		}
		lacks = lacks || unix.Access(dir, unix.F_OK) == nil // else it has gone meanwhile
	}
	if len(dirs) == 0 && !d.V2 && r.Controller == "blkio" {
		// CFQ's files were on the root, too; of BFQ's only the weights are not.
		file := r.File
		if strings.HasPrefix(file, "blkio.bfq.") {
			file = "blkio.bfq.io_serviced"
		}
		return unix.Access(parent+"/"+file, unix.F_OK) != nil
	}
	return lacks
}

// check wants a systemd to talk to.
func (u *Unit) check() []error {
	sockets := []string{"/run/systemd/private", "/run/dbus/system_bus_socket"}
	if u.User {
		dir := os.Getenv("XDG_RUNTIME_DIR")
		sockets = []string{dir + "/systemd/private", dir + "/bus"}
	}
	err := error(nil)
	for _, name := range sockets {
		if err = unix.Access(name, unix.F_OK); err == nil {
			return nil
		}
	}
	return []error{&plan.Error{At: placeAt(), Op: "start " + u.Name + ": connect " + sockets[1], Err: err, Hint: systemdHint(u.User, err)}}
}

// may reports whether a cgroup can be made in the directory parent, or, where
// that is the container's own, written to.
func (p *Plan) may(d *Dir, parent string) error {
	err := unix.Faccessat(unix.AT_FDCWD, parent, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if err == nil {
		return nil
	}
	hint := "the caller has no right to make cgroups in " + parent
	if p.rootless {
		hint = "rootless needs no limits + no cgrouppath when no permission is granted for cgroups"
	}
	return &plan.Error{At: placeAt(), Op: "mkdir " + d.Path, Err: err, Hint: hint}
}

// delegated lists the rows whose controller the container's cgroup in p.Dirs[i]
// could not have: it must be enabled in every cgroup from the mount to parent,
// the innermost that is there, or it must be possible to enable it.
func (p *Plan) delegated(i int, parent string) (all []error) {
	d := &p.Dirs[i]
	for j := range p.Rows {
		row := &p.Rows[j]
		if row.Dir != i || row.Devices != nil || row.Controller == "" || !slices.Contains(p.Controllers, row.Controller) {
			continue
		}
		dir := d.Mount
		for rest := strings.TrimPrefix(strings.TrimPrefix(parent, d.Mount), "/"); dir != d.Path; {
			if err := enables(dir, row.Controller); err != nil {
				all = append(all, &plan.Error{At: row.At, Op: "write " + dir + "/cgroup.subtree_control " + strconv.Quote("+"+row.Controller), Err: err,
					Hint: "controller " + row.Controller + " is not delegated to " + dir + ", or the cgroup has processes of its own"})
				break
			}
			var name string
			if name, rest, _ = strings.Cut(rest, "/"); name == "" {
				break
			}
			dir = path.Join(dir, name)
		}
	}
	return all
}

// enables reports whether the children of the v2 cgroup dir have a controller or
// can get it.
func enables(dir, controller string) error {
	words := func(file string) []string {
		text, _ := readPath(dir + "/" + file)
		return strings.Fields(text)
	}
	if slices.Contains(words("cgroup.subtree_control"), controller) {
		return nil
	}
	if !slices.Contains(words("cgroup.controllers"), controller) {
		return unix.ENOENT
	}
	if err := unix.Faccessat(unix.AT_FDCWD, dir+"/cgroup.subtree_control", unix.W_OK, unix.AT_EACCESS); err != nil {
		return err
	}
	// cgroup-v2.rst, "No Internal Process Constraint"; the root has no cgroup.type.
	if len(words("cgroup.type")) > 0 && len(words("cgroup.procs")) > 0 {
		return unix.EBUSY
	}
	return nil
}
