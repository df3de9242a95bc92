// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"os"
	"slices"
	"testing"
)

func TestHierarchies(t *testing.T) {
	const own = "12:cpu,cpuacct:/a\n7:freezer:/f\n5:name=elogind:/s\n3:perf_event:/\n0::/user.slice/x:y\n"
	const mounts = `24 1 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw
30 24 0:30 / /mnt/fr\040ozen rw - cgroup cgroup rw,freezer
31 24 0:30 / /sys/fs/cgroup/freezer rw shared:9 master:2 - cgroup cgroup rw,freezer
32 24 0:31 /docker/1 /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 24 0:32 / /sys/fs/cgroup/elogind rw - cgroup cgroup rw,xattr,name=elogind
34 24 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
35 24 0:34 / /cgroupfs rw - ext4 /dev/vda rw
`
	mode, all := hierarchies(own, mounts)
	want := []Hierarchy{
		{Mount: "/sys/fs/cgroup/freezer", Controllers: []string{"freezer"}, Own: "/f", Root: "/"},
		{Mount: "/sys/fs/cgroup/cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}, Own: "/a", Root: "/docker/1"},
		{Mount: "/sys/fs/cgroup/elogind", Name: "elogind", Own: "/s", Root: "/"},
		{Mount: "/sys/fs/cgroup/unified", V2: true, Own: "/user.slice/x:y", Root: "/"},
	}
	if mode != Hybrid || len(all) != len(want) {
		t.Fatalf("%v, %+v", mode, all)
	}
	for i, h := range all {
		w := want[i]
		if h.Mount != w.Mount || h.Name != w.Name || h.Own != w.Own || h.Root != w.Root || h.V2 != w.V2 || !slices.Equal(h.Controllers, w.Controllers) {
			t.Errorf("got %+v, want %+v", h, w)
		}
	}
	for _, test := range []struct {
		own, mounts string
		mode        Mode
	}{
		{own, "", None},
		{"", mounts, None},
		{own, "30 24 0:30 / /x rw - cgroup cgroup rw,freezer\n", Legacy},
		{own, "30 24 0:30 / /x rw - cgroup2 cgroup2 rw\n", Unified},
	} {
		if mode, _ := hierarchies(test.own, test.mounts); mode != test.mode {
			t.Errorf("%q: %v, want %v", test.mounts, mode, test.mode)
		}
	}
}

func TestProbe(t *testing.T) {
	h := probed(t)
	for _, g := range h.Hierarchies {
		if fd, err := openMount(g.Mount, g.V2); err != nil {
			t.Error(err)
		} else if g.Own == "" || g.Root == "" {
			t.Errorf("%+v", g)
		} else {
			os.NewFile(uintptr(fd), g.Mount).Close()
		}
	}
	if n := len(h.Hierarchies); n > 0 && slices.ContainsFunc(h.Hierarchies[:n-1], func(g Hierarchy) bool { return g.V2 }) {
		t.Error("v2 is not the last")
	}
}

func TestProbeUnified(t *testing.T) {
	if !inView(t, "unified") {
		return
	}
	h := probed(t)
	if h.Mode != Unified || len(h.Hierarchies) != 1 || h.Hierarchies[0].Mount != mountpoint || h.Hierarchies[0].Own == "" {
		t.Errorf("%+v", h)
	}
}

func TestProbeLegacy(t *testing.T) {
	needHybrid(t)
	if !inView(t, "legacy") {
		return
	}
	if h := probed(t); h.Mode != Legacy || len(h.Controllers) != 0 || !slices.Contains(h.Hierarchies[0].Controllers, "freezer") {
		t.Errorf("%+v", h)
	}
}

func TestProbeNone(t *testing.T) {
	if !inView(t, "none") {
		return
	}
	if h := probed(t); h.Mode != None || len(h.Hierarchies) != 0 {
		t.Errorf("%+v", h)
	}
}

func BenchmarkProbe(b *testing.B) {
	for b.Loop() {
		if _, err := Probe(); err != nil {
			b.Fatal(err)
		}
	}
}
