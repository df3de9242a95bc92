// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// network is a network namespace that plays the host's: the runtime runs in it.
type network struct {
	t   *testing.T
	pid int
}

// newNetwork runs commands of ip(8), one a line, in a new one. Before
// bundle.New, which counts the namespaces.
func newNetwork(t *testing.T, commands string) *network {
	t.Helper()
	bundle.NeedCorten(t)
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("the package iproute2 is missing")
	}
	n := &network{t, holder(t, "--net")}
	n.ip(commands)
	return n
}

func (n *network) enter(words ...string) []string {
	return append([]string{"nsenter", "--net=/proc/" + strconv.Itoa(n.pid) + "/ns/net"}, words...)
}

// ip runs commands in the namespace, and returns what the last one prints.
func (n *network) ip(commands string) (out string) {
	n.t.Helper()
	for line := range strings.Lines(commands) {
		words := n.enter(append([]string{"ip"}, strings.Fields(line)...)...)
		b, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		if err != nil {
			n.t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, b)
		}
		out = string(b)
	}
	return out
}

// device is what `ip -json address` says of one.
type device struct {
	Name      string   `json:"ifname"`
	Flags     []string `json:"flags"`
	Mac       string   `json:"address"`
	MTU       int      `json:"mtu"`
	Addresses []struct {
		Family    string
		Local     string
		Prefix    int `json:"prefixlen"`
		Scope     string
		Broadcast string
		Label     string
	} `json:"addr_info"`
}

// global are the addresses of global scope, such as 10.0.0.1/24.
func (d *device) global() (list []string) {
	for _, a := range d.Addresses {
		if a.Scope == "global" {
			list = append(list, fmt.Sprintf("%s/%d", a.Local, a.Prefix))
		}
	}
	return list
}

func (d *device) permanent() []string {
	return slices.DeleteFunc(d.global(), func(a string) bool { return a == "10.8.8.8/24" })
}

func (d *device) up() bool { return slices.Contains(d.Flags, "UP") }

// interfaces of the namespace of a process, by name.
func interfaces(t *testing.T, pid int) map[string]device {
	t.Helper()
	out, err := exec.Command("nsenter", "--net=/proc/"+strconv.Itoa(pid)+"/ns/net", "ip", "-json", "address").Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []device
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all := map[string]device{}
	for _, d := range list {
		all[d.Name] = d
	}
	return all
}

func (n *network) devices() map[string]device { return interfaces(n.t, n.pid) }

// corten runs the runtime in the namespace.
func (n *network) corten(b *bundle.Bundle, args ...string) bundle.Result {
	n.t.Helper()
	return b.CortenWith(bundle.Options{Wrap: n.enter()}, args...)
}

func netDevices(pairs ...string) bundle.Edit {
	return func(s *specs.Spec) {
		s.Linux.NetDevices = map[string]specs.LinuxNetDevice{}
		for i := 0; i < len(pairs); i += 2 {
			s.Linux.NetDevices[pairs[i]] = specs.LinuxNetDevice{Name: pairs[i+1]}
		}
	}
}

// twoDevices are an up veth with many kinds of addresses and a down ifb.
const twoDevices = `link set lo up
link add eth1 type veth peer name peer1
link set eth1 mtu 1400
link set eth1 up
link set peer1 up
address add 10.1.2.3/24 broadcast 10.1.2.255 dev eth1
address add 10.1.2.4/24 dev eth1
address add 10.9.9.9/32 dev eth1 scope host
address add 10.8.8.8/24 dev eth1 valid_lft 3600 preferred_lft 3600
address add fd00::1/64 dev eth1 nodad
address add fd00::2/64 dev eth1 nodad
link add ifb7 type ifb
address add 192.0.2.1/30 dev ifb7`

