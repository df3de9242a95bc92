// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"math"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// Access bits of a device rule, as in the kernel's BPF_DEVCG_ACC_*.
const (
	mknod = 1 << iota
	read
	write
)

const every = -1 // major or minor

// DeviceRule is one exception to the default.
type DeviceRule struct {
	Type         byte // 'c' or 'b'
	Major, Minor int64
	Access       uint8
}

// String is the rule in the syntax of devices.allow, such as "c 136:* rwm".
func (r DeviceRule) String() string {
	return string(r.Type) + " " + star(r.Major) + ":" + star(r.Minor) + " " + letters(r.Access)
}

func star(n int64) string {
	if n == every {
		return "*"
	}
	return strconv.FormatInt(n, 10)
}

func letters(access uint8) string {
	s := ""
	for i, letter := range "mrw" {
		if access&(1<<i) != 0 {
			s += string(letter)
		}
	}
	if s == "mrw" {
		return "rwm"
	}
	return s
}

// Devices is what a list of rules comes down to: a default and exceptions from
// it, the state that the kernel's v1 controller keeps.
type Devices struct {
	Allow bool // what is not in Rules
	Rules []DeviceRule
}

// String is such as "deny but c 1:3 rwm, c 1:5 rwm".
func (d *Devices) String() string {
	s := "deny"
	if d.Allow {
		s = "allow"
	}
	for i, r := range d.Rules {
		if i == 0 {
			s += " but "
		} else {
			s += ", "
		}
		s += r.String()
	}
	return s
}

// standard is what every container may use, after the config's own rules: any
// mknod, null, full, zero, random, urandom, tty, ptmx, ptys, tun.
func standard() [11]DeviceRule {
	const all = read | write | mknod
	return [...]DeviceRule{
		{'c', every, every, mknod}, {'b', every, every, mknod},
		{'c', 1, 3, all}, {'c', 1, 7, all}, {'c', 1, 5, all}, {'c', 1, 8, all}, {'c', 1, 9, all},
		{'c', 5, 0, all}, {'c', 5, 2, all}, {'c', 136, every, all}, {'c', 10, 200, all},
	}
}

// compileDevices appends the rows that let the container use the devices it
// may. All others are denied from the start, rules or none: defence against
// GHSA-g54h-m393-cpwq, where no rules meant every device.
func (p *Plan) compileDevices(at plan.Pointer, rules []specs.LinuxDeviceCgroup, h *Host) error {
	d := &Devices{}
	for i := range rules {
		if err := d.add(at.Index(i), &rules[i]); err != nil {
			return err
		}
	}
	for _, rule := range standard() {
		// A refusal of the config's outranks the standard list.
		if hole, _ := d.hole(rule, true); !hole {
			d.apply(rule, true)
		}
	}
	if p.Unit != nil {
		p.Unit.devices(at, d)
	}
	p.devices = d
	dir, v2 := h.holder("devices"), false
	if dir < 0 && p.Into >= 0 {
		dir, v2 = p.Into, true
	}
	switch {
	case dir < 0 && (h.Rootless || h.Disabled || h.Mode == None && len(rules) == 0):
		return nil
	case dir < 0:
		return &plan.Error{At: at, Err: errors.New("cgroup controller devices is not available"), Hint: h.offers()}
	case v2:
		p.Rows = append(p.Rows, Row{At: at, Dir: dir, Devices: d})
		return nil
	}
	base, exception := "devices.deny", "devices.allow"
	if d.Allow {
		base, exception = exception, base
	}
	p.Rows = append(p.Rows, Row{At: at, Dir: dir, Controller: "devices", File: base, Value: "a"})
	for _, rule := range d.Rules {
		p.Rows = append(p.Rows, Row{At: at, Dir: dir, Controller: "devices", File: exception, Value: rule.String()})
	}
	return nil
}

