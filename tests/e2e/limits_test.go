// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// limit is a field of linux.resources, the file of v1 or v2 that it is written
// to, and a word that the file must then have. A version without a file, and a
// kernel without the controller or its file, make the field an error.
type limit struct {
	field        string
	v1, v2       string // controller/file
	want1, want2 string
	set          func(*specs.LinuxResources)
}

func memory(set func(*specs.LinuxMemory)) func(*specs.LinuxResources) {
	return func(r *specs.LinuxResources) {
		r.Memory = new(specs.LinuxMemory)
		set(r.Memory)
	}
}

func cpu(set func(*specs.LinuxCPU)) func(*specs.LinuxResources) {
	return func(r *specs.LinuxResources) { r.CPU = new(specs.LinuxCPU); set(r.CPU) }
}

func blockIO(set func(*specs.LinuxBlockIO, int64, int64)) func(*specs.LinuxResources) {
	return func(r *specs.LinuxResources) {
		r.BlockIO = new(specs.LinuxBlockIO)
		major, minor := disk()
		set(r.BlockIO, major, minor)
	}
}

// disk is a whole disk of the machine, or 7:0, which need not exist.
func disk() (major, minor int64) {
	disks, _ := filepath.Glob("/sys/block/*/device/../dev")
	if len(disks) == 0 {
		return 7, 0
	}
	text, _ := os.ReadFile(disks[0])
	left, right, _ := strings.Cut(strings.TrimSpace(string(text)), ":")
	major, _ = strconv.ParseInt(left, 10, 64)
	minor, _ = strconv.ParseInt(right, 10, 64)
	return major, minor
}

func throttled(major, minor int64, rate uint64) []specs.LinuxThrottleDevice {
	d := specs.LinuxThrottleDevice{Rate: rate}
	d.Major, d.Minor = major, minor
	return []specs.LinuxThrottleDevice{d}
}

func weighted(major, minor int64, weight, leaf *uint16) []specs.LinuxWeightDevice {
	d := specs.LinuxWeightDevice{Weight: weight, LeafWeight: leaf}
	d.Major, d.Minor = major, minor
	return []specs.LinuxWeightDevice{d}
}

func pointer[T any](v T) *T { return bundle.Pointer(v) }

