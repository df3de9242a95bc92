// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// Plan is a container's place in every hierarchy and what is written there.
type Plan struct {
	Dirs        []Dir // one for each hierarchy of the host, in its order
	Rows        []Row // in the order they are written
	Into        int   // index in Dirs of the one for CLONE_INTO_CGROUP; -1: none
	Controllers []string
	Optional    bool           // without permission to make cgroups, go without
	Ignored     []plan.Pointer // fields asked for that the kernel no longer has
	Unit        *Unit          // made by systemd around the container; nil: the cgroups are made here
	Handed      bool           // to systemd: it moves processes into the v2 cgroup, which the runtime may not
	rootless    bool
	devices     *Devices // those of the rows
}

// Dir is the container's cgroup in one hierarchy.
type Dir struct {
	Hierarchy int
	Mount     string // the hierarchy's mount point
	Path      string // absolute, below Mount
	V2        bool
	Cpuset    bool // v1, with the cpuset controller: empty until told
	Freezer   bool // v1, with the freezer
}

// Row is one file to write, or the device program to attach.
type Row struct {
	At         plan.Pointer
	Dir        int
	Controller string
	File       string
	Value      string
	ReadBack   Compare
	Reused     bool     // only in a cgroup that was there before
	IfThere    bool     // a missing file is as good: it would not limit anything
	Else       *Row     // in place of this where File is missing
	Devices    *Devices // in place of File and Value
}

// String is the row as `corten plan` shows it, such as "memory.max = 10485760".
func (r *Row) String() string {
	if r.Devices != nil {
		return "device program = " + r.Devices.String()
	}
	switch {
	case r.ReadBack == AtMost:
		return r.File + " <= " + r.Value
	case r.Else != nil:
		return r.File + " = " + r.Value + ", or " + r.Else.String()
	}
	return r.File + " = " + r.Value
}

// Compare says what a file reads after it was written (P9, C11).
type Compare uint8

const (
	NoReadBack Compare = iota // the file is write-only or prints something else
	Exact                     // the value, character by character
	Bytes                     // the value rounded down to the page size; "max" for the largest
	List                      // the same set of numbers: cpusets
	Line                      // a line with all words of the value
	AtMost                    // nothing is written: the file must read no more than the value
)

// Compile places the container and lists what to write. Paths are those of
// runc's cgroupfs driver: an absolute linux.cgroupsPath is below the mount
// point; a relative one, or the id, is on v1 below the runtime's own cgroup and
// on v2 beside it, because a v2 cgroup with members can have no children with
// controllers. A ".." never leads out of the mount.
func Compile(spec *specs.Spec, id string, h *Host) (*Plan, error) {
	at := plan.Pointer{}.Field("linux").Field("resources")
	if h.Disabled {
		h = &Host{Disabled: true, Rootless: h.Rootless}
	}
	p := &Plan{Into: -1, Controllers: h.Controllers, rootless: h.Rootless}
	asked, r := "", &specs.LinuxResources{}
	if spec.Linux != nil {
		asked = spec.Linux.CgroupsPath
		if spec.Linux.Resources != nil {
			r = spec.Linux.Resources
		}
	}
	place, err := asked, error(nil)
	if h.Systemd {
		if p.Unit, place, err = compileUnit(spec, id, h); err != nil {
			return nil, err
		}
	}
	if place == "" {
		place = id
	}
	for _, c := range []byte(place) {
		if c < ' ' || c == 0x7f {
			return nil, &plan.Error{At: placeAt(), Err: errors.New("control characters name no cgroup")}
		}
	}
	absolute := strings.HasPrefix(place, "/")
	if place = path.Clean("/" + place); place == "/" {
		// Its processes are the host's, and delete would kill them.
		return nil, &plan.Error{At: placeAt(), Err: errors.New("the root of the hierarchy cannot be a container's cgroup")}
	}
	for i := range h.Hierarchies {
		g := &h.Hierarchies[i]
		d := Dir{Hierarchy: i, Mount: g.Mount, V2: g.V2}
		d.Cpuset = slices.Contains(g.Controllers, "cpuset")
		d.Freezer = slices.Contains(g.Controllers, "freezer")
		if d.Path = path.Join(g.Mount, place); !absolute {
			d.Path = path.Join(g.Mount, g.base(), place)
		}
		if g.V2 {
			p.Into = i
		}
		p.Dirs = append(p.Dirs, d)
	}
	if err := p.compileDevices(at.Field("devices"), r.Devices, h); err != nil {
		return nil, err
	}
	limited, err := p.compileLimits(at, r, h)
	if err != nil {
		return nil, err
	}
	p.Handed = p.Unit != nil && h.Outside
	p.Optional = h.Rootless && asked == "" && !limited && !h.Systemd
	if p.Unit != nil {
		p.Unit.limits(at, r, h.Mode == Unified)
		err = p.Unit.annotations(spec.Annotations)
	}
	return p, err
}

// without is what root may do where there are no cgroups.
const without = "with --rootless=true a container without limits goes without"

func placeAt() plan.Pointer { return plan.Pointer{}.Field("linux").Field("cgroupsPath") }

// base is the cgroup that a relative path is below, as seen from the mount.
func (g *Hierarchy) base() string {
	own := g.Own
	if own == "" || own == "/.." || strings.HasPrefix(own, "/../") {
		return "/" // outside our cgroup namespace
	}
	if g.V2 {
		return path.Dir(own)
	}
	if g.Root == "/" || g.Root == "" {
		return own
	}
	if rest, ok := strings.CutPrefix(own, g.Root); ok && (rest == "" || rest[0] == '/') {
		return rest // a container's mount of its own part of the hierarchy
	}
	return "/"
}

