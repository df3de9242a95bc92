// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"testing"
	"time"
)

// X2: a killed process of a frozen v1 cgroup dies once it is released, also
// when the cgroup above is frozen as well.
func TestRelease(t *testing.T) {
	h := needV1(t, "freezer")
	for _, frozenAbove := range []bool{false, true} {
		above, _ := applied(t, h, "/corten-above", nil)
		c, _ := applied(t, h, "/corten-above/leaf", nil)
		cmd := started(t, c, "exec sleep 20")
		eventually(t, "a process", func() bool { pids, _ := c.Procs(); return len(pids) == 1 })
		for _, f := range map[bool][]*Cgroup{false: {c}, true: {c, above}}[frozenAbove] {
			if err := f.Freeze(); err != nil {
				t.Fatal(err)
			}
			defer f.Thaw()
		}
		if is, err := c.Freezing(); !is || err != nil {
			t.Errorf("freezing %v, %v", is, err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := c.Release(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Fatal("a killed process of a frozen cgroup does not die after its release")
		}
		if is, _ := c.Frozen(); !is {
			t.Error("the cgroup has been thawed")
		}
		for _, f := range []*Cgroup{above, c} {
			if err := f.Thaw(); err != nil {
				t.Error(err)
			}
		}
		removed(t, c)
		removed(t, above)
	}
}
