// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"corten/tests/bundle"
)

// compared are the commands whose end at every call is compared.
var compared = []string{"create", "run"}

// TestKilledAtEveryCallComparedWithPeers kills runtimes at every system call of
// create and run and counts after which of them `delete --force` leaves
// something. $RUNTIMES is such as "corten=./corten runc=/usr/sbin/runc".
// All see control groups of version 1 alone: crun refuses both at once.
func TestKilledAtEveryCallComparedWithPeers(t *testing.T) {
	runtimes := os.Getenv("RUNTIMES")
	if runtimes == "" {
		t.Skip("RUNTIMES names no runtime to compare")
	}
	in := newInjector(t)
	fmt.Printf("%-8s %-14s %7s %7s %7s %13s\n", "runtime", "command", "points", "leaks", "hangs", "delete failed")
	for pair := range strings.FieldsSeq(runtimes) {
		name, path, _ := strings.Cut(pair, "=")
		s := newSite(t, in)
		s.b.Uses(path)
		if slices.Contains(bundle.Views(), bundle.V1) {
			s.b.View = bundle.V1
		}
		for i := range commands {
			if c := &commands[i]; slices.Contains(compared, c.name) {
				s.points, s.leaks, s.hangs, s.others = 0, 0, 0, 0
				s.sweepKilled(c)
				fmt.Printf("%-8s %-14s %7d %7d %7d %13d\n", name, c.name, s.points, s.leaks, s.hangs, s.others)
			}
		}
	}
}

// sweepKilled counts, and fails nothing: it is the peers' own business.
func (s *site) sweepKilled(c *command) {
	file := s.b.Home + "/calls"
	if r := s.run(s.in.recording("runtime", 0, file), c.line); r.status != 0 {
		s.t.Fatalf("%s: exit status %d: %s", c.name, r.status, r.text)
	}
	s.run(nil, "delete --force ID")
	s.repair()
	reached := s.b.Home + "/reached"
	for _, p := range points(c.name, "runtime", s.in.calls(s.t, file)) {
		if p.fault != "KILL" {
			continue
		}
		s.run(s.in.injecting(p, 0, reached), c.line)
		if os.Remove(reached) == nil {
			s.points++
		}
		switch r := s.run(nil, "delete --force ID"); {
		case r.hung:
			s.hangs++
		case r.status != 0:
			s.others++
		}
		if len(s.left(time.Second)) > 0 {
			s.leaks++
			s.repair()
		}
	}
}
