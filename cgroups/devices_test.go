// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// interpret runs a device program as the kernel would, for the instructions
// that program uses; any other is a failure.
func interpret(t *testing.T, p []instruction, kind byte, majorOf, minorOf int64, asked uint8) bool {
	t.Helper()
	device := unix.BPF_DEVCG_DEV_CHAR
	if kind == 'b' {
		device = unix.BPF_DEVCG_DEV_BLOCK
	}
	ctx := map[int16]uint64{0: uint64(asked)<<16 | uint64(device), 4: uint64(uint32(majorOf)), 8: uint64(uint32(minorOf))}
	reg := [11]uint64{}
	for i := range reg {
		reg[i] = 1<<64 - 1
	}
	for n, i := range p {
		dst, src, imm := &reg[i.regs&15], reg[i.regs>>4], uint32(i.imm)
		switch i.op {
		case ldxw:
			if i.regs>>4 != context || n > 2 {
				t.Fatal("a load that is not from the context")
			}
			*dst = ctx[i.off]
		case mov:
			*dst = uint64(imm)
		case movx:
			*dst = uint64(uint32(src))
		case xor:
			*dst = uint64(uint32(*dst) ^ imm)
		case and:
			*dst = uint64(uint32(*dst) & imm)
		case lsh:
			*dst = uint64(uint32(*dst) << imm)
		case rsh:
			*dst = uint64(uint32(*dst) >> imm)
		case orx:
			*dst = uint64(uint32(*dst) | uint32(src))
		case movx7:
			*dst = src
		case xorx7:
			*dst ^= src
		case orx7:
			*dst |= src
		case lsh7:
			*dst <<= imm
		case rsh7:
			*dst >>= imm
		case sub7:
			*dst -= uint64(int64(i.imm))
		case exit:
			if n != len(p)-1 || reg[0] > 1 {
				t.Fatalf("exit at %d of %d with %d", n, len(p), reg[0])
			}
			return reg[0] == 1
		default:
			t.Fatalf("instruction %#x", i.op)
		}
	}
	t.Fatal("no exit")
	return false
}

// naive is a second reading of a rule list: the state that devcgroup keeps, as
// a map.
type naive struct {
	allow bool
	rules map[[3]int64]uint8
}

func (n *naive) add(allow bool, kind byte, major, minor int64, access uint8) {
	key := [3]int64{int64(kind), major, minor}
	if allow == n.allow {
		n.rules[key] &^= access
	} else {
		n.rules[key] |= access
	}
}

func (n *naive) allows(kind byte, major, minor int64, access uint8) bool {
	for _, ma := range []int64{major, every} {
		for _, mi := range []int64{minor, every} {
			has := n.rules[[3]int64{int64(kind), ma, mi}]
			if !n.allow && access&^has == 0 || n.allow && has&access != 0 {
				return !n.allow
			}
		}
	}
	return n.allow
}

// The program, the list's own answer and a second reading agree on 300 random
// lists, over every type, access and the numbers around those of the rules.
func TestDeviceProgramAgrees(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	numbers := []int64{every, 0, 1, 3, 136, 2048, 4095, 1<<20 - 1, 1 << 20, 1<<32 - 1}
	for range 300 {
		d, n := &Devices{}, &naive{rules: map[[3]int64]uint8{}}
		for range random.IntN(12) {
			allow := random.IntN(2) == 0
			if random.IntN(6) == 0 {
				d, n = &Devices{Allow: allow}, &naive{allow, map[[3]int64]uint8{}}
				continue
			}
			rule := DeviceRule{"cb"[random.IntN(2)], numbers[random.IntN(len(numbers))], numbers[random.IntN(len(numbers))], uint8(1 + random.IntN(7))}
			if hole, _ := d.hole(rule, allow); hole {
				continue
			}
			d.apply(rule, allow)
			n.add(allow, rule.Type, rule.Major, rule.Minor, rule.Access)
		}
		program := d.program()
		for _, kind := range []byte{'b', 'c'} {
			for _, major := range []int64{0, 1, 2, 3, 136, 137, 2047, 2048, 4095} {
				for _, minor := range []int64{0, 1, 2, 3, 136, 2048, 4095, 1<<20 - 1} {
					for access := uint8(1); access < 8; access++ {
						want := n.allows(kind, major, minor, access)
						got, kernel := d.Allows(kind, major, minor, access), interpret(t, program, kind, major, minor, access)
						if got != want || kernel != want {
							t.Fatalf("%v: %c %d:%d %s: list %v, program %v, want %v", d, kind, major, minor, letters(access), got, kernel, want)
						}
					}
				}
			}
		}
	}
}

func devicesOf(t *testing.T, rules ...specs.LinuxDeviceCgroup) *Devices {
	t.Helper()
	p := &Plan{Into: 0}
	if err := p.compileDevices(plan.Pointer{}, rules, unifiedHost()); err != nil {
		t.Fatal(err)
	}
	return p.Rows[0].Devices
}

