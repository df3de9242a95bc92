// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// Update is a change of a container's limits.
type Update struct {
	Last, Next *Plan    // compiled for the same host: the limits in force, and those that shall be
	Sections   []string // fields of linux.resources whose limits shall be in force even if they are not new
	Devices    bool     // the device rules may be others

	// Journal is called once, before the first write, with what to write for all
	// to be as before.
	Journal func(before []Setting) error
}

// Setting is what to write to one control file.
type Setting struct {
	Dir   int    // index in Cgroup.Paths
	File  string // "": the device rules
	Value string
}

// change is a row to write.
type change struct {
	row    *Row
	fd     int // of the cgroup
	before Setting
	known  bool // before could be told
}

// Update writes what the kernel has otherwise than u.Next, in the order of its
// rows, or in another if the kernel wants that. Everything is read, and all that
// can be checked is, before the first write; after an error all is as before.
func (c *Cgroup) Update(u *Update) (err error) {
	changes, err := c.changes(u)
	if err != nil {
		return err
	}
	told := []Property(nil)
	if u.Next.Unit != nil {
		told = u.Next.Unit.changed(u.Last.Unit)
	}
	devices := u.Devices && !u.Last.devices.equal(u.Next.devices)
	if len(changes) == 0 && !devices && len(told) == 0 {
		return nil
	}
	touched := changes
	if len(told) > 0 { // on which systemd writes all it knows, not only what is new
		if touched, err = c.rewritten(u, false); err != nil {
			return err
		}
	}
	before := c.before(touched)
	if devices {
		before = append(before, Setting{Dir: -1})
	}
	if err := u.Journal(before); err != nil {
		return err
	}
	w := writer{fd: -1}
	defer w.close()
	if err = u.Next.Unit.set(told); err == nil && len(told) > 0 { // first: it rounds, and the last write counts
		changes, err = c.rewritten(u, true)
	}
	if err == nil {
		err = inAnyOrder(changes, func(ch *change) error { return w.row(ch.fd, ch.row) })
	}
	if err == nil && devices { // last, so that nothing that can fail comes after it
		err = c.replaceDevices(u.Last, u.Next)
	}
	if err == nil {
		return nil
	}
	if undo := c.Restore(u.Last, before); undo != nil {
		return errors.Join(err, ErrLeft, undo)
	}
	return err
}

// ErrLeft is among the errors of an Update that could not put back everything.
var ErrLeft = errors.New("not all limits could be put back")

// before is what the changes will change, in their order. An idle cgroup takes no
// shares, and one that is not idle any more has the kernel's default: they are
// put back after cpu.idle, if they were there.
func (c *Cgroup) before(changes []change) (all []Setting) {
	for i := range changes {
		ch := &changes[i]
		if !ch.known {
			continue
		}
		isShares := ch.row.File == "cpu.shares" || ch.row.File == "cpu.weight"
		if idle, _ := readFile(ch.fd, "cpu.idle"); isShares && strings.TrimSpace(idle) == "1" {
			continue
		}
		if ch.row.File == "cpu.idle" && ch.before.Value == "0" {
			for _, file := range [...]string{"cpu.shares", "cpu.weight"} {
				if text, err := readFile(ch.fd, file); err == nil {
					all = append(all, Setting{Dir: ch.before.Dir, File: file, Value: strings.TrimSpace(text)})
				}
			}
		}
		all = append(all, ch.before)
	}
	return all
}

// Restore writes what Journal was given, the last first.
func (c *Cgroup) Restore(last *Plan, before []Setting) (err error) {
	if last.Unit != nil { // before the files, which it writes
		err = last.Unit.set(last.Unit.before(before))
	}
	var all []Setting
	for i := len(before) - 1; i >= 0; i-- {
		if before[i].File != "" {
			all = append(all, before[i])
		} else {
			err = errors.Join(err, c.writeDevices(last))
		}
	}
	return errors.Join(err, inAnyOrder(all, func(s *Setting) error {
		d, err := c.dir(s.Dir)
		if err == nil {
			err = writeFile(d.fd, s.File, s.Value)
		}
		if err != nil {
			return &plan.Error{Op: "putting " + c.Paths[s.Dir] + "/" + s.File + " back to " + strings.TrimSpace(s.Value), Err: err}
		}
		return nil
	}))
}

