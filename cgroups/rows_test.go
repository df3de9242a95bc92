// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"fmt"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		row  Row
		got  string
		same bool
	}{
		{Row{Value: "50", ReadBack: Exact}, "50", true},
		{Row{Value: "1", ReadBack: Exact}, "2", false},
		{Row{Value: "10000000", ReadBack: Bytes}, "9998336", true},
		{Row{Value: "10000000", ReadBack: Bytes}, "0", false},
		{Row{Value: "-1", ReadBack: Bytes}, "9223372036854771712", true},
		{Row{Value: "max", ReadBack: Bytes}, "max", true},
		{Row{Value: "9223372036854775807", ReadBack: Bytes}, "max", true},
		{Row{Value: "0,1, 2", ReadBack: List}, "0-2", true},
		{Row{Value: "0-3", ReadBack: List}, "0-2", false},
		{Row{Value: "0-30:1/2", ReadBack: List}, "0,2,4", true}, // left to the kernel
		{Row{Value: "0-99999999999", ReadBack: List}, "0", true},
	} {
		test.row.File = "file"
		if err := test.row.compare(-1, test.got); (err == nil) != test.same {
			t.Errorf("%q read back as %q: %v", test.row.Value, test.got, err)
		}
	}
}

func ExampleCompile() {
	limit, pids := int64(10<<20), int64(50)
	p, _ := Compile(&specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}},
		Memory:  &specs.LinuxMemory{Limit: &limit, Swap: &limit},
		Pids:    &specs.LinuxPids{Limit: &pids},
	}}}, "box", unifiedHost("memory", "pids"))
	fmt.Println("mkdir", p.Dirs[0].Path)
	for i := range p.Rows {
		fmt.Printf("%-24s %s\n", &p.Rows[i], p.Rows[i].At)
	}
	// Output:
	// mkdir /sys/fs/cgroup/user.slice/box
	// device program = allow   /linux/resources/devices
	// memory.swap.max = 0      /linux/resources/memory/swap
	// memory.max = 10485760    /linux/resources/memory/limit
	// pids.max = 50            /linux/resources/pids/limit
}