func TestDeviceLists(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	for _, test := range []struct {
		rules []specs.LinuxDeviceCgroup
		want  string
	}{
		{nil, "deny but " + standardText},
		{[]specs.LinuxDeviceCgroup{{Access: "rwm"}}, "deny but " + standardText},
		{[]specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}, "allow"},
		{[]specs.LinuxDeviceCgroup{{Allow: true, Type: "a", Access: "rwm"}, {Type: "c", Major: n(10), Minor: n(229), Access: "rw"}}, "allow but c 10:229 rw"},
		// The standard list does not undo a refusal of the config's.
		{[]specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}, {Type: "c", Major: n(1), Access: "rw"}}, "allow but c 1:* rw"},
		// "a" with less than everything is both types, not every device.
		{[]specs.LinuxDeviceCgroup{{Allow: true, Type: "a", Major: n(7), Minor: n(-1), Access: "r"}}, "deny but c 7:* r, b 7:* r, " + standardText},
		{[]specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: n(1), Minor: n(3), Access: "r"}}, "deny but c 1:3 rwm, " + strings.Replace(standardText, "c 1:3 rwm, ", "", 1)},
		{[]specs.LinuxDeviceCgroup{{Allow: true, Type: "b", Major: n(8), Minor: n(0), Access: "mr"}, {Type: "b", Major: n(8), Minor: n(0), Access: "m"}}, "deny but b 8:0 r, " + standardText},
	} {
		if got := devicesOf(t, test.rules...).String(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

// The kernel's verdict in the v2 hierarchy, with no v1 controller in the way.
func TestDevicesV2(t *testing.T) {
	needRoot(t)
	h := probed(t)
	n := len(h.Hierarchies)
	if n == 0 || !h.Hierarchies[n-1].V2 {
		t.Skip("needs cgroup v2")
	}
	h = &Host{Mode: Unified, Hierarchies: h.Hierarchies[n-1:], Controllers: h.Controllers}
	checkDevices(t, h)
}

func TestDevicesV1(t *testing.T) { checkDevices(t, needV1(t, "devices")) }

func checkDevices(t *testing.T, h *Host) {
	dir := t.TempDir()
	for name, minor := range map[string]uint32{"null": 3, "kmsg": 11} {
		if err := unix.Mknod(dir+"/"+name, unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))); err != nil {
			t.Skip("needs mknod: " + err.Error())
		}
	}
	c, _ := applied(t, h, "/corten-devices", nil)
	for script, want := range map[string]int{
		": >" + dir + "/null && : <" + dir + "/null":                      0,
		": <" + dir + "/kmsg":                                             2,
		": >" + dir + "/kmsg":                                             2,
		"mknod " + dir + "/x c 1 11 && rm " + dir + "/x":                  0,
		"mknod " + dir + "/y b 7 0 && ! dd if=" + dir + "/y of=/dev/null": 0,
	} {
		if got := run(t, c, script+" 2>/dev/null"); got != want && !(want == 2 && got != 0) {
			t.Errorf("%s: status %d, want %d", script, got, want)
		}
	}
	os.Remove(dir + "/y")
}

// What was attached to a cgroup that is used again is replaced, not added to.
func TestDevicesReused(t *testing.T) {
	needRoot(t)
	h := probed(t)
	n := len(h.Hierarchies)
	if n == 0 || !h.Hierarchies[n-1].V2 {
		t.Skip("needs cgroup v2")
	}
	h = &Host{Mode: Unified, Hierarchies: h.Hierarchies[n-1:], Controllers: h.Controllers}
	first, p := applied(t, h, "/corten-reused", nil)
	ids, err := attached(first.FD())
	if err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	second, err := p.Apply()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	again, err := attached(second.FD())
	if err != nil || len(again) != 1 || again[0] == ids[0] {
		t.Errorf("programs %v after %v, %v", again, ids, err)
	}
	if len(second.Created) != 0 {
		t.Errorf("created %v", second.Created)
	}
}

// Every list of the corpus of sizes passes the verifier, and a program that it
// refuses is reported with its log.
func TestDeviceProgramLoads(t *testing.T) {
	needRoot(t)
	for _, size := range []int{0, 1, 11, 200} {
		d := &Devices{Allow: size%2 == 1}
		for i := range size {
			d.Rules = append(d.Rules, DeviceRule{"cb"[i%2], int64(i), int64(i) - 1, uint8(1 + i%7)})
		}
		fd, err := d.load()
		if err != nil {
			t.Fatalf("%d rules: %v", size, err)
		}
		unix.Close(fd)
	}
	log := make([]byte, 4096)
	if _, err := loadProgram([]instruction{{op: exit}}, log); err == nil || !strings.Contains(string(log), "R0") {
		t.Errorf("%v, log %q", err, log[:100])
	}
}

// CVE-less, runc's opencontainers/cgroups f017afb: the kernel writes past a
// short attribute.
func TestAttributeIsWhole(t *testing.T) {
	if size := len(attribute{}); size < 168 {
		t.Error("struct attribute is shorter than the kernel's union bpf_attr: " + strconv.Itoa(size))
	}
}
