// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// phases prints where corten's own time of a run goes, as --trace has it, in
// medians, and how much of the time from fork to wait that accounts for.
func (b *bench) phases(c *contender, rounds int) error {
	var names []string
	times := map[string][]time.Duration{}
	add := func(name string, d time.Duration) {
		if times[name] == nil {
			names = append(names, name)
		}
		times[name] = append(times[name], d)
	}
	var batches [][][]string
	trace := func(round int) string { return filepath.Join(b.dir, fmt.Sprintf("trace-%d", round)) }
	for round := range 2 + rounds { // two to warm up
		batches = append(batches, [][]string{{c.path, "--root", c.root, "--trace", trace(round), "run", "--bundle", b.bundle("plain"), id(c, 0)}})
	}
	took, err := b.measure(1, batches...)
	if err != nil {
		return err
	}
	for round := 2; round < len(took); round++ {
		events, err := readTrace(trace(round))
		if err != nil {
			return err
		}
		var all time.Duration
		for _, e := range events {
			if e.Cat == "runtime" {
				d := time.Duration(e.Dur * float64(time.Microsecond))
				add(e.Name, d)
				all += d
			}
		}
		add("all phases", all)
		add("fork to wait", took[round])
	}
	fmt.Printf("phases of corten run\n  %-32s %9s %9s\n", "ms", "median", "min")
	for _, name := range names {
		m := median(times[name])
		fmt.Printf("  %-32s %9.3f %9.3f\n", name, m, least(times[name]))
	}
	return nil
}

// readTrace reads what --trace wrote: a JSON array without its end.
func readTrace(file string) ([]event, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var events []event
	if err := json.Unmarshal([]byte(strings.TrimRight(string(text), ",\n ")+"]"), &events); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("%s: no events", file)
	}
	return events, nil
}
