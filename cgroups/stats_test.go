// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// directory is a directory with these files, as a cgroup would have them.
func directory(t *testing.T, files map[string]string) *counters {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(dir, dirFlags, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &counters{fd: fd}
}

func TestStatsV2(t *testing.T) {
	f := directory(t, map[string]string{
		"cpu.stat":              "usage_usec 30\nuser_usec 10\nsystem_usec 20\nnr_periods 5\nnr_throttled 2\nthrottled_usec 7\n",
		"cpu.pressure":          "some avg10=1.50 avg60=0.25 avg300=0.00 total=94\nfull avg10=0.10 avg60=0.00 avg300=0.00 total=9\n",
		"cpuset.cpus.effective": "0-2,5\n", "cpuset.mems.effective": "0\n",
		"memory.current": "4096\n", "memory.max": "8192\n", "memory.peak": "8190\n", "memory.stat": "anon 10\nfile 20\nkernel 30\n",
		"memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n", "memory.swap.current": "100\n", "memory.swap.max": "200\n", "memory.swap.events": "high 0\nmax 4\nfail 0\n",
		"pids.current": "3\n", "pids.max": "max\n",
		"io.stat":             "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n\n252:16 \n",
		"hugetlb.2MB.current": "2097152\n", "hugetlb.2MB.events": "max 9\n",
		"rdma.current": "mlx4_0 hca_handle=2 hca_object=2000\n", "rdma.max": "mlx4_0 hca_handle=max hca_object=3000\n",
	})
	s := &Stats{Hugetlb: map[string]HugetlbStats{}}
	s.addV2(f, []string{"2MB", "1GB"})
	const want = `{"cpu":{"usage":{"total":30000,"kernel":20000,"user":10000},"throttling":{"periods":5,"throttledPeriods":2,"throttledTime":7000},` +
		`"psi":{"some":{"avg10":1.5,"avg60":0.25,"avg300":0,"total":94},"full":{"avg10":0.1,"avg60":0,"avg300":0,"total":9}}},` +
		`"cpuset":{"cpus":[0,1,2,5],"cpu_exclusive":0,"mems":[0],"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,` +
		`"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},` +
		`"memory":{"cache":20,"usage":{"limit":8192,"usage":4096,"max":8190,"failcnt":3},"swap":{"limit":8392,"usage":4196,"failcnt":4},` +
		`"kernel":{"limit":0,"usage":30,"failcnt":0},"kernelTCP":{"limit":0,"failcnt":0},"raw":{"anon":10,"file":20,"kernel":30}},` +
		`"pids":{"current":3},"blkio":{"ioServiceBytesRecursive":[{"major":8,"op":"Read","value":1},{"major":8,"op":"Write","value":2}],` +
		`"ioServicedRecursive":[{"major":8,"op":"Read","value":3},{"major":8,"op":"Write","value":4}]},"hugetlb":{"2MB":{"usage":2097152,"failcnt":9}},` +
		`"rdma":{"current":[{"device":"mlx4_0","hca_handles":2,"hca_objects":2000}],"limit":[{"device":"mlx4_0","hca_handles":4294967295,"hca_objects":3000}]}}`
	if got, err := json.Marshal(s); string(got) != want || err != nil || f.err != nil {
		t.Errorf("%v, %v:\n%s, want\n%s", err, f.err, got, want)
	}
}

func TestStatsV1OfDisks(t *testing.T) {
	f := directory(t, map[string]string{
		"blkio.reset_stats":                         "",
		"blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Write 0\n8:0 Total 4096\nTotal 4096\n",
		"blkio.throttle.io_serviced_recursive":      "8:0 Read 1\nTotal 1\n",
		"blkio.bfq.io_serviced_recursive":           "Total 0\n",
		"blkio.sectors_recursive":                   "8:0 12\n",
		"hugetlb.64KB.usage_in_bytes":               "65536\n",
		"hugetlb.64KB.max_usage_in_bytes":           "131072\n",
		"hugetlb.64KB.failcnt":                      "1\n",
		"cpu.shares":                                "1024\n",
		"cpu.stat":                                  "nr_periods 1\nnr_throttled 2\nthrottled_time 3\n",
	})
	s := &Stats{Hugetlb: map[string]HugetlbStats{}}
	s.addV1(f, []string{"64KB"})
	if got, _ := json.Marshal(s.Blkio); string(got) != `{"ioServiceBytesRecursive":[{"major":8,"op":"Read","value":4096},{"major":8,"op":"Write"},`+
		`{"major":8,"op":"Total","value":4096}],"ioServicedRecursive":[{"major":8,"op":"Read","value":1}]}` {
		t.Errorf("blkio: %s", got)
	}
	if s.Hugetlb["64KB"] != (HugetlbStats{65536, 131072, 1}) || s.CPU.Throttling.ThrottledTime != 3 {
		t.Errorf("%+v", s)
	}
}

// A kill for memory is seen in the cgroup until it goes.
func TestACgroupTellsThatItHasKilled(t *testing.T) {
	c, _ := applied(t, need(t, "memory"), "/corten-test-killed", &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(8 << 20))}})
	run(t, c, "true")
	if HaveKilled(c.Paths) {
		t.Error("before it has")
	}
	if status := run(t, c, "exec tail /dev/zero"); status != -1 || !HaveKilled(c.Paths) {
		t.Errorf("tail ended with %d, and it has killed: %v", status, HaveKilled(c.Paths))
	}
	if err := c.Remove(); err != nil || HaveKilled(c.Paths) {
		t.Errorf("when it has gone: %v", err)
	}
}
