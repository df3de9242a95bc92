// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"corten/tests/bundle"
)

// machine is what runs could use up, of the whole machine but for the mounts and
// processes, which are those of the tests.
type machine struct{ files, kilobytes, mounts, processes int }

func lookAtMachine(b *bundle.Bundle) (m machine) {
	number := func(text, before string) int {
		_, text, _ = strings.Cut(text, before)
		n, _ := strconv.Atoi(strings.Fields(text)[0])
		return n
	}
	memory := b.Text("/proc/meminfo")
	m.files = number(b.Text("/proc/sys/fs/file-nr"), "")
	m.kilobytes = number(memory, "MemTotal:") - number(memory, "MemAvailable:")
	m.mounts = strings.Count(b.Text("/proc/self/mountinfo"), "\n")
	m.processes = len(bundle.Processes())
	return m
}

// CORTEN_RUNS is how many there are, 200 without it, a fortieth of them at once. A
// leak of a descriptor or of a KiB at each is told from what else the machine does
// from 5,000 on.
func TestManyRunsLeaveTheMachineAsItWas(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("CORTEN_RUNS"))
	if err != nil {
		n = 200
	}
	b := bundle.New(t, bundle.Args("true"))
	runs := func(many int) {
		var next atomic.Int64
		together(max(n/40, 1), func(int) {
			for i := next.Add(1); i <= int64(many); i = next.Add(1) {
				if out, status := command(b, "run", "--bundle", b.Dir, fmt.Sprintf("%s-%d", b.ID, i)); status != 0 {
					t.Errorf("run %d: exit status %d: %s", i, status, out)
				}
			}
		})
	}
	runs(n / 10) // caches, and what Go's tests keep
	before := lookAtMachine(b)
	runs(n)
	var after machine
	flat := func() bool {
		after = lookAtMachine(b)
		return after.mounts == before.mounts && after.processes <= before.processes &&
			(n < 5000 || after.files < before.files+n/10 && after.kilobytes < before.kilobytes+n)
	}
	if !bundle.Eventually(flat) {
		t.Errorf("%d runs: before %+v, after %+v", n, before, after)
	}
	t.Logf("%d runs: before %+v, after %+v", n, before, after)
}
