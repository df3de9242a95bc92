// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// Unit is the scope that systemd makes for a container.
type Unit struct {
	Name       string
	User       bool       // of the user's own manager
	Properties []Property // in the order they are sent
	Limits     []Property // after them; these may change later
}

// Property of a unit: org.freedesktop.systemd1(5), systemd.resource-control(5).
type Property struct {
	At    plan.Pointer
	Name  string
	Value string // a variant in D-Bus's text format; of DeviceAllow, "NAME ACCESS, …"
}

// compileUnit reads linux.cgroupsPath as "slice:prefix:name" and names the
// scope prefix-name.scope in that slice. path is that of the container's cgroup,
// which is the scope's or one below it.
func compileUnit(spec *specs.Spec, id string, h *Host) (u *Unit, path string, err error) {
	slice, prefix, name := "system.slice", "corten", id
	if h.Rootless {
		slice = "user.slice"
	}
	if spec.Linux != nil && spec.Linux.CgroupsPath != "" {
		parts := strings.Split(spec.Linux.CgroupsPath, ":")
		if len(parts) != 3 {
			return nil, "", &plan.Error{At: placeAt(), Err: errors.New(`expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got ` +
				strconv.Quote(spec.Linux.CgroupsPath) + " instead")}
		}
		if parts[0] != "" {
			slice = parts[0]
		}
		prefix, name = parts[1], parts[2]
	}
	above, ok := slicePath(slice)
	if !ok {
		return nil, "", &plan.Error{At: placeAt(), Err: errors.New("invalid slice name: " + strconv.Quote(slice))}
	}
	u = &Unit{Name: name + ".scope", User: h.Rootless}
	if prefix != "" {
		u.Name = prefix + "-" + u.Name
	}
	if !validUnit(u.Name) {
		return nil, "", &plan.Error{At: placeAt(), Err: errors.New("invalid unit name: " + strconv.Quote(u.Name))}
	}
	u.add(placeAt(), "Description", `"libcontainer container `+id+`"`)
	u.add(placeAt(), "Slice", strconv.Quote(sliceName(slice)))
	u.add(placeAt(), "Delegate", "true") // what is below the scope is not systemd's
	u.add(placeAt(), "DefaultDependencies", "false")
	for _, name := range [...]string{"CPUAccounting", "MemoryAccounting", "TasksAccounting"} {
		u.add(placeAt(), name, "true")
	}
	if h.Mode == Unified {
		u.add(placeAt(), "IOAccounting", "true")
	} else {
		u.add(placeAt(), "BlockIOAccounting", "true")
	}
	path = h.Manager + above + "/" + u.Name
	if sub := spec.Annotations[subgroupAnnotation]; sub != "" {
		if err := Single(plan.At("/annotations").Field(subgroupAnnotation), sub); err != nil {
			return nil, "", err
		}
		path += "/" + sub
	}
	return u, path, nil
}

// subgroupAnnotation names a cgroup below the scope, which is the container's
// in place of the scope. Without it the scope is, as in runc.
const subgroupAnnotation = "run.oci.systemd.subgroup"

// parts are, of the path of a container's cgroup, that of the unit and what is
// below it: "" or /NAME.
func (u *Unit) parts(path string) (own, below string) {
	own, below, _ = strings.Cut(path+"/", "/"+u.Name+"/")
	return own + "/" + u.Name, strings.TrimSuffix("/"+below, "/")
}

func (u *Unit) add(at plan.Pointer, name, value string) {
	u.Properties = append(u.Properties, Property{at, name, value})
}

// limit sets a limit; the last word on each counts.
func (u *Unit) limit(at plan.Pointer, name, value string) {
	u.Limits = slices.DeleteFunc(u.Limits, func(p Property) bool { return p.Name == name })
	u.Limits = append(u.Limits, Property{at, name, value})
}

// changed are the limits that last has otherwise, or all if that is nil.
func (u *Unit) changed(last *Unit) (list []Property) {
	for _, p := range u.Limits {
		if last != nil && slices.ContainsFunc(last.Limits, func(l Property) bool { return l.Name == p.Name && l.Value == p.Value }) {
			continue
		}
		if p.Name == "DeviceAllow" {
			list = append(list, Property{p.At, p.Name, ""}) // what comes is added
		}
		list = append(list, p)
	}
	return list
}

// sliceName: "-" is systemd's name for the root slice.
func sliceName(slice string) string {
	if slice == "-" {
		return "-.slice"
	}
	return slice
}

