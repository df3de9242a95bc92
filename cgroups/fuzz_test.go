// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// FuzzDeviceRules: a list of rules is refused, or its program, the list itself
// and a second reading of it give one answer. A rule is five bytes: flags, major
// and minor as indices into numbers, access, and the device to ask for.
func FuzzDeviceRules(f *testing.F) {
	numbers := [...]int64{every, 0, 1, 3, 5, 136, 4095, 1 << 20, 1<<32 - 1}
	f.Add([]byte{0, 2, 3, 7, 9})
	f.Add([]byte{3, 0, 0, 7, 0, 2, 2, 3, 4, 1, 0, 2, 3, 1, 1})
	f.Fuzz(func(t *testing.T, rules []byte) {
		d, n := &Devices{}, &naive{rules: map[[3]int64]uint8{}}
		asked := []DeviceRule{{'c', 1, 3, read}}
		for ; len(rules) >= 5 && len(asked) < 40; rules = rules[5:] {
			allow, all := rules[0]&1 != 0, rules[0]&6 == 6
			r := DeviceRule{"cb"[rules[0]>>3&1], numbers[int(rules[1])%len(numbers)], numbers[int(rules[2])%len(numbers)], rules[3] & 7}
			asked = append(asked, DeviceRule{r.Type, max(r.Major, 0), max(r.Minor, 0), rules[4]&7 | 1})
			given := specs.LinuxDeviceCgroup{Allow: allow, Type: string(r.Type), Major: &r.Major, Minor: &r.Minor, Access: letters(r.Access)}
			if all {
				given.Type = "a"
			}
			before := d.String()
			if err := d.add(plan.At("/linux/resources/devices"), &given); err != nil {
				if !all && d.String() != before {
					t.Fatalf("%s became %s by %+v, which is refused: %v", before, d, given, err)
				}
				if all {
					return // half of it may have been taken
				}
				continue
			}
			if r.Access == 0 {
				r.Access = read | write | mknod
			}
			switch {
			case all && r.Major == every && r.Minor == every && r.Access == read|write|mknod:
				n = &naive{allow, map[[3]int64]uint8{}}
			case all:
				n.add(allow, 'c', r.Major, r.Minor, r.Access)
				n.add(allow, 'b', r.Major, r.Minor, r.Access)
			default:
				n.add(allow, r.Type, r.Major, r.Minor, r.Access)
			}
		}
		program := d.program()
		for _, a := range asked {
			if a.Major > maxMajor || a.Minor > maxMinor {
				continue // no device has such numbers
			}
			want := n.allows(a.Type, a.Major, a.Minor, a.Access)
			if list, kernel := d.Allows(a.Type, a.Major, a.Minor, a.Access), interpret(t, program, a.Type, a.Major, a.Minor, a.Access); list != want || kernel != want {
				t.Fatalf("%s: %s: list %v, program %v, want %v", d, a, list, kernel, want)
			}
		}
	})
}

// FuzzSet: a list of processors or of memory nodes has the members it names.
func FuzzSet(f *testing.F) {
	for _, seed := range []string{"", "0", "0-3", "0,2-4,9", "5-1", "8191", "8192", "1,,2", " 3 \n", "0-8191,0-8191"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, ok := parseSet(text)
		if !ok {
			return
		}
		var want set
		for part := range strings.SplitSeq(text, ",") {
			first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
			from, err := strconv.Atoi(first)
			to := from
			if isRange && err == nil {
				to, err = strconv.Atoi(last)
			}
			if err != nil || from < 0 || from >= 8192 || to >= 8192 {
				t.Fatalf("%q is taken: %v", part, err)
			}
			for i := from; i <= to; i++ {
				want[i/64] |= 1 << (i % 64)
			}
		}
		if s != want || !s.within(&want) || !want.within(&s) {
			t.Fatalf("%q is %v", text, s)
		}
		if bytes := s.bytes(); !strings.HasPrefix(bytes, "[byte 0x") || !strings.HasSuffix(bytes, "]") {
			t.Fatalf("%q for systemd is %s", text, bytes)
		}
	})
}

