// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter/plan"
)

var update = flag.Bool("update", false, "write the golden plans anew")

// goldenHost is a host as a plain value: root, every capability, pure v2.
func goldenHost(name string) *Host {
	h := &Host{AppArmor: true, SELinux: true, Capabilities: 1<<41 - 1, AllCapabilities: 1<<41 - 1, Cgroups: &cgroups.Host{
		Mode:        cgroups.Unified,
		Hierarchies: []cgroups.Hierarchy{{Mount: "/sys/fs/cgroup", V2: true, Own: "/user/caller", Root: "/"}},
		Controllers: []string{"cpuset", "cpu", "io", "memory", "hugetlb", "pids"},
	}}
	if strings.HasSuffix(name, "-v1") {
		h.Cgroups = &cgroups.Host{Mode: cgroups.Legacy}
		for _, c := range []string{"freezer", "cpu,cpuacct", "cpuset", "devices", "memory", "pids"} {
			h.Cgroups.Hierarchies = append(h.Cgroups.Hierarchies, cgroups.Hierarchy{Mount: "/sys/fs/cgroup/" + c,
				Controllers: strings.Split(c, ","), Own: "/", Root: "/"})
		}
		h.Cgroups.Hierarchies = append(h.Cgroups.Hierarchies, cgroups.Hierarchy{Mount: "/sys/fs/cgroup/systemd", Name: "systemd", Own: "/", Root: "/"})
	}
	// Of the devices and the file system one of the configs asks for.
	address := append([]byte{unix.AF_INET, 24, 0, 0, 0, 0, 0, 0}, attribute(nil, unix.IFA_LOCAL, []byte{10, 1, 2, 3})...)
	h.NetDevices = map[string]netDevice{"eth1": {index: 7, up: true, addresses: [][]byte{address}}, "eth2": {index: 8}}
	h.Resctrl = &Resctrl{Mount: "/sys/fs/resctrl"}
	return h
}

// TestPlansAreGolden compiles every config of tests/golden, without root and
// without asking this machine anything, and compares the printed plan. A
// change of the order shows as a diff to review: go test -run Golden -update.
func TestPlansAreGolden(t *testing.T) {
	configs, err := filepath.Glob("../tests/golden/*/config.json")
	if err != nil || len(configs) == 0 {
		t.Fatal("no golden configs: ", err)
	}
	for _, file := range configs {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			compiled := goldenPlan(t, file, filepath.Base(dir))
			text := []byte((&PlanView{compiled}).Text())
			golden := filepath.Join(dir, "plan.txt")
			if *update {
				if err := os.WriteFile(golden, text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(text, want) {
				t.Errorf("the plan differs from %s: %s", golden, firstDifference(string(text), string(want)))
			}
			again := goldenPlan(t, file, filepath.Base(dir))
			a, err := compiled.Encode()
			b, err2 := again.Encode()
			if err != nil || err2 != nil || !bytes.Equal(a, b) {
				t.Error("two compilations of the same config differ")
			}
			decoded, err := plan.Decode(a)
			if err != nil || decoded.Format() != compiled.Format() {
				t.Error("the plan does not survive its encoding: ", err)
			}
		})
	}
}

func goldenPlan(t *testing.T, file, name string) *Compiled {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	config, err := DecodeSpec(raw)
	if err != nil {
		t.Fatal(err)
	}
	host := goldenHost(name)
	if config.Linux.Seccomp != nil {
		host.Seccomp = make([]byte, 64)
	}
	if strings.HasPrefix(name, "exec") {
		compiled, err := CompileExec(config, config.Process, &ExecOptions{}, host)
		if err != nil {
			t.Fatal(err)
		}
		return compiled
	}
	compiled, err := Compile(config, &CreateOptions{ID: "box", Bundle: "/bundle", gate: true}, host)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			return "\n got " + g[i] + "\nwant " + strings.Join(w[min(i, len(w)):min(i+1, len(w))], "")
		}
	}
	return "the golden plan is longer"
}
