// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter/plan"
)

func TestNamesOfNetworkDevices(t *testing.T) {
	for name, valid := range map[string]bool{
		"eth0": true, "a": true, "123456789012345": true, "a.b": true, "...": true, "é": true, "eth%d": true,
		"": false, ".": false, "..": false, "1234567890123456": false, "a/b": false, "a:b": false, "a b": false, "a\tb": false, "a\x00": false,
	} {
		if got := validDeviceName(name); got != valid {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestTheDevicesOfTheJournalReadBack(t *testing.T) {
	c, _ := made(t)
	address := append([]byte{unix.AF_INET, 24, 0, 0, 0, 0, 0, 0}, attribute(nil, unix.IFA_LOCAL, []byte{10, 1, 2, 3})...)
	host := &Host{NetDevices: map[string]netDevice{"eth1": {index: 7, up: true, addresses: [][]byte{address, address}}, "eth2": {index: 8}}}
	list, err := compileNetDevices(&specs.Spec{Linux: &specs.Linux{NetDevices: map[string]specs.LinuxNetDevice{"eth1": {Name: "up0"}, "eth2": {}}}}, "box", host)
	if err != nil || len(list) != 2 || list[0].name != "up0" || list[1].name != "eth2" || list[0].transit == list[1].transit || len(list[0].transit) != 15 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := c.journal(&Compiled{Cgroup: &cgroups.Plan{}, netDevices: list}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"arrived " + list[1].transit + " 12\n", "arrived nobody 13\n", "settled"} {
		if err := c.appendJournal(line); err != nil {
			t.Fatal(err)
		}
	}
	j, err := c.journaled()
	if err != nil || j.from == "" || j.settled || len(j.devices) != 2 {
		t.Fatalf("%+v, %v", j, err)
	}
	first, second := j.devices[0], j.devices[1]
	if first.host != "eth1" || !first.up || first.index != 0 || !slices.EqualFunc(first.addresses, [][]byte{address, address}, bytes.Equal) {
		t.Errorf("%+v", first)
	}
	if second.host != "eth2" || second.up || second.index != 12 || second.addresses != nil {
		t.Errorf("%+v", second)
	}
}

func TestANetworkDeviceNeedsRootAndToBeThere(t *testing.T) {
	spec := &specs.Spec{Linux: &specs.Linux{NetDevices: map[string]specs.LinuxNetDevice{"eth1": {}}}}
	for want, host := range map[string]*Host{
		"/linux/netDevices/eth1: no such device": {}, "/linux/netDevices/eth1: only root can move a network device": {EUID: 1000},
	} {
		_, err := compileNetDevices(spec, "box", host)
		var e *plan.Error
		if !errors.As(err, &e) || e.At.String()+": "+e.Err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestAnAddressIsKeptAsFarAsTheKernelTakesIt(t *testing.T) {
	answer := []byte{unix.AF_INET6, 64, 0x80, 0, 9, 0, 0, 0}
	answer = attribute(answer, unix.IFA_ADDRESS, []byte{0xfd, 15: 1})
	answer = attribute(answer, unix.IFA_LABEL, []byte("eth0\x00"))
	answer = attribute(answer, unix.IFA_FLAGS, binary.NativeEndian.AppendUint32(nil, unix.IFA_F_PERMANENT|unix.IFA_F_TENTATIVE|unix.IFA_F_NOPREFIXROUTE))
	body, permanent := addressBody(answer)
	if !permanent || addressText(body) != "fd00:0000:0000:0000:0000:0000:0000:0001/64" || bytes.Contains(body, []byte("eth0")) {
		t.Errorf("%v: %x %s", permanent, body, addressText(body))
	}
	for kind, value := range attributes(body[unix.SizeofIfAddrmsg:]) {
		if kind == unix.IFA_FLAGS && binary.NativeEndian.Uint32(value) != unix.IFA_F_NOPREFIXROUTE {
			t.Errorf("flags %x", value)
		}
	}
	if _, permanent := addressBody([]byte{unix.AF_INET, 24, 0, 0, 9, 0, 0, 0}); permanent {
		t.Error("an address with a lifetime is permanent")
	}
}

// What the kernel sends is believed no further than its own lengths.
func TestBrokenAttributesEndTheList(t *testing.T) {
	for _, b := range []string{"", "\x04", "\x03\x00\x01\x00", "\xff\xff\x01\x00abc", "\x08\x00\x01\x00ab"} {
		for kind, value := range attributes([]byte(b)) {
			t.Errorf("%q: %d %q", b, kind, value)
		}
	}
	if err := acknowledged([]byte("short")); err == nil {
		t.Error("a short answer is success")
	}
	body := binary.NativeEndian.AppendUint32(nil, uint32(0xffffffff)) // -EPERM
	body = attribute(append(body, make([]byte, unix.NLMSG_HDRLEN)...), unix.NLMSGERR_ATTR_MSG, []byte("no. \x00"))
	if err := acknowledged(body); !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "operation not permitted (no") {
		t.Errorf("%v", err)
	}
}
