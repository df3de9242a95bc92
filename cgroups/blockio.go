// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// compileBlockIO lists the files of blkio, v1, and io, v2. Who schedules a
// disk decides which file has the weights: CFQ (until 5.0), BFQ or iocost.
func (p *Plan) compileBlockIO(at plan.Pointer, b *specs.LinuxBlockIO, h *Host) error {
	if b == nil {
		return nil
	}
	for _, w := range [...]struct {
		field string
		value *uint16
	}{{"weight", b.Weight}, {"leafWeight", b.LeafWeight}} {
		if err := p.weightRow(at.Field(w.field), "", w.field, w.value, h); err != nil {
			return err
		}
	}
	for i, d := range b.WeightDevice {
		at, device := at.Field("weightDevice").Index(i), strconv.FormatInt(d.Major, 10)+":"+strconv.FormatInt(d.Minor, 10)+" "
		if err := p.weightRow(at.Field("weight"), device, "weight", d.Weight, h); err != nil {
			return err
		}
		if err := p.weightRow(at.Field("leafWeight"), device, "leafWeight", d.LeafWeight, h); err != nil {
			return err
		}
	}
	for _, t := range [...]struct {
		field, v1, v2 string
		devices       []specs.LinuxThrottleDevice
	}{
		{"throttleReadBpsDevice", "read_bps", "rbps", b.ThrottleReadBpsDevice},
		{"throttleWriteBpsDevice", "write_bps", "wbps", b.ThrottleWriteBpsDevice},
		{"throttleReadIOPSDevice", "read_iops", "riops", b.ThrottleReadIOPSDevice},
		{"throttleWriteIOPSDevice", "write_iops", "wiops", b.ThrottleWriteIOPSDevice},
	} {
		for i := range t.devices {
			if err := p.throttleRow(at.Field(t.field).Index(i), t.v1, t.v2, &t.devices[i], h); err != nil {
				return err
			}
		}
	}
	return nil
}

// weightRow appends a weight of 10…1000; device is "" for that of all others.
func (p *Plan) weightRow(at plan.Pointer, device, field string, value *uint16, h *Host) error {
	if value == nil || *value == 0 {
		return nil
	}
	dir, v2, err := p.controller(at, "blkio", "io", h)
	if err != nil {
		return err
	}
	leaf, suffix := field == "leafWeight", ""
	if leaf && v2 {
		return noSuchLimit(at)
	}
	if device != "" {
		suffix = "_device"
	}
	n := device + strconv.Itoa(int(*value))
	row := Row{At: at, Dir: dir, Controller: "blkio", File: "blkio.weight" + suffix, Value: n, ReadBack: Line}
	other := row
	switch {
	case v2:

		other.Controller, other.File, other.Value = "io", "io.weight", device+strconv.Itoa(ioWeight(*value))
		row.Controller, row.File = "io", "io.bfq.weight"
		row.Else = &other
	case leaf:
		row.File = "blkio.leaf_weight" + suffix
	default:
		other.File = "blkio.bfq.weight" + suffix
		row.Else = &other
	}
	p.Rows = append(p.Rows, row)
	return nil
}

// throttleRow appends bytes or operations a second; 0 is no limit.
func (p *Plan) throttleRow(at plan.Pointer, v1, v2 string, d *specs.LinuxThrottleDevice, h *Host) error {
	at = at.Field("rate")
	dir, unified, err := p.controller(at, "blkio", "io", h)
	if err != nil {
		return err
	}
	device := strconv.FormatInt(d.Major, 10) + ":" + strconv.FormatInt(d.Minor, 10) + " "
	row := Row{At: at, Dir: dir, Controller: "blkio", File: "blkio.throttle." + v1 + "_device", Value: device + strconv.FormatUint(d.Rate, 10), ReadBack: Line}
	if unified {
		row.Controller, row.File, row.Value = "io", "io.max", device+v2+"="+strconv.FormatUint(d.Rate, 10)
		if d.Rate == 0 {
			row.Value = device + v2 + "=max"
		}
	}
	if d.Rate == 0 {
		row.ReadBack = NoReadBack // the line is gone then
	}
	p.Rows = append(p.Rows, row)
	return nil
}

// ioWeight maps 10…1000 to io.weight's 1…10000 as runc does it.
func ioWeight(weight uint16) int { return 1 + (max(int(weight), 10)-10)*9999/990 }
