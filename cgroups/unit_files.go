// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"slices"
	"strconv"
	"strings"

	"corten/nsenter/plan"
)

// What files of v2 say, in systemd's words (systemd.resource-control(5)).

// fileProperties are the properties that make systemd write text to a file of
// v2; none if it has none, or other units than the text.
func fileProperties(at plan.Pointer, file, text string) []Property {
	number, isNumber := "uint64 "+strings.TrimSpace(text), false
	if _, err := strconv.ParseUint(number[len("uint64 "):], 10, 64); err == nil {
		isNumber = true
	} else if strings.TrimSpace(text) == "max" {
		number, isNumber = infinity, true
	}
	switch name := fileProperty(file); {
	case name == "":
	case file == "cpu.max":
		return quotaProperties(at, strings.Fields(text))
	case file == "cpuset.cpus", file == "cpuset.mems":
		if mask, ok := parseSet(text); ok {
			return []Property{{at, name, mask.bytes()}}
		} else if strings.TrimSpace(text) == "" {
			return []Property{{at, name, "@ay []"}}
		}
	case file == "cpu.idle":
		if number == "uint64 1" {
			return []Property{{at, name, "uint64 0"}}
		}
	case isNumber:
		return []Property{{at, name, number}}
	}
	return nil
}

func fileProperty(file string) string {
	switch file {
	case "memory.min":
		return "MemoryMin"
	case "memory.low":
		return "MemoryLow"
	case "memory.high":
		return "MemoryHigh"
	case "memory.max":
		return "MemoryMax"
	case "memory.swap.max":
		return "MemorySwapMax"
	case "pids.max":
		return "TasksMax"
	case "cpu.weight", "cpu.idle":
		return "CPUWeight"
	case "cpu.max":
		return "CPUQuotaPerSecUSec"
	case "cpuset.cpus":
		return "AllowedCPUs"
	case "cpuset.mems":
		return "AllowedMemoryNodes"
	}
	return ""
}

// quotaProperties is cpu.max: a quota or max, and a period, which may be left out.
func quotaProperties(at plan.Pointer, words []string) []Property {
	quota, period := int64(-1), uint64(100000)
	var err error
	if len(words) > 0 && words[0] != "max" {
		quota, err = strconv.ParseInt(words[0], 10, 64)
	}
	if len(words) > 1 && err == nil {
		period, err = strconv.ParseUint(words[1], 10, 64)
	}
	if len(words) == 0 || len(words) > 2 || err != nil || period == 0 {
		return nil
	}
	return []Property{{at, "CPUQuotaPeriodUSec", "uint64 " + strconv.FormatUint(period, 10)},
		{at, "CPUQuotaPerSecUSec", "uint64 " + strconv.FormatUint(perSecond(quota, period), 10)}}
}

// before is what tells systemd that files are put back: on v2 from what they
// said, on v1, which systemd reads in other words, from the limits of u.
func (u *Unit) before(all []Setting) (list []Property) {
	for _, s := range all {
		var names []string
		switch s.File {
		case "":
			names = []string{"DeviceAllow", "DevicePolicy"}
		case "memory.limit_in_bytes":
			names = []string{"MemoryLimit"}
		case "cpu.shares":
			names = []string{"CPUShares"}
		case "cpu.cfs_quota_us", "cpu.cfs_period_us":
			names = []string{"CPUQuotaPeriodUSec", "CPUQuotaPerSecUSec"}
		case "io.weight", "io.bfq.weight":
			names = []string{"IOWeight"}
		case "blkio.weight", "blkio.bfq.weight":
			names = []string{"BlockIOWeight"}
		default:
			list = append(list, fileProperties(placeAt(), s.File, s.Value)...)
		}
		for _, name := range names {
			list = append(list, u.last(name)...)
		}
	}
	return list
}

// last is the limit of u by its name, or the end of what limit there was.
func (u *Unit) last(name string) []Property {
	i := slices.IndexFunc(u.Limits, func(p Property) bool { return p.Name == name })
	device := name == "DeviceAllow" || name == "DevicePolicy"
	switch {
	case i < 0 && device:
		return nil
	case i < 0:
		return []Property{{placeAt(), name, infinity}} // systemd's own default
	case name == "DeviceAllow":
		return []Property{{u.Limits[i].At, name, ""}, u.Limits[i]} // what comes is added
	}
	return []Property{u.Limits[i]}
}
