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

// The limits whose subject has a name: page sizes, adapters, interfaces.

// compileHugetlb limits the pages in use and, where the kernel can (5.7), those
// reserved, which is what makes a payload over the limit fail in mmap(2) and
// not die of SIGBUS.
func (p *Plan) compileHugetlb(at plan.Pointer, limits []specs.LinuxHugepageLimit, h *Host) error {
	for i, l := range limits {
		at := at.Index(i)
		size, ok := pageSize(l.Pagesize)
		if !ok {
			return &plan.Error{At: at.Field("pageSize"), Err: errors.New(strconv.Quote(l.Pagesize) + " is no page size"), Hint: "sizes are such as 64KB, 2MB, 1GB"}
		}
		at = at.Field("limit")
		dir, v2, err := p.controller(at, "hugetlb", "hugetlb", h)
		if err != nil {
			return err
		}
		row := Row{At: at, Dir: dir, Controller: "hugetlb", Value: strconv.FormatUint(l.Limit/size*size, 10), ReadBack: Exact}
		file, unlimited := "limit_in_bytes", "-1"
		if v2 {
			file, unlimited = "max", "max"
		}
		if l.Limit > math.MaxInt64 {
			row.Value, row.ReadBack = unlimited, NoReadBack
		}
		reserved := row
		row.File, reserved.File = "hugetlb."+l.Pagesize+"."+file, "hugetlb."+l.Pagesize+".rsvd."+file
		reserved.IfThere = true
		p.Rows = append(p.Rows, row, reserved)
	}
	return nil
}

// pageSize reads the kernel's own way to write one; it becomes part of a
// file's name (runc #4103).
func pageSize(s string) (bytes uint64, ok bool) {
	if len(s) < 3 || s[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:len(s)-2], 10, 16)
	if err != nil || s[0] == '+' {
		return 0, false
	}
	switch s[len(s)-2:] {
	case "KB":
		return n << 10, true
	case "MB":
		return n << 20, true
	case "GB":
		return n << 30, true
	}
	return 0, false
}

func (p *Plan) compileRdma(at plan.Pointer, adapters map[string]specs.LinuxRdma, h *Host) error {
	for _, name := range slices.Sorted(maps.Keys(adapters)) {
		at, l := at.Field(name), adapters[name]
		if !isWord(name) {
			return &plan.Error{At: at, Err: errors.New("not the name of an adapter")}
		}
		value := name
		if l.HcaHandles != nil {
			value += " hca_handle=" + strconv.FormatUint(uint64(*l.HcaHandles), 10)
		}
		if l.HcaObjects != nil {
			value += " hca_object=" + strconv.FormatUint(uint64(*l.HcaObjects), 10)
		}
		if value == name {
			continue
		}
		dir, _, err := p.controller(at, "rdma", "rdma", h)
		if err != nil {
			return err
		}
		p.Rows = append(p.Rows, Row{At: at, Dir: dir, Controller: "rdma", File: "rdma.max", Value: value, ReadBack: Line})
	}
	return nil
}

// compileNetwork marks packets, which on v2 is the business of BPF.
func (p *Plan) compileNetwork(at plan.Pointer, n *specs.LinuxNetwork, h *Host) error {
	if n == nil {
		return nil
	}
	if n.ClassID != nil && *n.ClassID != 0 {
		at := at.Field("classID")
		dir, _, err := p.controller(at, "net_cls", "", h)
		if err != nil {
			return err
		}
		p.Rows = append(p.Rows, Row{At: at, Dir: dir, Controller: "net_cls", File: "net_cls.classid", Value: strconv.FormatUint(uint64(*n.ClassID), 10), ReadBack: Exact})
	}
	for i, priority := range n.Priorities {
		at := at.Field("priorities").Index(i)
		if !isWord(priority.Name) {
			return &plan.Error{At: at.Field("name"), Err: errors.New("not the name of an interface")}
		}
		at = at.Field("priority")
		dir, _, err := p.controller(at, "net_prio", "", h)
		if err != nil {
			return err
		}
		p.Rows = append(p.Rows, Row{At: at, Dir: dir, Controller: "net_prio", File: "net_prio.ifpriomap",
			Value: priority.Name + " " + strconv.FormatUint(uint64(priority.Priority), 10), ReadBack: Line})
	}
	return nil
}

// isWord says whether s can be the first word of a line that the kernel reads.
func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' })
}
