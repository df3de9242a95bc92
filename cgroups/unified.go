// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"corten/nsenter/plan"
)

// compileUnified lists linux.resources.unified: any file of v2 by its name, a
// row for each line of its value. It comes last and wins over the other fields.
func (p *Plan) compileUnified(at plan.Pointer, unified map[string]string, h *Host) error {
	for _, file := range slices.Sorted(maps.Keys(unified)) {
		at := at.Field(file)
		if err := checkFile(at, file); err != nil {
			return err
		}
		controller, _, _ := strings.Cut(file, ".")
		dir := h.unified()
		if controller == "cgroup" {
			controller = ""
		}
		if dir < 0 || controller != "" && !slices.Contains(h.Controllers, controller) {
			return &plan.Error{At: at, Err: errors.New("cgroup v2 controller " + controller + " is not available"), Hint: h.offers()}
		}
		for line := range strings.SplitSeq(strings.TrimRight(unified[file], "\n"), "\n") {
			row := Row{At: at, Dir: dir, Controller: controller, File: file, Value: line}
			if number := strings.Trim(line, "0123456789") == ""; number && (controller == "memory" || controller == "hugetlb") {
				row.ReadBack = Bytes
			}
			p.Rows = append(p.Rows, row)
		}
	}
	return nil
}

// checkFile refuses names that lead to another cgroup (runc #4103) and the
// files of cgroups themselves that are the runtime's business, not limits.
func checkFile(at plan.Pointer, file string) error {
	controller, name, found := strings.Cut(file, ".")
	if !found || controller == "" || name == "" || strings.ContainsFunc(file, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	}) {
		return &plan.Error{At: at, Err: errors.New("not the name of a cgroup file"), Hint: "it is the controller's name, a dot and the rest, such as memory.high"}
	}
	if controller == "cgroup" && !strings.HasPrefix(name, "max.") && name != "pressure" {
		return &plan.Error{At: at, Err: errors.New("not a limit: the runtime itself uses this file")}
	}
	return nil
}

// unified is the index of the v2 hierarchy, -1 for none.
func (h *Host) unified() int {
	return slices.IndexFunc(h.Hierarchies, func(g Hierarchy) bool { return g.V2 })
}