var limits = []limit{
	{"memory/limit", "memory/memory.limit_in_bytes", "memory/memory.max", "67108864", "67108864", memory(func(m *specs.LinuxMemory) { m.Limit = pointer[int64](64 << 20) })},
	{"memory/reservation", "memory/memory.soft_limit_in_bytes", "memory/memory.low", "16777216", "16777216",
		memory(func(m *specs.LinuxMemory) { m.Reservation = pointer[int64](16 << 20) })},
	{"memory/swap", "memory/memory.memsw.limit_in_bytes", "memory/memory.swap.max", "100663296", "33554432",
		memory(func(m *specs.LinuxMemory) { m.Limit, m.Swap = pointer[int64](64<<20), pointer[int64](96<<20) })},
	{"memory/swappiness", "memory/memory.swappiness", "", "33", "", memory(func(m *specs.LinuxMemory) { m.Swappiness = pointer[uint64](33) })},
	{"memory/disableOOMKiller", "memory/memory.oom_control", "", "oom_kill_disable 1", "", memory(func(m *specs.LinuxMemory) { m.DisableOOMKiller = pointer(true) })},
	{"memory/useHierarchy", "memory/memory.use_hierarchy", "", "", "", memory(func(m *specs.LinuxMemory) { m.UseHierarchy = pointer(false) })},
	{"cpu/shares", "cpu/cpu.shares", "cpu/cpu.weight", "512", "59", cpu(func(c *specs.LinuxCPU) { c.Shares = pointer[uint64](512) })},
	{"cpu/quota", "cpu/cpu.cfs_quota_us", "cpu/cpu.max", "20000", "20000", cpu(func(c *specs.LinuxCPU) { c.Quota = pointer[int64](20000) })},
	{"cpu/period", "cpu/cpu.cfs_period_us", "cpu/cpu.max", "50000", "50000", cpu(func(c *specs.LinuxCPU) { c.Period = pointer[uint64](50000) })},
	{"cpu/burst", "cpu/cpu.cfs_burst_us", "cpu/cpu.max.burst", "7000", "7000",
		cpu(func(c *specs.LinuxCPU) { c.Quota, c.Burst = pointer[int64](20000), pointer[uint64](7000) })},
	{"cpu/idle", "cpu/cpu.idle", "cpu/cpu.idle", "1", "1", cpu(func(c *specs.LinuxCPU) { c.Idle = pointer[int64](1) })},
	{"cpu/realtimePeriod", "cpu/cpu.rt_period_us", "", "500000", "", cpu(func(c *specs.LinuxCPU) { c.RealtimePeriod = pointer[uint64](500000) })},
	{"cpu/realtimeRuntime", "cpu/cpu.rt_runtime_us", "", "10", "", cpu(func(c *specs.LinuxCPU) { c.RealtimeRuntime = pointer[int64](10) })},
	{"cpu/cpus", "cpuset/cpuset.cpus", "cpuset/cpuset.cpus", "0", "0", cpu(func(c *specs.LinuxCPU) { c.Cpus = "0" })},
	{"cpu/mems", "cpuset/cpuset.mems", "cpuset/cpuset.mems", "0", "0", cpu(func(c *specs.LinuxCPU) { c.Mems = "0" })},
	{"pids/limit", "pids/pids.max", "pids/pids.max", "23", "23", func(r *specs.LinuxResources) { r.Pids = &specs.LinuxPids{Limit: pointer[int64](23)} }},
	{"blockIO/weight", "blkio/blkio.bfq.weight", "io/io.bfq.weight", "300", "300", blockIO(func(b *specs.LinuxBlockIO, _, _ int64) { b.Weight = pointer[uint16](300) })},
	{"blockIO/leafWeight", "blkio/blkio.leaf_weight", "", "300", "", blockIO(func(b *specs.LinuxBlockIO, _, _ int64) { b.LeafWeight = pointer[uint16](300) })},
	{"blockIO/weightDevice/0/weight", "blkio/blkio.bfq.weight_device", "io/io.bfq.weight", "200", "200",
		blockIO(func(b *specs.LinuxBlockIO, major, minor int64) {
			b.WeightDevice = weighted(major, minor, pointer[uint16](200), nil)
		})},
	{"blockIO/weightDevice/0/leafWeight", "blkio/blkio.leaf_weight_device", "", "200", "",
		blockIO(func(b *specs.LinuxBlockIO, major, minor int64) {
			b.WeightDevice = weighted(major, minor, nil, pointer[uint16](200))
		})},
	{"blockIO/throttleReadBpsDevice/0/rate", "blkio/blkio.throttle.read_bps_device", "io/io.max", "DISK 1048576", "rbps=1048576",
		blockIO(func(b *specs.LinuxBlockIO, major, minor int64) {
			b.ThrottleReadBpsDevice = throttled(major, minor, 1<<20)
		})},
	{"blockIO/throttleWriteBpsDevice/0/rate", "blkio/blkio.throttle.write_bps_device", "io/io.max", "DISK 2097152", "wbps=2097152",
		blockIO(func(b *specs.LinuxBlockIO, major, minor int64) {
			b.ThrottleWriteBpsDevice = throttled(major, minor, 2<<20)
		})},
	{"blockIO/throttleReadIOPSDevice/0/rate", "blkio/blkio.throttle.read_iops_device", "io/io.max", "DISK 30", "riops=30",
		blockIO(func(b *specs.LinuxBlockIO, major, minor int64) {
			b.ThrottleReadIOPSDevice = throttled(major, minor, 30)
		})},
	{"blockIO/throttleWriteIOPSDevice/0/rate", "blkio/blkio.throttle.write_iops_device", "io/io.max", "DISK 40", "wiops=40",
		blockIO(func(b *specs.LinuxBlockIO, major, minor int64) {
			b.ThrottleWriteIOPSDevice = throttled(major, minor, 40)
		})},
	{"hugepageLimits/0/limit", "hugetlb/hugetlb.2MB.limit_in_bytes", "hugetlb/hugetlb.2MB.max", "4194304", "4194304",
		func(r *specs.LinuxResources) {
			r.HugepageLimits = []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 5 << 20}}
		}},
	{"network/classID", "net_cls/net_cls.classid", "", "1048577", "", func(r *specs.LinuxResources) { r.Network = &specs.LinuxNetwork{ClassID: pointer[uint32](0x100001)} }},
	{"network/priorities/0/priority", "net_prio/net_prio.ifpriomap", "", "lo 5", "",
		func(r *specs.LinuxResources) {
			r.Network = &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "lo", Priority: 5}}}
		}},
	{"rdma/none_0", "rdma/rdma.max", "rdma/rdma.max", "", "", func(r *specs.LinuxResources) {
		r.Rdma = map[string]specs.LinuxRdma{"none_0": {HcaHandles: pointer[uint32](3)}}
	}},
	{"rdma/none_1", "rdma/rdma.max", "rdma/rdma.max", "", "", func(r *specs.LinuxResources) {
		r.Rdma = map[string]specs.LinuxRdma{"none_1": {HcaObjects: pointer[uint32](4)}}
	}},
	{"unified/hugetlb.2MB.max", "", "hugetlb/hugetlb.2MB.max", "", "6291456", func(r *specs.LinuxResources) {
		r.Unified = map[string]string{"hugetlb.2MB.max": "6291456"}
	}},
	{"unified/memory.high", "", "memory/memory.high", "", "8388608", func(r *specs.LinuxResources) { r.Unified = map[string]string{"memory.high": "8388608"} }},
}

