// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"html"
	"os"
	"strings"
)

// result is a bar of the plot: a task's median of one contender, in ms.
type result struct {
	task, contender string
	median          float64
}

// Measures of the plot, in pixels.
const (
	width  = 760
	left   = 60 // of the bars
	bar    = 14
	gap    = 22 // above a task, for its name
	beside = 90 // right of the longest bar, for its number
)

// colors of the contenders, in the order of their first bars.
var colors = [...]string{"#9aa5b1", "#1f7a4d", "#3b6ea8", "#b5762a", "#7a4f9a", "#555555"}

// plot writes the results as a bar chart in SVG, a group of bars a task, each
// group to its own scale.
func plot(file string, results []result) error {
	var b strings.Builder
	y, color := 0, map[string]string{}
	for i, r := range results {
		if i == 0 || results[i-1].task != r.task {
			y += gap
			fmt.Fprintf(&b, `<text x="0" y="%d" font-weight="bold">%s</text>`+"\n", y-5, html.EscapeString(r.task))
		}
		if color[r.contender] == "" {
			color[r.contender] = colors[len(color)%len(colors)]
		}
		long := (width - left - beside) * r.median / longest(results, r.task)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, left-6, y+bar-3, html.EscapeString(r.contender))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, left, y, max(1, long), bar-3, color[r.contender])
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%.2f ms</text>`+"\n", left+long+6, y+bar-3, r.median)
		y += bar
	}
	return os.WriteFile(file, []byte(picture(y, b.String())), 0o644)
}

// picture is an SVG document so many pixels high.
func picture(height int, content string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n"+
		`<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n%s</svg>\n", width, height+8, content)
}

func longest(results []result, task string) (most float64) {
	for _, r := range results {
		if r.task == task {
			most = max(most, r.median)
		}
	}
	return most
}
