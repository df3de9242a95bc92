// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/json"
	"strconv"
	"strings"

	"corten/cgroups"
	"corten/nsenter/plan"
)

// PlanView is what `corten plan` prints: what create would do, in order.
type PlanView struct {
	compiled *Compiled
}

// Plan compiles a bundle and changes nothing but the filter cache.
func (r *Runtime) Plan(o CreateOptions) (*PlanView, error) {
	if o.ID == "" {
		o.ID = "ID"
	}
	o.gate, o.explain = true, true
	_, compiled, err := r.prepare(&o)
	if err != nil {
		return nil, err
	}
	return &PlanView{compiled}, nil
}

// Text is the plan for a reader: the cgroup's directories and files, the
// namespaces, then the executor's steps.
func (v *PlanView) Text() string {
	var b strings.Builder
	b.WriteString("# by the runtime, before the clone\n")
	for _, dir := range v.compiled.Cgroup.Dirs {
		b.WriteString("      mkdir " + dir.Path + "\n")
	}
	for i := range v.compiled.Cgroup.Rows {
		row := &v.compiled.Cgroup.Rows[i]
		b.WriteString("      " + rowCall(row) + "  " + row.At.String() + "\n")
	}
	for _, call := range v.compiled.resctrl.before() {
		b.WriteString("      " + call.text + "  " + call.at.String() + "\n")
	}
	for _, call := range v.compiled.networkCalls() {
		b.WriteString("      " + call.text + "  " + call.at.String() + "\n")
	}
	b.WriteString("      clone " + plan.CloneFlags(v.compiled.cloneFlags) + "  /linux/namespaces\n")
	if v.compiled.resctrl != nil || v.compiled.netDevices != nil {
		b.WriteString("# by the runtime, while the executor waits\n")
	}
	for _, call := range v.compiled.resctrl.after() {
		b.WriteString("      " + call.text + "  " + call.at.String() + "\n")
	}
	for i := range v.compiled.netDevices {
		m := &v.compiled.netDevices[i]
		b.WriteString("      " + m.call() + "  " + m.at.String() + "\n")
	}
	b.WriteString("# by the executor\n")
	b.WriteString(v.compiled.Format())
	return b.String()
}

// viewCall is a call of the runtime, and the field that it comes from.
type viewCall struct {
	text string
	at   plan.Pointer
}

// networkCalls are those that make the network namespace, and the sysfs with it.
func (c *Compiled) networkCalls() (list []viewCall) {
	if !c.makesNetwork() {
		return nil
	}
	list = append(list, viewCall{"unshare CLONE_NEWNET", c.network}, viewCall{`ioctl SIOCSIFFLAGS "lo" UP`, c.network})
	if s := c.newSysfs; s != nil {
		list = append(list, viewCall{`fsopen "sysfs"`, c.sysfs.Field("type")})
		if s.Source != "" {
			list = append(list, viewCall{"fsconfig SET_STRING \"source\" " + strconv.Quote(s.Source), c.sysfs.Field("source")})
		}
		list = append(list, viewCall{"fsconfig CREATE", c.sysfs.Field("type")}, viewCall{"fsmount " + plan.MountAttributes(s.Attributes), c.sysfs.Field("options")})
	}
	return list
}

// rowCall is what is done for a limit: a file written or compared, or a
// program attached.
func rowCall(row *cgroups.Row) string {
	switch {
	case row.Devices != nil:
		return "attach " + row.String()
	case row.ReadBack == cgroups.AtMost:
		return "check " + row.String()
	}
	return "write " + row.String()
}

// JSON is the same for a program.
func (v *PlanView) JSON() ([]byte, error) {
	type step struct {
		Step      int    `json:"step,omitempty"`
		Call      string `json:"call"`
		Condition string `json:"condition,omitempty"`
		From      string `json:"from,omitempty"`
	}
	out := struct {
		Cgroups []string `json:"cgroups"`
		Limits  []step   `json:"limits"`
		Resctrl []step   `json:"resctrl,omitempty"`
		Network []step   `json:"network,omitempty"`
		Clone   string   `json:"clone"`
		Devices []step   `json:"netDevices,omitempty"`
		Inputs  []step   `json:"inputs"`
		Steps   []step   `json:"steps"`
	}{Clone: plan.CloneFlags(v.compiled.cloneFlags)}
	for _, dir := range v.compiled.Cgroup.Dirs {
		out.Cgroups = append(out.Cgroups, dir.Path)
	}
	for i := range v.compiled.Cgroup.Rows {
		row := &v.compiled.Cgroup.Rows[i]
		out.Limits = append(out.Limits, step{Call: rowCall(row), From: row.At.String()})
	}
	for _, call := range v.compiled.resctrl.before() {
		out.Resctrl = append(out.Resctrl, step{Call: call.text, From: call.at.String()})
	}
	for _, call := range v.compiled.resctrl.after() {
		out.Resctrl = append(out.Resctrl, step{Call: call.text, From: call.at.String()})
	}
	for _, call := range v.compiled.networkCalls() {
		out.Network = append(out.Network, step{Call: call.text, From: call.at.String()})
	}
	for i := range v.compiled.netDevices {
		m := &v.compiled.netDevices[i]
		out.Devices = append(out.Devices, step{Call: m.call(), From: m.at.String()})
	}
	for i := range v.compiled.Inputs {
		in := &v.compiled.Inputs[i]
		out.Inputs = append(out.Inputs, step{Call: in.Call() + " → " + plan.Slot(i).String(), From: in.At.String()})
	}
	for i := range v.compiled.Steps {
		s := &v.compiled.Steps[i]
		out.Steps = append(out.Steps, step{i + 1, s.Call(), s.Condition(), s.At.String()})
	}
	return json.MarshalIndent(out, "", "  ")
}