// holder is the index of the hierarchy that has a controller, -1 for none.
func (h *Host) holder(controller string) int {
	for i := range h.Hierarchies {
		g := &h.Hierarchies[i]
		if slices.Contains(g.Controllers, controller) || g.V2 && slices.Contains(h.Controllers, controller) {
			return i
		}
	}
	return -1
}

// limit is a field of linux.resources with the file that it is written to.
type limit struct {
	group, field     string // resources/GROUP/FIELD
	controller, file string
	value            string // "": not asked for
	readBack         Compare
	flags            uint8
}

const (
	reused  = 1 << iota // Row.Reused
	ifThere             // Row.IfThere
	refused             // there is no such file in this version
)

// compileLimits appends the rows of all fields but devices, and reports
// whether there were any.
func (p *Plan) compileLimits(at plan.Pointer, r *specs.LinuxResources, h *Host) (limited bool, err error) {
	before := len(p.Rows)
	if r.Memory != nil || r.CPU != nil || r.Pids != nil {
		if err := p.compileNumbers(at, r, h); err != nil {
			return false, err
		}
	}
	if err := p.compileBlockIO(at.Field("blockIO"), r.BlockIO, h); err != nil {
		return false, err
	}
	if err := p.compileHugetlb(at.Field("hugepageLimits"), r.HugepageLimits, h); err != nil {
		return false, err
	}
	if err := p.compileNetwork(at.Field("network"), r.Network, h); err != nil {
		return false, err
	}
	if err := p.compileRdma(at.Field("rdma"), r.Rdma, h); err != nil {
		return false, err
	}
	err = p.compileUnified(at.Field("unified"), r.Unified, h)
	return len(p.Rows) > before, err
}

// compileNumbers appends the rows of memory, cpu, cpuset and pids.
func (p *Plan) compileNumbers(at plan.Pointer, r *specs.LinuxResources, h *Host) error {
	if err := checkMemory(at.Field("memory"), r.Memory); err != nil {
		return err
	}
	p.ignore(at.Field("memory"), r.Memory)
	for _, controller := range [...]string{"memory", "cpu", "cpuset", "pids"} {
		dir := h.holder(controller)
		v2 := h.Mode == Unified
		if dir >= 0 {
			v2 = h.Hierarchies[dir].V2
		}
		for _, l := range limits(controller, v2, r) {
			if l.value == "" || dir < 0 && l.flags&reused != 0 {
				continue
			}
			at := at.Field(l.group).Field(l.field)
			switch {
			case dir < 0:
				return h.missing(at, controller)
			case l.flags&refused != 0:
				return noSuchLimit(at)
			case strings.TrimSpace(l.value) == "":
				return &plan.Error{At: at, Err: errors.New("must not be blank: the kernel takes that for an empty list")}
			}
			p.Rows = append(p.Rows, Row{At: at, Dir: dir, Controller: controller, File: l.file, Value: l.value, ReadBack: l.readBack,
				Reused: l.flags&reused != 0, IfThere: l.flags&ifThere != 0})
		}
	}
	return nil
}

// controller is the index of the hierarchy that has a controller, by its name
// on v1 and on v2, where some have none.
func (p *Plan) controller(at plan.Pointer, v1, v2 string, h *Host) (dir int, unified bool, err error) {
	for i := range h.Hierarchies {
		g := &h.Hierarchies[i]
		if !g.V2 && slices.Contains(g.Controllers, v1) {
			return i, false, nil
		}
		if g.V2 && slices.Contains(h.Controllers, v2) {
			return i, true, nil
		}
	}
	if v2 == "" && h.Mode == Unified {
		return 0, false, noSuchLimit(at)
	}
	if h.Mode != Unified {
		v2 = v1
	}
	return 0, false, h.missing(at, v2)
}

func (h *Host) missing(at plan.Pointer, controller string) error {
	return &plan.Error{At: at, Err: errors.New("cgroup controller " + controller + " is not available"), Hint: h.offers()}
}

func noSuchLimit(at plan.Pointer) error {
	return &plan.Error{At: at, Err: errors.New("cgroup v2 has no such limit")}
}

func limits(controller string, v2 bool, r *specs.LinuxResources) []limit {
	m, c, pids := r.Memory, r.CPU, r.Pids
	if m == nil {
		m = &specs.LinuxMemory{}
	}
	if c == nil {
		c = &specs.LinuxCPU{}
	}
	if pids == nil {
		pids = &specs.LinuxPids{}
	}
	switch {
	case controller == "memory" && v2:
		return memoryV2(m)
	case controller == "memory":
		return memoryV1(m)
	case controller == "cpu" && v2:
		return cpuV2(c)
	case controller == "cpu":
		return cpuV1(c)
	case controller == "cpuset":
		return cpuset(c)
	}
	return []limit{{"pids", "limit", "pids", "pids.max", pidsMax(pids), Exact, 0}}
}

// offers is the hint of a missing controller.
func (h *Host) offers() string {
	if h.Disabled {
		return "--cgroup-manager=disabled leaves the container in the caller's cgroup, without limits of its own"
	}
	if h.Mode == None {
		return "no cgroup hierarchy is mounted at " + mountpoint + "; " + without
	}
	var names []string
	for i := range h.Hierarchies {
		names = append(names, h.Hierarchies[i].Controllers...)
	}
	names = append(names, h.Controllers...)
	slices.Sort(names)
	return "this host has " + strings.Join(names, ", ")
}