// FuzzUnit: what config.json says of systemd names a unit in a slice that is
// where its name says, and sets no property but those of the list.
func FuzzUnit(f *testing.F) {
	for _, seed := range [][3]string{{"a-b.slice:pod:1", "TimeoutStopSec", "uint64 3"}, {"-:x:y", "CPUWeight", "uint64 3"}, {"::", "ExecStart", "x"},
		{"../x.slice:a:b", "Description", "\"a\nb\""}, {"a--b.slice:c:d", "RuntimeMaxSec", "1e300"}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, cgroupsPath, property, value string) {
		spec := &specs.Spec{Annotations: map[string]string{annotation + property: value}, Linux: &specs.Linux{CgroupsPath: cgroupsPath}}
		u, dir, err := compileUnit(spec, "box", &Host{Mode: Unified, Systemd: true})
		if err != nil {
			if u != nil {
				t.Fatal(u, err)
			}
			return
		}
		if !validUnit(u.Name) || strings.Contains(u.Name, "/") || !path.IsAbs(dir) || path.Clean(dir) != dir || path.Base(dir) != u.Name {
			t.Fatalf("%q: unit %q in %q", cgroupsPath, u.Name, dir)
		}
		set := 0
		for _, p := range u.Properties {
			if strings.ContainsAny(p.Value, "\n\x00") {
				t.Fatalf("%s is %q", p.Name, p.Value)
			}
			if strings.HasPrefix(p.Name, "Exec") {
				t.Fatalf("%s can be set", p.Name)
			}
			set++
		}
		if set == 0 {
			t.Fatal("no properties")
		}
	})
}

// FuzzHierarchies: whatever the two files of /proc say, a hierarchy is mounted
// somewhere and is not listed for nothing.
func FuzzHierarchies(f *testing.F) {
	f.Add("0::/a\n", "30 24 0:27 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup rw,nsdelegate\n")
	f.Add("4:cpu,cpuacct:/a\n3:name=systemd:/b\n0::/\n", "31 24 0:28 /x /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n32 24 0:29 / /c\\040d rw - cgroup x rw,name=systemd\n")
	f.Add("::\n0:\n:\n", " - cgroup\n1 2 3 4 5 6 - cgroup2 a b\n")
	f.Fuzz(func(t *testing.T, own, mountinfo string) {
		mode, all := hierarchies(own, mountinfo)
		if (mode == None) != (len(all) == 0) {
			t.Fatal(mode, all)
		}
		for i, h := range all {
			if h.V2 && i != len(all)-1 && !all[i+1].V2 || h.Mount == "" {
				t.Fatalf("%d of %+v", i, all)
			}
		}
	})
}

// FuzzCounters: no text of a cgroup's files makes the statistics fail.
func FuzzCounters(f *testing.F) {
	f.Add("12\n", "user_usec 3\nsystem_usec 4\nnr_periods 2", "8:0 rbytes=1 wbytes=2 rios=3\n8:0 Read 5\nTotal 7", "some avg10=0.00 avg60=1.5 avg300=2 total=9\nfull avg10=1 avg60=1 avg300=1 total=3")
	f.Add("max", "anon", "x=y\n\n8:0", "some\nfull total=-1")
	f.Add("0", "0", ":\t0", "0")
	dir := f.TempDir()
	fd, err := unix.Open(dir, dirFlags, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { unix.Close(fd) })
	f.Fuzz(func(t *testing.T, number, keyed, disks, pressure string) {
		for name, text := range map[string]string{"number": number, "keyed": keyed, "disks": disks, "pressure": pressure} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c := &counters{fd: fd}
		c.number("number")
		c.keyed("keyed")
		c.cpus("number")
		c.rdma("disks")
		c.pressure("pressure")
		for _, d := range c.disks("disks") {
			if strings.ContainsAny(d.Op, " \t\n") || !strings.Contains(disks, d.Op) {
				t.Fatalf("%+v of %q", d, disks)
			}
		}
		for _, pid := range parsePIDs(number) {
			if pid <= 0 {
				t.Fatalf("pid %d of %q", pid, number)
			}
		}
	})
}
