// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// Vacant refuses what Apply would refuse, and changes nothing: a cgroup that
// has processes or is frozen. It is called before the plan's paths are written
// down as the container's, for what is written down is killed by delete.
func (p *Plan) Vacant() error {
	for i := range p.Dirs {
		place := p.Dirs[i].Path
		if p.Unit != nil {
			place, _ = p.Unit.parts(place) // all of the unit ends with the container
		}
		c := Open([]string{place})
		_, err := c.dir(0)
		if err == nil {
			err = c.vacant()
		} else if isGone(err) {
			err = nil
		}
		c.Close()
		if err != nil {
			return &plan.Error{At: placeAt(), Op: place, Err: err}
		}
	}
	return nil
}

// Apply makes the cgroups and writes the rows. What it made is removed again
// if any of it fails. The Cgroup holds descriptors until Close.
func (p *Plan) Apply() (_ *Cgroup, err error) {
	c := &Cgroup{}
	defer func() {
		if err != nil {
			c.undo()
			c.Close()
		}
	}()
	if p.Unit != nil {
		// systemd makes the cgroup, on v1 those it knows; the rest is as ever.
		own, _ := p.Unit.parts(strings.TrimPrefix(p.Dirs[0].Path, p.Dirs[0].Mount))
		if c.holder, err = startUnit(p.Unit, own); err != nil {
			return nil, err
		}
		c.unit, c.handed = p.Unit, p.Handed
	}
	existed := make([]bool, len(p.Dirs))
	for i := range p.Dirs {
		m := maker{p, &p.Dirs[i], c}
		if existed[i], err = m.make(); err == nil {
			continue
		}
		if p.Optional && (isErrno(err, unix.EACCES) || isErrno(err, unix.EPERM) || isErrno(err, unix.EROFS)) {
			c.undo()
			c.Close()
			return &Cgroup{}, nil
		}
		return nil, err
	}
	if err = p.write(c, existed); err != nil {
		return nil, err
	}
	return c, nil
}

// maker makes the container's cgroup in one hierarchy.
type maker struct {
	p *Plan
	d *Dir
	c *Cgroup
}

func (m *maker) make() (existed bool, err error) {
	root, err := openMount(m.d.Mount, m.d.V2)
	if err != nil {
		return false, &plan.Error{At: placeAt(), Err: err}
	}
	defer unix.Close(root)
	rel := strings.TrimPrefix(m.d.Path, m.d.Mount+"/")
	above, name := split(rel)
	// Another container's removal may take the directories above away between
	// two calls.
	for range 8 {
		if existed, err = m.leaf(root, above, name); err != unix.ENOENT && err != unix.ENODEV {
			break
		}
	}
	if errno, ok := err.(unix.Errno); ok {
		hint := ""
		switch refused := errno == unix.EACCES || errno == unix.EPERM || errno == unix.EROFS; {
		case refused && m.p.rootless:
			hint = "rootless needs no limits + no cgrouppath when no permission is granted for cgroups; with --systemd-cgroup the user's systemd makes one"
		case refused:
			hint = without
		}
		return false, &plan.Error{At: placeAt(), Op: "mkdir " + m.d.Path, Err: errno, Hint: hint}
	}
	if err == nil && m.d.V2 {
		err = m.descend()
	}
	if err == nil && m.d.V2 {
		err = m.enable(root, rel)
	}
	return existed, err
}

// descend moves the placeholder from the scope to the container's cgroup below
// it. Before controllers are enabled: a v2 cgroup with processes passes none on.
func (m *maker) descend() error {
	if m.c.holder == nil {
		return nil
	}
	if _, below := m.p.Unit.parts(m.d.Path); below == "" {
		return nil
	}
	err := writeFile(m.c.dirs[len(m.c.dirs)-1].fd, "cgroup.procs", strconv.Itoa(m.c.holder.p.PID()))
	if err != nil {
		return &plan.Error{At: plan.At("/annotations").Field(subgroupAnnotation), Op: "write " + m.d.Path + "/cgroup.procs", Err: err}
	}
	return nil
}

func (m *maker) leaf(root int, above, name string) (existed bool, err error) {
	parent := root
	if above != "" {
		if parent, err = m.parent(root, above); err != nil {
			return false, err
		}
		defer unix.Close(parent)
	}
	made, err := m.mkdir(parent, name, m.d.Path)
	if err != nil {
		return false, err
	}
	fd, err := openBeneath(parent, name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false, err
	}
	m.c.add(m.d.Path, fd, m.d.V2)
	if !made && m.p.Unit == nil {
		last := &Cgroup{Paths: []string{m.d.Path}, dirs: []dir{{fd, m.d.V2}}}
		if err := last.vacant(); err != nil {
			return true, &plan.Error{At: placeAt(), Op: m.d.Path, Err: err}
		}
	} else if made && above != "" { // right below the root nothing is frozen by inheritance
		if frozen, err := frozen(fd, m.d.V2); err == nil && frozen {
			return false, &plan.Error{At: placeAt(), Op: m.d.Path, Err: ErrFrozen}
		}
	}
	if m.d.Cpuset {
		return !made, inheritCpuset(parent, fd)
	}
	return !made, nil
}