// slicePath is where a slice is: each dash is a step, "a-b.slice" is
// /a.slice/a-b.slice (systemd.slice(5)).
func slicePath(slice string) (path string, ok bool) {
	if slice == "-" || slice == "-.slice" {
		return "", true
	}
	name, ok := strings.CutSuffix(slice, ".slice")
	if !ok || !validUnit(slice) {
		return "", false
	}
	above := ""
	for part := range strings.SplitSeq(name, "-") {
		if part == "" {
			return "", false
		}
		above += part
		path += "/" + above + ".slice"
		above += "-"
	}
	return path, true
}

// validUnit is systemd's own rule for unit names (systemd.unit(5)).
func validUnit(name string) bool {
	return len(name) < 256 && !strings.HasPrefix(name, ".") && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(`:-_.\@`, r)
	})
}

// limits says to systemd what the rows say to the kernel: it writes its own
// view of the unit again at every daemon-reload.
func (u *Unit) limits(at plan.Pointer, r *specs.LinuxResources, v2 bool) {
	if m, at := r.Memory, at.Field("memory"); m != nil {
		u.bytes(at.Field("limit"), pick(v2, "MemoryMax", "MemoryLimit"), value(m.Limit))
		if v2 {
			u.bytes(at.Field("reservation"), "MemoryLow", value(m.Reservation))
			switch swap := swapMax(m); swap {
			case "":
			case "max":
				u.limit(at.Field("swap"), "MemorySwapMax", infinity)
			default:
				u.limit(at.Field("swap"), "MemorySwapMax", "uint64 "+swap)
			}
		}
	}
	if c, at := r.CPU, at.Field("cpu"); c != nil {
		u.cpu(at, c, v2)
	}
	if r.Pids != nil && r.Pids.Limit != nil {
		tasks := infinity
		if max := pidsMax(r.Pids); max != "max" {
			tasks = "uint64 " + max
		}
		u.limit(at.Field("pids").Field("limit"), "TasksMax", tasks)
	}
	if b, at := r.BlockIO, at.Field("blockIO").Field("weight"); b != nil && b.Weight != nil && *b.Weight != 0 {
		if v2 {
			u.limit(at, "IOWeight", "uint64 "+strconv.Itoa(ioWeight(*b.Weight)))
		} else {
			u.limit(at, "BlockIOWeight", "uint64 "+strconv.Itoa(int(*b.Weight)))
		}
	}
	for _, file := range slices.Sorted(maps.Keys(r.Unified)) {
		for _, p := range fileProperties(at.Field("unified").Field(file), file, r.Unified[file]) {
			u.limit(p.At, p.Name, p.Value)
		}
	}
}

const infinity = "uint64 18446744073709551615"

// bytes: 0 asks for nothing, below 0 for no limit.
func (u *Unit) bytes(at plan.Pointer, name string, n int64) {
	switch {
	case n < 0:
		u.limit(at, name, infinity)
	case n > 0:
		u.limit(at, name, "uint64 "+strconv.FormatInt(n, 10))
	}
}

func (u *Unit) cpu(at plan.Pointer, c *specs.LinuxCPU, v2 bool) {
	switch w := weight(value(c.Shares)); {
	case v2 && c.Idle != nil && *c.Idle != 0:
		u.limit(at.Field("idle"), "CPUWeight", "uint64 0")
	case v2 && w != "":
		u.limit(at.Field("shares"), "CPUWeight", "uint64 "+w)
	case w != "":
		u.limit(at.Field("shares"), "CPUShares", "uint64 "+number(c.Shares))
	case c.Idle != nil: // which has ended what shares there were
		u.limit(at.Field("idle"), pick(v2, "CPUWeight", "CPUShares"), infinity)
	}
	if period := value(c.Period); period != 0 {
		u.limit(at.Field("period"), "CPUQuotaPeriodUSec", "uint64 "+strconv.FormatUint(period, 10))
	}
	if quota := value(c.Quota); quota != 0 {
		u.limit(at.Field("quota"), "CPUQuotaPerSecUSec", "uint64 "+strconv.FormatUint(perSecond(quota, value(c.Period)), 10))
	}
	if !v2 {
		return // cpusets are systemd's on v2 alone
	}
	for _, s := range [...]struct{ field, name, list string }{{"cpus", "AllowedCPUs", c.Cpus}, {"mems", "AllowedMemoryNodes", c.Mems}} {
		if mask, ok := parseSet(s.list); ok && s.list != "" {
			u.limit(at.Field(s.field), s.name, mask.bytes())
		}
	}
}

