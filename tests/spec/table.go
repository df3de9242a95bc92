// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"strings"
)

// Row is what docs/spec.md says of a field. Does and Kernel are written by
// hand, Tests are the names of those that are marked with the field.
type Row struct {
	Does, Kernel string
}

const header = "| field | what corten does | kernel | tests |\n|---|---|---|---|\n"

// Rows reads the table's hand-written columns: by field.
func Rows(text string) (map[string]Row, error) {
	rows := map[string]Row{}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) < 3 {
			return nil, fmt.Errorf("a row has too few columns: %s", line)
		}
		field := strings.Trim(cells[0], "| `")
		if _, twice := rows[field]; twice {
			return nil, fmt.Errorf("two rows for %s", field)
		}
		rows[field] = Row{strings.TrimSpace(cells[1]), strings.Trim(cells[2], "| ")}
	}
	return rows, nil
}

// Table writes docs/spec.md anew: its introduction as it is, then a section
// for each part of config.json, a row for each field in the order of specs-go.
func Table(text string, rows map[string]Row, tests map[string][]Test) string {
	intro, _, _ := strings.Cut(text, "\n## ")
	var out strings.Builder
	out.WriteString(strings.TrimRight(intro, "\n") + "\n")
	sections, order := map[string][]string{}, []string(nil)
	for _, field := range Fields() {
		s := sectionOf(field)
		if sections[s] == nil {
			order = append(order, s)
		}
		sections[s] = append(sections[s], field)
	}
	for _, s := range order {
		out.WriteString("\n## " + s + "\n\n" + header)
		for _, field := range sections[s] {
			r := rows[field]
			fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", field, r.Does, r.Kernel, names(tests[field]))
		}
	}
	return out.String()
}

func names(tests []Test) string {
	var list []string
	for _, t := range tests {
		list = append(list, t.Name)
	}
	return strings.Join(list, ", ")
}

// sectionOf is the heading a field stands under: the part of config.json.
func sectionOf(field string) string {
	parts := strings.Split(strings.NewReplacer("[]", "", "{}", "").Replace(field), ".")
	switch {
	case len(parts) == 1 && parts[0] != "annotations" || parts[0] == "root":
		return "top level"
	case parts[0] == "linux" && len(parts) > 2 && parts[1] == "resources":
		return strings.Join(parts[:3], ".")
	case parts[0] == "linux" && len(parts) > 2:
		return "linux." + parts[1]
	}
	return parts[0]
}