// mkdir reports whether the directory was not there.
func (m *maker) mkdir(parent int, name, path string) (made bool, err error) {
	switch err := unix.Mkdirat(parent, name, 0o755); err {
	case nil:
		m.c.Created = append(m.c.Created, path)
		return true, nil
	case unix.EEXIST:
		return false, nil
	default:
		return false, err
	}
}

// parent opens the cgroup above the container's, made as needed. Cpusets are
// gone through from the root in any case: one on the way may be unset.
func (m *maker) parent(root int, above string) (int, error) {
	if !m.d.Cpuset {
		if fd, err := openBeneath(root, above, unix.O_PATH|unix.O_DIRECTORY); err != unix.ENOENT {
			return fd, err
		}
	}
	at, path := root, m.d.Mount
	for name := range strings.SplitSeq(above, "/") {
		path += "/" + name
		_, err := m.mkdir(at, name, path)
		fd := -1
		if err == nil {
			fd, err = openBeneath(at, name, unix.O_PATH|unix.O_DIRECTORY)
		}
		if err == nil && m.d.Cpuset {
			err = inheritCpuset(at, fd)
		}
		if at != root {
			unix.Close(at)
		}
		if err != nil {
			if fd >= 0 {
				unix.Close(fd)
			}
			return -1, err
		}
		at = fd
	}
	return at, nil
}

// inheritCpuset gives a v1 cpuset what its parent has: empty, as it is made, it
// takes no process (cgroup-v1/cpusets.rst, "cpuset.cpus").
func inheritCpuset(parent, fd int) error {
	for _, file := range [...]string{"cpuset.cpus", "cpuset.mems"} {
		own, err := readFile(fd, file)
		if err != nil {
			return err
		}
		if strings.TrimSpace(own) != "" {
			continue
		}
		theirs, err := readFile(parent, file)
		if err != nil {
			return err
		}
		if err := writeFile(fd, file, strings.TrimSpace(theirs)); err != nil {
			return err
		}
	}
	return nil
}

// enable gives the container's cgroup all controllers that the host offers, as
// engines read their counters there whether limits are set or not. One that
// cannot be had is an error only if a limit needs it.
func (m *maker) enable(root int, rel string) error {
	if len(m.p.Controllers) == 0 {
		return nil
	}
	leaf := m.c.dirs[len(m.c.dirs)-1].fd
	missing, err := m.missing(leaf)
	if err != nil || len(missing) == 0 {
		return err
	}
	var cause error
	above, _ := split(rel)
	at, names := root, strings.Split(above, "/")
	for i := 0; ; i++ {
		if err := enableIn(at, missing); err != nil && cause == nil {
			cause = err
		}
		if above == "" || i == len(names) {
			break
		}
		next, err := openBeneath(at, names[i], unix.O_PATH|unix.O_DIRECTORY)
		if at != root {
			unix.Close(at)
		}
		if err != nil {
			return &plan.Error{At: placeAt(), Op: "open " + m.d.Path, Err: err}
		}
		at = next
	}
	if at != root {
		unix.Close(at)
	}
	if missing, err = m.missing(leaf); err != nil {
		return err
	}
	return m.needed(missing, cause)
}

// enableIn asks for all at once, and where that fails one by one; but not of a
// cgroup with processes: with those it could enable it would be threaded, and nothing
// below it would take a process (cgroups(7), "Threaded cgroups").
func enableIn(fd int, controllers []string) error {
	const file = "cgroup.subtree_control"
	err := writeFile(fd, file, "+"+strings.Join(controllers, " +"))
	if err == nil || err == unix.EBUSY || len(controllers) == 1 {
		return err
	}
	for _, c := range controllers {
		writeFile(fd, file, "+"+c)
	}
	return err
}

func (m *maker) missing(leaf int) ([]string, error) {
	text, err := readFile(leaf, "cgroup.controllers")
	if err != nil {
		return nil, &plan.Error{At: placeAt(), Op: "read " + m.d.Path + "/cgroup.controllers", Err: err}
	}
	have := " " + strings.TrimSpace(text) + " "
	var missing []string
	for _, c := range m.p.Controllers {
		if !strings.Contains(have, " "+c+" ") {
			missing = append(missing, c)
		}
	}
	return missing, nil
}

func (m *maker) needed(missing []string, cause error) error {
	for i := range m.p.Rows {
		row := &m.p.Rows[i]
		if &m.p.Dirs[row.Dir] != m.d || row.Devices != nil {
			continue
		}
		for _, c := range missing {
			if c != row.Controller {
				continue
			}
			if cause == nil {
				cause = unix.ENOENT
			}
			return &plan.Error{At: row.At, Op: "write cgroup.subtree_control " + strconv.Quote("+"+c), Err: cause,
				Hint: "controller " + c + " cannot be enabled for " + m.d.Path + ": the cgroups above must have it and no processes of their own"}
		}
	}
	return nil
}

// undo removes what Apply has made, deepest first. Nothing can be in it yet.
func (c *Cgroup) undo() {
	c.removeAbove()
	c.Created = nil
	if c.unit != nil {
		c.holder.release()
		_ = c.unit.Stop()
		c.unit, c.holder = nil, nil
	}
}
