// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"slices"
	"testing"

	"corten/nsenter/plan"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestCapabilityNumbersAreTheKernels(t *testing.T) {
	for name, number := range map[string]int{"CAP_CHOWN": unix.CAP_CHOWN, "CAP_SETPCAP": unix.CAP_SETPCAP, "CAP_NET_RAW": unix.CAP_NET_RAW, "CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN,
		"CAP_SYS_RESOURCE": unix.CAP_SYS_RESOURCE, "CAP_MKNOD": unix.CAP_MKNOD, "CAP_SETFCAP": unix.CAP_SETFCAP, "CAP_SYSLOG": unix.CAP_SYSLOG, "CAP_AUDIT_READ": unix.CAP_AUDIT_READ,
		"CAP_BPF": unix.CAP_BPF, "cap_checkpoint_restore": unix.CAP_CHECKPOINT_RESTORE} {
		if got := capabilityBit(name); got != 1<<number {
			t.Errorf("%s is %#x, not bit %d", name, got, number)
		}
	}
	if n := len(plan.Capabilities); n != unix.CAP_LAST_CAP+1 {
		t.Errorf("%d names, the newest capability is %d", n, unix.CAP_LAST_CAP)
	}
	for _, name := range []string{"", "CHOWN", "CAP_", "CAP_CHOW", "CAP_CHOWN ", "CAP_CAP_CHOWN", "ALL"} {
		if capabilityBit(name) != 0 {
			t.Errorf("%q is a capability", name)
		}
	}
}

func TestCapabilitiesThatCannotBeGrantedAreLeftOutAndNamed(t *testing.T) {
	const kill, chown, raw = 1 << unix.CAP_KILL, 1 << unix.CAP_CHOWN, 1 << unix.CAP_NET_RAW
	list := func(names ...string) []string { return names }
	for _, c := range []struct {
		name     string
		caps     *specs.LinuxCapabilities
		sets     capabilitySets
		warnings []string
	}{
		{"none", nil, capabilitySets{}, nil},
		{"all granted", &specs.LinuxCapabilities{Bounding: list("CAP_KILL", "CAP_CHOWN"), Permitted: list("CAP_KILL"), Effective: list("CAP_KILL")},
			capabilitySets{bounding: kill | chown, permitted: kill, effective: kill}, nil},
		{"unknown", &specs.LinuxCapabilities{Bounding: list("CAP_KILL", "CAP_FUTURE")}, capabilitySets{bounding: kill},
			list("process.capabilities.bounding: unknown capability CAP_FUTURE ignored")},
		{"unavailable", &specs.LinuxCapabilities{Permitted: list("CAP_NET_RAW", "CAP_KILL")}, capabilitySets{permitted: kill},
			list("process.capabilities.permitted: CAP_NET_RAW cannot be granted and is ignored")},
		{"effective beyond permitted", &specs.LinuxCapabilities{Permitted: list("CAP_KILL"), Effective: list("CAP_KILL", "CAP_CHOWN")}, capabilitySets{permitted: kill, effective: kill},
			list("process.capabilities.effective: not permitted, so ignored: CAP_CHOWN")},
		{"ambient without inheritable", &specs.LinuxCapabilities{Permitted: list("CAP_KILL"), Ambient: list("CAP_KILL")}, capabilitySets{permitted: kill},
			list("process.capabilities.ambient: not permitted and inheritable, so ignored: CAP_KILL")},
		{"ambient without permitted", &specs.LinuxCapabilities{Inheritable: list("CAP_KILL"), Ambient: list("CAP_KILL")}, capabilitySets{inheritable: kill},
			list("process.capabilities.ambient: not permitted and inheritable, so ignored: CAP_KILL")},
		{"ambient", &specs.LinuxCapabilities{Permitted: list("CAP_KILL", "CAP_CHOWN"), Inheritable: list("CAP_CHOWN", "CAP_KILL"), Ambient: list("CAP_KILL")},
			capabilitySets{permitted: kill | chown, inheritable: kill | chown, ambient: kill}, nil},
	} {
		sets, warnings := capabilities(c.caps, ^uint64(raw))
		if sets != c.sets || !slices.Equal(warnings, c.warnings) {
			t.Errorf("%s: %+v, %q", c.name, sets, warnings)
		}
	}
}