// Every limit is in its file, or is an error that names it where this kernel
// has no such file: it is never passed over.
//
// spec: linux.resources.memory.limit, linux.resources.memory.reservation, linux.resources.memory.swap, linux.resources.memory.swappiness
// spec: linux.resources.memory.disableOOMKiller, linux.resources.memory.useHierarchy, linux.resources.pids.limit
// spec: linux.resources.cpu.shares, linux.resources.cpu.quota, linux.resources.cpu.burst, linux.resources.cpu.period, linux.resources.cpu.idle
// spec: linux.resources.cpu.realtimeRuntime, linux.resources.cpu.realtimePeriod, linux.resources.cpu.cpus, linux.resources.cpu.mems
// spec: linux.resources.blockIO.weight, linux.resources.blockIO.leafWeight
// spec: linux.resources.blockIO.weightDevice[].major, linux.resources.blockIO.weightDevice[].minor
// spec: linux.resources.blockIO.weightDevice[].weight, linux.resources.blockIO.weightDevice[].leafWeight
// spec: linux.resources.blockIO.throttleReadBpsDevice[].major, linux.resources.blockIO.throttleReadBpsDevice[].minor, linux.resources.blockIO.throttleReadBpsDevice[].rate
// spec: linux.resources.blockIO.throttleWriteBpsDevice[].major, linux.resources.blockIO.throttleWriteBpsDevice[].minor, linux.resources.blockIO.throttleWriteBpsDevice[].rate
// spec: linux.resources.blockIO.throttleReadIOPSDevice[].major, linux.resources.blockIO.throttleReadIOPSDevice[].minor, linux.resources.blockIO.throttleReadIOPSDevice[].rate
// spec: linux.resources.blockIO.throttleWriteIOPSDevice[].major, linux.resources.blockIO.throttleWriteIOPSDevice[].minor, linux.resources.blockIO.throttleWriteIOPSDevice[].rate
// spec: linux.resources.hugepageLimits[].pageSize, linux.resources.hugepageLimits[].limit, linux.resources.network.classID
// spec: linux.resources.network.priorities[].name, linux.resources.network.priorities[].priority
// spec: linux.resources.rdma{}.hcaHandles, linux.resources.rdma{}.hcaObjects, linux.resources.unified
func TestEveryLimitIsInItsFileOrAnError(t *testing.T) {
	bundle.NeedCorten(t) // peers pass over some
	for _, view := range bundle.Views() {
		for _, l := range limits {
			t.Run(view.String()+"/"+l.field, func(t *testing.T) {
				b := bundle.New(t, bundle.Probe("pause"), func(s *specs.Spec) { l.set(s.Linux.Resources) })
				b.View = view
				l.check(t, b, l.file(view))
			})
		}
	}
}