// perSecond is a quota in µs for a second of time. systemd makes whole percents
// of it, rounding down: round up, as a limit below what was asked would show.
func perSecond(quota int64, period uint64) uint64 {
	if quota < 0 {
		return math.MaxUint64
	}
	if period == 0 {
		period = 100000 // the kernel's default
	}
	n := uint64(quota) * 1000000 / period
	return (n + 9999) / 10000 * 10000
}

// bytes is the set as a bit mask, an array of bytes, the lowest first.
func (v *set) bytes() string {
	last := 0
	for i := range len(v) * 8 {
		if v[i/8]>>(i%8*8)&0xff != 0 {
			last = i
		}
	}
	var b strings.Builder
	for i := range last + 1 {
		b.WriteString(pick(i == 0, "[byte ", ", "))
		b.WriteString("0x" + strconv.FormatUint(v[i/8]>>(i%8*8)&0xff, 16))
	}
	return b.String() + "]"
}

// devices tells systemd which devices the scope may use; where all but some
// are allowed, it has no words for it and is told nothing.
func (u *Unit) devices(at plan.Pointer, d *Devices) {
	if d.Allow {
		return
	}
	// The list first: a strict policy without one denies all, for a moment.
	list := ""
	for i := range d.Rules {
		name, access := d.Rules[i].unitName(), letters(d.Rules[i].Access)
		if list += pick(list == "", "", ", ") + name + " " + access; name == "" {
			return
		}
	}
	u.limit(at, "DeviceAllow", list)
	u.limit(at, "DevicePolicy", `"strict"`)
}

// unitName is the rule's device in the words of DeviceAllow=; a class by its
// major number is understood since systemd 241.
func (r *DeviceRule) unitName() string {
	class := pick(r.Type == 'b', "block", "char")
	switch {
	case r.Major == every && r.Minor == every:
		return class + "-*"
	case r.Major == every:
		return ""
	case r.Minor == every:
		return class + "-" + strconv.FormatInt(r.Major, 10)
	}
	return "/dev/" + class + "/" + strconv.FormatInt(r.Major, 10) + ":" + strconv.FormatInt(r.Minor, 10)
}

const annotation = "org.systemd.property."

// annotations are properties by name. Only those on the list reach systemd:
// others could make it execute programs or leave the cgroup to other units
// (CVE-2024-3154).
func (u *Unit) annotations(all map[string]string) error {
	var names []string
	for name := range all {
		if strings.HasPrefix(name, annotation) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, key := range names {
		at, name, text := plan.Pointer{}.Field("annotations").Field(key), strings.TrimPrefix(key, annotation), all[key]
		if base, ok := strings.CutSuffix(name, "Sec"); ok && !strings.HasSuffix(name, "USec") {
			seconds, err := strconv.ParseFloat(lastWord(text), 64)
			if err != nil || seconds < 0 || seconds > math.MaxInt64/1e6 {
				return &plan.Error{At: at, Err: errors.New(strconv.Quote(text) + " is no number of seconds")}
			}
			name, text = base+"USec", "uint64 "+strconv.FormatUint(uint64(seconds*1e6), 10)
		}
		if !slices.Contains(allowed[:], name) {
			return &plan.Error{At: at, Err: errors.New("the property " + name + " cannot be set on a container's scope")}
		}
		if strings.ContainsAny(text, "\n\x00") {
			return &plan.Error{At: at, Err: errors.New("a value is one line")}
		}
		u.add(at, name, text)
	}
	return nil
}

func lastWord(s string) string {
	words := strings.Fields(s)
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}

// allowed are the properties that limit, order, describe or end a scope.
var allowed = [...]string{
	"After", "Before", "CollectMode", "DefaultDependencies", "Description", "Documentation",
	"FinalKillSignal", "KillMode", "KillSignal", "SendSIGHUP", "SendSIGKILL", "TimeoutStopUSec", "RuntimeMaxUSec", "OOMPolicy",
	"AllowedCPUs", "AllowedMemoryNodes", "CPUQuotaPerSecUSec", "CPUQuotaPeriodUSec", "CPUWeight", "IOWeight",
	"ManagedOOMMemoryPressure", "ManagedOOMMemoryPressureLimit", "ManagedOOMPreference", "ManagedOOMSwap",
	"MemoryHigh", "MemoryLow", "MemoryMax", "MemoryMin", "MemorySwapMax", "MemoryZSwapMax", "TasksMax",
}