// inAnyOrder does all in order, and again what fails because something else has
// to be done before: memory.limit must never be above memory.memsw, nor a burst
// above its quota, so that raising and lowering them want opposite orders.
func inAnyOrder[T any](all []T, do func(*T) error) error {
	for {
		var left []T
		var first error
		for i := range all {
			err := do(&all[i])
			if err != nil {
				left = append(left, all[i])
				if first == nil {
					first = err
				}
			}
		}
		if len(left) == 0 || len(left) == len(all) {
			return first
		}
		all = left
	}
}

// changes are the rows of u.Next that are not in force. It writes nothing.
func (c *Cgroup) changes(u *Update) (changes []change, err error) {
	limit := false
	for i := range u.Next.Rows {
		row := &u.Next.Rows[i]
		if row.ReadBack == AtMost || row.isDevices() || !u.wants(i) {
			continue
		}
		ch, changed, err := c.change(u.Next, row)
		if err != nil {
			return nil, err
		}
		if changed {
			changes = append(changes, ch)
			limit = limit || row.isLimit()
		}
	}
	for i := range u.Next.Rows {
		if row := &u.Next.Rows[i]; row.ReadBack == AtMost && limit {
			w := writer{fd: -1}
			_, d, err := c.home(u.Next, row)
			if err == nil {
				err = w.row(d.fd, row)
				w.close()
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return changes, nil
}

// rewritten are the rows of u.Next that systemd may have written over, whatever
// u wants: all that can be read, or those that are not in force.
func (c *Cgroup) rewritten(u *Update, changed bool) (changes []change, err error) {
	for i := range u.Next.Rows {
		row := &u.Next.Rows[i]
		if row.ReadBack == AtMost || row.isDevices() || !u.isLast(i) {
			continue
		}
		ch, isChanged, err := c.change(u.Next, row)
		if err != nil {
			return nil, err
		}
		if ch.before.File != "" && (isChanged || !changed) || isChanged && u.wants(i) {
			changes = append(changes, ch)
		}
	}
	return changes, nil
}

// isLast reports whether row i of Next is the last word on its subject.
func (u *Update) isLast(i int) bool {
	return !slices.ContainsFunc(u.Next.Rows[i+1:], func(other Row) bool { return u.Next.Rows[i].sameSubject(&other) })
}

// wants reports whether row i of Next is to be looked at: it is the last word on
// its subject, and either asked for or new.
func (u *Update) wants(i int) bool {
	row := &u.Next.Rows[i]
	if !u.isLast(i) {
		return false
	}
	at := row.At.String()
	for _, section := range u.Sections {
		if at := at + "/"; strings.HasPrefix(at, "/linux/resources/"+section+"/") && (row.ReadBack != NoReadBack || section == "unified") {
			return true
		}
	}
	for j := len(u.Last.Rows) - 1; j >= 0; j-- {
		if other := &u.Last.Rows[j]; row.sameSubject(other) {
			return row.Value != other.Value
		}
	}
	return true
}

// change reads what a row will change.
func (c *Cgroup) change(p *Plan, row *Row) (ch change, changed bool, err error) {
	i, d, err := c.home(p, row)
	if err != nil {
		return ch, false, err
	}
	text, err := readFile(d.fd, row.File)
	if err == unix.ENOENT && row.Else != nil {
		row = row.Else
		text, err = readFile(d.fd, row.File)
	}
	switch {
	case err == unix.ENOENT && row.IfThere:
		return ch, false, nil
	case err == unix.ENOENT:
		return ch, false, row.failed("open "+row.File, err)
	case err != nil: // it can only be written
		return change{row: row, fd: d.fd}, true, nil
	}
	ch = change{row: row, fd: d.fd, before: Setting{Dir: i, File: row.File}}
	ch.before.Value, ch.known = row.before(text)
	return ch, !row.inForce(d.fd, text), nil
}

// home is the container's cgroup that a row of p is for.
func (c *Cgroup) home(p *Plan, row *Row) (int, *dir, error) {
	mount := p.Dirs[row.Dir].Mount
	for i, path := range c.Paths {
		if !strings.HasPrefix(path, mount+"/") {
			continue
		}
		d, err := c.dir(i)
		if err != nil {
			return 0, nil, row.failed("", err)
		}
		if d.v2 == p.Dirs[row.Dir].V2 {
			return i, d, nil
		}
	}
	return 0, nil, &plan.Error{At: row.At, Err: errors.New("the container has no cgroup in " + mount)}
}