func (l *limit) check(t *testing.T, b *bundle.Bundle, has string, flags ...string) {
	t.Helper()
	r := b.Corten(append(flags, "create", "--bundle", b.Dir, b.ID)...)
	if has == "" {
		// A burst needs a quota, which comes first.
		named := strings.Replace(l.field, "burst", "quota", 1)
		if r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/linux/resources/"+named) {
			t.Errorf("this kernel has no file for it, and create ends with %d: %s", r.Status, r.Stderr)
		}
		return
	}
	if r.Status != 0 && strings.Contains(r.Stderr, "config.json#/linux/resources/"+l.field+": write "+filepath.Base(has)) &&
		strings.Contains(r.Stderr, "operation not supported") {
		return // by the disk's scheduler
	}
	if r.Status != 0 {
		t.Fatalf("%s is there, and create ends with %d: %s", has, r.Status, r.Stderr)
	}
	_, unified := b.View.Has(filepath.Dir(has))
	want := l.want1
	if unified {
		want = l.want2
	}
	if has == "io/io.weight" {
		want = "default 2930" // of 1…10000, as runc converts 300
	}
	major, minor := disk()
	want = strings.Replace(want, "DISK", strconv.FormatInt(major, 10)+":"+strconv.FormatInt(minor, 10), 1)
	text, err := os.ReadFile(filepath.Join(cgroupOf(t, b, filepath.Dir(has)), filepath.Base(has)))
	if err != nil || !strings.Contains(" "+strings.NewReplacer("\n", " ", "\t", " ").Replace(string(text)), " "+want+" ") {
		t.Errorf("%s reads %q, want %s (%v)", has, text, want, err)
	}
}

// file is the controller and file that the kernel has for the limit in the
// view, "" for none.
func (l *limit) file(view bundle.View) string {
	v2 := l.v1 == ""
	name := l.v1
	if controller := filepath.Dir(l.v1); l.v1 != "" {
		if yes, unified := view.Has(controller); !yes || unified {
			v2 = true
		}
	}
	if v2 {
		name = l.v2
	}
	if name == "" || l.want1+l.want2 == "" {
		return ""
	}
	if yes, unified := view.Has(filepath.Dir(name)); !yes || unified != v2 {
		return ""
	}
	// Files that a root cgroup has not are in any other.
	dir, err := os.MkdirTemp(bundle.CgroupDir(filepath.Dir(name), "/"), "corten-test-")
	if err != nil {
		return ""
	}
	defer os.Remove(dir)
	if v2 {
		parent := filepath.Dir(dir)
		os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+filepath.Dir(name)), 0)
	}
	if v2 && l.field == "blockIO/weight" && unix.Access(filepath.Join(dir, "io.bfq.weight"), unix.F_OK) != nil {
		name = strings.Replace(name, "io.bfq.weight", "io.weight", 1)
	}
	if unix.Access(filepath.Join(dir, filepath.Base(name)), unix.F_OK) != nil {
		return ""
	}
	return name
}

