// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"corten/tests/bundle"
)

// sample is how many points are visited unless more are asked for.
const sample = 600

// found are points where something was left, or hung: they are in every sample.
// The state directory could not be opened, nor the boot id; the lock not be let
// go; the executor ended between its fork and the record of it, or stopped before
// there was a state; one freezer was taken for another.
var found = regexp.MustCompile(`^(create runtime EIO at openat \d+|run --detach runtime E\w+ at flock 2|exec executor \w+ at write 1|create, rich executor STOP at (read|write|clone) 1|pause runtime EIO at faccessat \d)$`)

// visit is a point with its command.
type visit struct {
	*command
	point
}

func TestNoFaultLeavesAnythingBehind(t *testing.T) {
	bundle.NeedCorten(t)
	in := newInjector(t)
	sites := map[bool]*site{false: newSite(t, in), true: newRichSite(t, in)}
	var all []visit
	for i := range commands {
		for _, p := range sites[commands[i].rich].record(&commands[i]) {
			all = append(all, visit{&commands[i], p})
		}
	}
	fmt.Printf("%d points\n", len(all))
	descriptors := open(t)
	for i, v := range chosen(t, all) {
		if sites[v.rich].visit(v.command, v.point); i%250 == 249 {
			fmt.Printf("%v, at %v\n", counted(sites), v.point)
		}
	}
	fmt.Println(counted(sites))
	if now := open(t); now != descriptors {
		t.Errorf("the tests have %d descriptors, and had %d", now, descriptors)
	}
}

// counted is the result of all sites.
func counted(sites map[bool]*site) string {
	points, leaks, hangs := 0, 0, 0
	for _, s := range sites {
		points, leaks, hangs = points+s.points, leaks+s.leaks, hangs+s.hangs
	}
	return fmt.Sprintf("points: %d, leaks: %d, hangs: %d", points, leaks, hangs)
}

// record runs a command whole, once for each side, and lists its points.
func (s *site) record(c *command) (all []point) {
	s.t.Helper()
	for _, side := range [...]string{"runtime", "executor"} {
		for _, line := range c.before {
			s.must(point{command: c.name}, line)
		}
		pid := 0
		if c.attached {
			pid = s.b.State().PID
		}
		file := s.b.Home + "/calls"
		if r := s.run(s.in.recording(side, pid, file), c.line); r.status != 0 {
			s.t.Fatalf("%s: exit status %d: %s", c.name, r.status, r.text)
		}
		s.clean(point{command: c.name, side: side})
		all = append(all, points(c.name, side, s.in.calls(s.t, file))...)
	}
	return all
}

// chosen are the points that $CORTEN_FAULTS asks for, of those the ones of the
// part. Of a sample, every n-th; for each commit others.
func chosen(t *testing.T, all []visit) (some []visit) {
	t.Helper()
	which, stride, begin, part, parts := os.Getenv("CORTEN_FAULTS"), 1, uint32(0), 0, 1
	if _, err := fmt.Sscanf(os.Getenv("CORTEN_FAULTS_PART"), "%d/%d", &part, &parts); err != nil {
		part, parts = 0, 1
	}
	if which == "" || which == "sample" {
		stride, begin = max(len(all)/sample, 1), seed(t)
	}
	if which == "sample" || which == "all" {
		which = ""
	}
	names := regexp.MustCompile(which)
	for _, v := range all {
		// By name, not by place: a recording can be longer than another.
		h := begin + hash(v.point.String())
		if !names.MatchString(v.point.String()) || h%uint32(parts) != uint32(part) {
			continue
		}
		if h/uint32(parts)%uint32(stride) == 0 || found.MatchString(v.point.String()) {
			some = append(some, v)
		}
	}
	return some
}

func hash(text string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(text))
	return h.Sum32()
}

// seed is another number for each commit.
func seed(t *testing.T) uint32 {
	out, err := exec.Command(bundle.Runtime(t), "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "commit") {
			return hash(line)
		}
	}
	return 0
}

// open is the number of this process's descriptors.
func open(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
