// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"html"
	"os"
	"strings"
)

// event is a complete event of corten's --trace.
type event struct {
	Name, Cat string
	Ts, Dur   float64 // microseconds
}

// timeline draws the trace of one command: a row a phase of the runtime, with
// the executor's steps, too short for names, in a row below.
func timeline(trace, file string) error {
	events, err := readTrace(trace)
	if err != nil {
		return err
	}
	first, last := events[0].Ts, 0.0
	for _, e := range events {
		first, last = min(first, e.Ts), max(last, e.Ts+e.Dur)
	}
	const names = 190 // pixels left of the time axis
	x := func(t float64) float64 { return names + (width-names-beside)*(t-first)/(last-first) }
	var b strings.Builder
	y := 8
	row := func(e *event, name, color string) {
		fmt.Fprintf(&b, `<rect x="%.2f" y="%d" width="%.2f" height="%d" fill="%s"><title>%s: %.0f µs</title></rect>`+"\n",
			x(e.Ts), y, max(0.4, x(e.Ts+e.Dur)-x(e.Ts)), bar-3, color, html.EscapeString(e.Name), e.Dur)
		if name != "" {
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text><text x="%.2f" y="%d">%.0f µs</text>`+"\n",
				names-8, y+bar-4, html.EscapeString(name), x(e.Ts+e.Dur)+4, y+bar-4, e.Dur)
		}
	}
	steps := 0
	for i := range events {
		if events[i].Cat == "runtime" {
			row(&events[i], events[i].Name, colors[1])
			y += bar
		}
	}
	for i := range events {
		if events[i].Cat == "executor" {
			row(&events[i], "", colors[2+steps%2])
			steps++
		}
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">the executor's %d steps</text>`+"\n", names-8, y+bar-4, steps)
	return os.WriteFile(file, []byte(picture(y+bar, b.String())), 0o644)
}
