// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"math"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// named asks for a limit of every kind whose subject has a name.
func named() *specs.LinuxResources {
	disk := func(minor, rate int64) []specs.LinuxThrottleDevice {
		d := specs.LinuxThrottleDevice{Rate: uint64(rate)}
		d.Major, d.Minor = 8, minor
		return []specs.LinuxThrottleDevice{d}
	}
	weighted := specs.LinuxWeightDevice{Weight: ptr(uint16(1000))}
	weighted.Major = 8
	return &specs.LinuxResources{
		BlockIO: &specs.LinuxBlockIO{Weight: ptr(uint16(500)), WeightDevice: []specs.LinuxWeightDevice{weighted},
			ThrottleReadBpsDevice: disk(1, 100), ThrottleWriteBpsDevice: disk(2, 0), ThrottleReadIOPSDevice: disk(3, 30), ThrottleWriteIOPSDevice: disk(4, 40)},
		HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 5 << 20}, {Pagesize: "1GB", Limit: math.MaxUint64}},
		Rdma:           map[string]specs.LinuxRdma{"mlx5_1": {HcaHandles: ptr(uint32(3)), HcaObjects: ptr(uint32(10))}, "a": {HcaObjects: ptr(uint32(0))}},
	}
}

// limitRows are the rows without those of the devices.
func limitRows(t *testing.T, h *Host, r *specs.LinuxResources) []string {
	t.Helper()
	return slices.DeleteFunc(rows(t, h, r), func(row string) bool { return strings.HasPrefix(row, "devices") })
}

func TestNamedLimitsV1(t *testing.T) {
	r := named()
	r.Network = &specs.LinuxNetwork{ClassID: ptr(uint32(0x100001)), Priorities: []specs.LinuxInterfacePriority{{Name: "eth0", Priority: 7}}}
	r.BlockIO.LeafWeight = ptr(uint16(20))
	want := []string{
		"blockIO/weight: blkio.weight = 500, or blkio.bfq.weight = 500",
		"blockIO/leafWeight: blkio.leaf_weight = 20",
		"blockIO/weightDevice/0/weight: blkio.weight_device = 8:0 1000, or blkio.bfq.weight_device = 8:0 1000",
		"blockIO/throttleReadBpsDevice/0/rate: blkio.throttle.read_bps_device = 8:1 100",
		"blockIO/throttleWriteBpsDevice/0/rate: blkio.throttle.write_bps_device = 8:2 0",
		"blockIO/throttleReadIOPSDevice/0/rate: blkio.throttle.read_iops_device = 8:3 30",
		"blockIO/throttleWriteIOPSDevice/0/rate: blkio.throttle.write_iops_device = 8:4 40",
		"hugepageLimits/0/limit: hugetlb.2MB.limit_in_bytes = 4194304",
		"hugepageLimits/0/limit: hugetlb.2MB.rsvd.limit_in_bytes = 4194304",
		"hugepageLimits/1/limit: hugetlb.1GB.limit_in_bytes = -1",
		"hugepageLimits/1/limit: hugetlb.1GB.rsvd.limit_in_bytes = -1",
		"network/classID: net_cls.classid = 1048577",
		"network/priorities/0/priority: net_prio.ifpriomap = eth0 7",
		"rdma/a: rdma.max = a hca_object=0",
		"rdma/mlx5_1: rdma.max = mlx5_1 hca_handle=3 hca_object=10",
	}
	wantRows(t, limitRows(t, legacyHost("blkio", "hugetlb", "net_cls", "net_prio", "rdma"), r), strings.Join(want, "\n"))
}

func TestNamedLimitsV2(t *testing.T) {
	r := named()
	r.Unified = map[string]string{"memory.high": "1048576", "io.max": "8:0 rbps=1\n8:1 rbps=2\n", "cgroup.max.depth": "3"}
	want := []string{
		"blockIO/weight: io.bfq.weight = 500, or io.weight = 4950",
		"blockIO/weightDevice/0/weight: io.bfq.weight = 8:0 1000, or io.weight = 8:0 10000",
		"blockIO/throttleReadBpsDevice/0/rate: io.max = 8:1 rbps=100",
		"blockIO/throttleWriteBpsDevice/0/rate: io.max = 8:2 wbps=max",
		"blockIO/throttleReadIOPSDevice/0/rate: io.max = 8:3 riops=30",
		"blockIO/throttleWriteIOPSDevice/0/rate: io.max = 8:4 wiops=40",
		"hugepageLimits/0/limit: hugetlb.2MB.max = 4194304",
		"hugepageLimits/0/limit: hugetlb.2MB.rsvd.max = 4194304",
		"hugepageLimits/1/limit: hugetlb.1GB.max = max",
		"hugepageLimits/1/limit: hugetlb.1GB.rsvd.max = max",
		"rdma/a: rdma.max = a hca_object=0",
		"rdma/mlx5_1: rdma.max = mlx5_1 hca_handle=3 hca_object=10",
		"unified/cgroup.max.depth: cgroup.max.depth = 3",
		"unified/io.max: io.max = 8:0 rbps=1",
		"unified/io.max: io.max = 8:1 rbps=2",
		"unified/memory.high: memory.high = 1048576",
	}
	wantRows(t, limitRows(t, unifiedHost("io", "hugetlb", "rdma", "memory"), r), strings.Join(want, "\n"))
}

// P5, C11 (runc #4103): no name leads to another file.
func TestNamesThatAreNone(t *testing.T) {
	h := unifiedHost("io", "hugetlb", "rdma", "memory")
	bad := map[string]*specs.LinuxResources{}
	for _, size := range []string{"", "MB", "2", "2mb", "02MB", "+2MB", "../2MB", "2MB/..", "2MB\n", "2 MB", "99999MB", "-2MB"} {
		bad["hugepageLimits/0/pageSize "+size] = &specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: size}}}
	}
	for _, name := range []string{"", "a b", "a\nb", "../a", "a\x00"} {
		bad["rdma "+name] = &specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{name: {}}}
	}
	for _, name := range []string{"", "memory", ".high", "memory.", "../memory.high", "memory.high/..", "memory.hi gh", "memory.high\n",
		"cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze", "cgroup.type", "cgroup.subtree_control", "pids.max"} {
		bad["unified "+name] = &specs.LinuxResources{Unified: map[string]string{name: "1"}}
	}
	for name, r := range bad {
		p, err := Compile(&specs.Spec{Linux: &specs.Linux{Resources: r}}, "ID", h)
		field, _, _ := strings.Cut(name, " ")
		if err == nil || !strings.Contains(err.Error(), "/linux/resources/"+field) {
			t.Errorf("%q: %v, %v", name, p, err)
		}
	}
}