// Kernel memory has had no limits of its own since Linux 5.16: who asks for
// some is told so in the log, as runc does it.
//
// spec: linux.resources.memory.kernel, linux.resources.memory.kernelTCP
func TestLimitsTheKernelHasDroppedAreWarnedOf(t *testing.T) {
	bundle.NeedCorten(t) // peers log it elsewhere
	b := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) {
		s.Linux.Resources.Memory = &specs.LinuxMemory{Kernel: pointer[int64](1 << 20), KernelTCP: pointer[int64](1 << 20)}
	})
	r := b.Corten("--debug", "run", "--bundle", b.Dir, b.ID).OK(b)
	for _, field := range []string{"kernel:", "kernelTCP:"} {
		if !strings.Contains(r.Stderr, "config.json#/linux/resources/memory/"+field) {
			t.Errorf("no word of %s %s", field, r.Stderr)
		}
	}
}

// checkBeforeUpdate refuses a limit below what is in use, also in a cgroup
// that was there before.
//
// spec: linux.resources.memory.checkBeforeUpdate
func TestALimitBelowWhatIsInUseIsRefused(t *testing.T) {
	bundle.NeedCorten(t)
	inViews(t, "memory", func(t *testing.T, view bundle.View) {
		dir := bundle.CgroupDir("memory", "/corten-in-use")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(dir)
		file := filepath.Join("/dev/shm", "corten-in-use")
		defer os.Remove(file)
		fill := exec.Command("sh", "-c", `echo 0 >"$1/cgroup.procs" && head -c 16M /dev/zero >"$2"`, "sh", dir, file)
		if out, err := fill.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b := limited(t, view, specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: pointer[int64](8 << 20), CheckBeforeUpdate: pointer(true)}},
			func(s *specs.Spec) { s.Linux.CgroupsPath = "/corten-in-use" })
		if r := b.Corten("create", "--bundle", b.Dir, b.ID); r.Status == 0 || !strings.Contains(r.Stderr, "unable to set memory limit to 8388608 (current usage: ") {
			t.Errorf("create ends with %d: %s", r.Status, r.Stderr)
		}
	})
}

// The controllers of the network are v1's alone, and mounted nowhere today: a
// hierarchy of them is made for this test.
//
// spec: linux.resources.network.classID, linux.resources.network.priorities[].name, linux.resources.network.priorities[].priority
func TestPacketsAreMarkedByTheNetworkControllers(t *testing.T) {
	if yes, unified := bundle.Host.Has("memory"); !yes || unified {
		t.Skip("this machine mounts no cgroup v1 hierarchy")
	}
	b := bundle.New(t, bundle.Shell("cd /sys/fs/cgroup/net_cls,net_prio && cat net_cls.classid net_prio.ifpriomap"), func(s *specs.Spec) {
		s.Linux.Resources.Network = &specs.LinuxNetwork{ClassID: pointer[uint32](0x100001),
			Priorities: []specs.LinuxInterfacePriority{{Name: "lo", Priority: 5}}}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro"}})
	})
	const view = `mkdir -p "$0" && cd "$0" && mkdir devices net_cls,net_prio && mount --bind /sys/fs/cgroup/devices devices &&
		mount -t cgroup -o net_cls,net_prio none net_cls,net_prio || { echo no such hierarchy; exit 0; }
		umount -R /sys/fs/cgroup && mount --rbind . /sys/fs/cgroup && exec "$@"`
	r := b.CortenWith(bundle.Options{Wrap: []string{"unshare", "-m", "sh", "-c", view, filepath.Join(b.Home, "view")}}, "run", "--bundle", b.Dir, b.ID)
	if r.Stdout == "no such hierarchy\n" {
		t.Skip("this kernel has no net_cls and net_prio controllers")
	}
	r.OK(b)
	if !strings.HasPrefix(r.Stdout, "1048577\n") || !strings.Contains(r.Stdout, "lo 5\n") {
		t.Errorf("class and priorities: %s", r.Stdout)
	}
}