// add applies one rule of linux.resources.devices.
func (d *Devices) add(at plan.Pointer, r *specs.LinuxDeviceCgroup) error {
	major, err := deviceNumber(at.Field("major"), r.Major)
	if err != nil {
		return err
	}
	minor, err := deviceNumber(at.Field("minor"), r.Minor)
	if err != nil {
		return err
	}
	access, err := parseAccess(at.Field("access"), r.Access)
	if err != nil {
		return err
	}
	if access == 0 {
		if r.Allow {
			return &plan.Error{At: at.Field("access"), Err: errors.New("required where allow is true: r, w, m or several of them")}
		}
		access = read | write | mknod
	}
	types := r.Type
	switch r.Type {
	case "c", "b":
	case "", "a":
		if major == every && minor == every && access == read|write|mknod {
			*d = Devices{Allow: r.Allow}
			return nil
		}
		types = "cb" // the kernel's own "a 1:3 r" would be every device
	default:
		return &plan.Error{At: at.Field("type"), Err: errors.New("unknown device type " + strconv.Quote(r.Type)), Hint: "a, b or c"}
	}
	for i := range len(types) {
		rule := DeviceRule{types[i], major, minor, access}
		if hole, other := d.hole(rule, r.Allow); hole {
			return &plan.Error{At: at, Err: errors.New("a rule for " + rule.String() + " has no effect beside the wider " + other.String())}
		}
		d.apply(rule, r.Allow)
	}
	return nil
}

// hole reports whether a rule would take something out of a wider exception,
// which the v1 controller silently does not do.
func (d *Devices) hole(rule DeviceRule, allow bool) (bool, DeviceRule) {
	if allow != d.Allow {
		return false, DeviceRule{}
	}
	for _, r := range d.Rules {
		same := r.Major == rule.Major && r.Minor == rule.Minor
		wider := (r.Major == every || r.Major == rule.Major) && (r.Minor == every || r.Minor == rule.Minor)
		if r.Type == rule.Type && wider && !same && r.Access&rule.Access != 0 {
			return true, r
		}
	}
	return false, DeviceRule{}
}

// apply does what the kernel does with a rule (security/device_cgroup.c,
// devcgroup_update_access): against the default it is an exception, with the
// default it takes access from the exception for the very same devices.
func (d *Devices) apply(rule DeviceRule, allow bool) {
	for i := range d.Rules {
		r := &d.Rules[i]
		if r.Type != rule.Type || r.Major != rule.Major || r.Minor != rule.Minor {
			continue
		}
		if allow != d.Allow {
			r.Access |= rule.Access
		} else if r.Access &^= rule.Access; r.Access == 0 {
			d.Rules = append(d.Rules[:i], d.Rules[i+1:]...)
		}
		return
	}
	if allow != d.Allow {
		d.Rules = append(d.Rules, rule)
	}
}

// Allows is the controller's answer for one device (device_cgroup.c,
// match_exception and match_exception_partial): behind a default of deny one
// exception must grant all of access; behind allow one that refuses any of it
// is enough.
func (d *Devices) Allows(kind byte, major, minor int64, access uint8) bool {
	for _, r := range d.Rules {
		if r.Type != kind || r.Major != every && r.Major != major || r.Minor != every && r.Minor != minor {
			continue
		}
		if d.Allow && r.Access&access != 0 || !d.Allow && access&^r.Access == 0 {
			return !d.Allow
		}
	}
	return d.Allow
}

func deviceNumber(at plan.Pointer, n *int64) (int64, error) {
	switch {
	case n == nil || *n == every:
		return every, nil
	case *n < 0 || *n > math.MaxUint32:
		return 0, &plan.Error{At: at, Err: errors.New("no device number: " + strconv.FormatInt(*n, 10))}
	}
	return *n, nil
}

func parseAccess(at plan.Pointer, s string) (access uint8, err error) {
	for i := range len(s) {
		bit := strings.IndexByte("mrw", s[i])
		if bit < 0 {
			return 0, &plan.Error{At: at, Err: errors.New("unknown device access " + strconv.Quote(s)), Hint: "r, w, m or several of them"}
		}
		access |= 1 << bit
	}
	return access, nil
}
