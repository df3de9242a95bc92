// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"slices"
)

func (d *Devices) equal(other *Devices) bool {
	return d.Allow == other.Allow && slices.Equal(d.Rules, other.Rules)
}

// without are the rules of d as far as other does not have them.
func (d *Devices) without(other *Devices) (rules []DeviceRule) {
	for _, r := range d.Rules {
		for _, o := range other.Rules {
			if o.Type == r.Type && o.Major == r.Major && o.Minor == r.Minor {
				r.Access &^= o.Access
			}
		}
		if r.Access != 0 {
			rules = append(rules, r)
		}
	}
	return rules
}

// replaceDevices replaces the rules such that what both allow is allowed at any
// moment: on v2 by another program, on v1 by the difference.
func (c *Cgroup) replaceDevices(last, next *Plan) error {
	row := next.deviceRow()
	if row == nil || row.Devices != nil {
		return c.writeDevices(next)
	}
	if last.devices.Allow != next.devices.Allow {
		return c.whileFrozen(func() error { return c.writeDevices(next) })
	}
	_, d, err := c.home(next, row)
	if err != nil {
		return err
	}
	add, remove := "devices.allow", "devices.deny"
	if next.devices.Allow {
		add, remove = remove, add
	}
	for _, s := range [...]struct {
		file  string
		rules []DeviceRule
	}{{add, next.devices.without(last.devices)}, {remove, last.devices.without(next.devices)}} {
		for _, r := range s.rules {
			if err := writeFile(d.fd, s.file, r.String()); err != nil && !next.forgives(row, err) {
				return row.failed("write "+s.file+" "+r.String(), err)
			}
		}
	}
	return nil
}

// whileFrozen does what the container may not see half done: a v1 cgroup that
// gets another default has no exceptions for a moment.
func (c *Cgroup) whileFrozen(do func() error) error {
	if frozen, err := c.Frozen(); err != nil {
		return err
	} else if frozen {
		return do()
	}
	if err := c.Freeze(); err != nil && err != errNoFreezer {
		return err
	}
	return errors.Join(do(), c.thawQuiet())
}

// writeDevices writes the rules whatever was there.
func (c *Cgroup) writeDevices(p *Plan) error {
	for i := range p.Rows {
		row := &p.Rows[i]
		if !row.isDevices() {
			continue
		}
		_, d, err := c.home(p, row)
		if err != nil {
			return err
		}
		if row.Devices != nil {
			err = row.program(d.fd, true)
		} else {
			w := writer{fd: -1}
			err = w.row(d.fd, row)
			w.close()
		}
		if err != nil && !p.forgives(row, err) {
			return err
		}
	}
	return nil
}

// deviceRow is the first row of the device rules, nil without any.
func (p *Plan) deviceRow() *Row {
	for i := range p.Rows {
		if p.Rows[i].isDevices() {
			return &p.Rows[i]
		}
	}
	return nil
}