// spec: linux.netDevices{}.name
func TestNetworkDevicesAreMovedWithTheirAddresses(t *testing.T) {
	n := newNetwork(t, twoDevices)
	before := n.devices()
	b := bundle.New(t, bundle.Probe("pause"), netDevices("eth1", "uplink0", "ifb7", ""))
	n.corten(b, "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
	inside, outside := interfaces(t, b.State().PID), n.devices()
	for _, name := range []string{"eth1", "ifb7"} {
		if _, found := outside[name]; found {
			t.Errorf("%s is still on the host", name)
		}
	}
	eth := inside["uplink0"]
	if got, want := strings.Join(eth.global(), " "), "10.1.2.3/24 10.1.2.4/24 fd00::2/64 fd00::1/64"; got != want {
		t.Errorf("addresses %s, want %s", got, want)
	}
	if was := before["eth1"]; eth.Mac != was.Mac || eth.MTU != 1400 || !eth.up() {
		t.Errorf("%+v, was %+v", eth, was)
	}
	if len(eth.Addresses) > 0 && eth.Addresses[0].Broadcast != "10.1.2.255" {
		t.Errorf("broadcast %q", eth.Addresses[0].Broadcast)
	}
	ifb := inside["ifb7"]
	if got := strings.Join(ifb.global(), " "); got != "192.0.2.1/30" || !ifb.up() {
		t.Errorf("ifb7: %s, flags %v", got, ifb.Flags)
	}
	if lo := inside["lo"]; !lo.up() {
		t.Error("lo is down")
	}
	b.Corten("delete", "--force", b.ID).OK(b)
}

func TestNetworkDevicesGoToAJoinedNamespace(t *testing.T) {
	n := newNetwork(t, twoDevices)
	pid := holder(t, "--net")
	(&network{t, pid}).ip("link add other0 type ifb")
	b := bundle.New(t, bundle.Args("true"), bundle.Namespace(specs.NetworkNamespace, fmt.Sprintf("/proc/%d/ns/net", pid)),
		netDevices("eth1", "other%d", "ifb7", "ifb7"))
	n.corten(b, "run", "--bundle", b.Dir, b.ID).OK(b)
	inside := interfaces(t, pid)
	if got := strings.Join(sorted(inside), " "); got != "ifb7 lo other0 other1" {
		t.Errorf("the namespace has %s", got)
	}
	if d := inside["other1"]; len(d.global()) != 4 || d.MTU != 1400 {
		t.Errorf("other1: %+v", d)
	}
}

func sorted(m map[string]device) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestNetworkDevicesGoToAContainerWithAUserNamespace(t *testing.T) {
	n := newNetwork(t, twoDevices)
	b := bundle.New(t, bundle.Args("cat", "/proc/net/dev"), bundle.UserNamespace(100000), netDevices("eth1", "eth0"))
	own100000(t, b)
	if r := n.corten(b, "run", "--bundle", b.Dir, b.ID).OK(b); !strings.Contains(r.Stdout, "eth0:") {
		t.Errorf("/proc/net/dev:\n%s", r.Stdout)
	}
}

func TestSysctlsOfAMovedDeviceAreSet(t *testing.T) {
	n := newNetwork(t, twoDevices)
	b := bundle.New(t, bundle.Args("cat", "/proc/sys/net/ipv4/conf/eth0/rp_filter"), netDevices("eth1", "eth0"),
		func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net.ipv4.conf.eth0.rp_filter": "2"} })
	if r := n.corten(b, "run", "--bundle", b.Dir, b.ID).OK(b); r.Stdout != "2\n" {
		t.Errorf("printed %q", r.Stdout)
	}
}

// unchanged wants the devices to be as they were, but for the address that had
// a lifetime.
func unchanged(t *testing.T, was, is map[string]device) {
	t.Helper()
	for name, w := range was {
		i, found := is[name]
		if !found || !slices.Equal(i.permanent(), w.permanent()) || i.up() != w.up() || i.MTU != w.MTU || i.Mac != w.Mac {
			t.Errorf("%s is %+v, was %+v", name, i, w)
		}
	}
	if len(is) != len(was) {
		t.Errorf("the host has %v, had %v", sorted(is), sorted(was))
	}
}

func TestNetworkDevicesComeBackWhenCreateFails(t *testing.T) {
	for name, c := range map[string]struct {
		edit bundle.Edit
		want string
	}{
		"program": {bundle.Args("/no/such/program"), "no such file"},
		"sysctl":  {func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net.no.such": "1"} }, "/linux/sysctl/net.no.such"},
		"hook":    {func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/false"}}} }, "createRuntime"},
		"bridge":  {netDevices("eth1", "a0", "zbridge", ""), "/linux/netDevices/zbridge"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, twoDevices+"\nlink add zbridge type bridge")
			before := n.devices()
			b := bundle.New(t, bundle.Probe("pause"), netDevices("eth1", "a0", "ifb7", "b0"), c.edit)
			r := n.corten(b, "run", "--detach", "--bundle", b.Dir, b.ID)
			if r.Status == 0 || !strings.Contains(r.Stderr, c.want) {
				t.Errorf("exit status %d: %s", r.Status, r.Stderr)
			}
			unchanged(t, before, n.devices())
			b.CheckLeaks()
		})
	}
}

func TestANetworkDeviceThatCannotBeMovedIsNamed(t *testing.T) {
	n := newNetwork(t, twoDevices)
	before := n.devices()
	pid := holder(t, "--net")
	(&network{t, pid}).ip("link add taken type ifb")
	joined := bundle.Namespace(specs.NetworkNamespace, fmt.Sprintf("/proc/%d/ns/net", pid))
	for name, c := range map[string]struct {
		edits []bundle.Edit
		want  string
	}{
		"missing":  {[]bundle.Edit{netDevices("eth9", "")}, "config.json#/linux/netDevices/eth9: no such device"},
		"taken":    {[]bundle.Edit{joined, netDevices("eth1", "taken")}, `config.json#/linux/netDevices/eth1: file exists`},
		"loopback": {[]bundle.Edit{netDevices("lo", "lo1")}, "config.json#/linux/netDevices/lo: "},
		"no netns": {[]bundle.Edit{bundle.WithoutNamespace(specs.NetworkNamespace), netDevices("eth1", "")}, "needs a network namespace"},
		"the host's": {[]bundle.Edit{bundle.Namespace(specs.NetworkNamespace, fmt.Sprintf("/proc/%d/ns/net", n.pid)), netDevices("eth1", "")},
			`config.json#/linux/netDevices: "/proc/`},
	} {
		t.Run(name, func(t *testing.T) {
			b := bundle.New(t, append([]bundle.Edit{bundle.Args("true")}, c.edits...)...)
			if r := n.corten(b, "run", "--bundle", b.Dir, b.ID); r.Status == 0 || !strings.Contains(r.Stderr, c.want) {
				t.Errorf("exit status %d: %s", r.Status, r.Stderr)
			}
			unchanged(t, before, n.devices())
		})
	}
}

// The kernel destroys a veth with its namespace: a runtime that is killed must
// have kept that, for delete to find the device.
func TestNetworkDevicesComeBackAfterCreateWasKilled(t *testing.T) {
	inject := bundle.Injector(t)
	moved, points := 0, 0
	for _, c := range []struct {
		call int
		at   []int
	}{
		{unix.SYS_SENDTO, []int{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20, 22}}, {unix.SYS_MOUNT, []int{1}}, {unix.SYS_SETNS, []int{1, 2}},
	} {
		for _, at := range c.at {
			t.Run(fmt.Sprintf("call %d no. %d", c.call, at), func(t *testing.T) {
				n := newNetwork(t, twoDevices)
				before := n.devices()
				b := bundle.New(t, bundle.Probe("pause"), netDevices("eth1", "a0", "ifb7", "b0"))
				if !n.killedAt(b, inject, c.call, at, "create", "--bundle", b.Dir, b.ID) {
					return
				}
				points++
				if len(n.devices()) < len(before) {
					moved++
				}
				n.corten(b, "delete", "--force", b.ID).OK(b)
				unchanged(t, before, n.devices())
				b.CheckLeaks()
			})
		}
	}
	if points < 10 || moved < 5 {
		t.Errorf("killed at %d points, %d with a device gone", points, moved)
	}
}

// Undo may be killed as well, anywhere, and be run again.
func TestNetworkDevicesComeBackThoughDeleteWasKilledToo(t *testing.T) {
	inject := bundle.Injector(t)
	points := 0
	for at := 2; at <= 16; at += 2 {
		n := newNetwork(t, twoDevices)
		before := n.devices()
		b := bundle.New(t, bundle.Probe("pause"), netDevices("eth1", "a%d", "ifb7", "b0"))
		if !n.killedAt(b, inject, unix.SYS_SENDTO, 16, "create", "--bundle", b.Dir, b.ID) {
			t.Fatal("create was not killed")
		}
		if n.killedAt(b, inject, unix.SYS_SENDTO, at, "delete", "--force", b.ID) {
			points++
		}
		n.corten(b, "delete", "--force", b.ID).OK(b)
		unchanged(t, before, n.devices())
		b.CheckLeaks()
	}
	if points < 5 {
		t.Errorf("delete was killed at %d points", points)
	}
}

func TestADeleteInAnotherNetworkNamespaceTakesNoDevice(t *testing.T) {
	inject := bundle.Injector(t)
	n := newNetwork(t, twoDevices)
	other := newNetwork(t, "link set lo up")
	b := bundle.New(t, bundle.Probe("pause"), netDevices("ifb7", ""))
	if !n.killedAt(b, inject, unix.SYS_SENDTO, 7, "create", "--bundle", b.Dir, b.ID) {
		t.Fatal("create was not killed")
	}
	if r := other.corten(b, "--debug", "delete", "--force", b.ID).OK(b); !strings.Contains(r.Stderr, "not given back") {
		t.Errorf("stderr: %s", r.Stderr)
	}
	if got := sorted(other.devices()); !slices.Equal(got, []string{"lo"}) {
		t.Errorf("the other namespace has %v", got)
	}
}

// killedAt kills the runtime alone at the n-th system call of a kind; false:
// there were fewer.
func (n *network) killedAt(b *bundle.Bundle, inject string, call, at int, args ...string) bool {
	n.t.Helper()
	reached := b.Home + "/reached"
	b.CortenWith(bundle.Options{Wrap: n.enter(inject, "runtime", fmt.Sprint(call), fmt.Sprint(at), "0", reached)}, args...)
	_, err := os.Stat(reached)
	os.Remove(reached)
	return err == nil
}
