// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter/plan"
)

// Host is what Compile knows of the kernel and of the runtime's own process. It
// is a plain value: a test writes one by hand.
type Host struct {
	EUID            int
	Capabilities    uint64 // those the runtime may grant, bit n for capability n
	AllCapabilities uint64 // those the kernel knows: what a new user namespace has
	Cgroups         *cgroups.Host
	Seccomp         []byte // the filter of linux.seccomp, as struct sock_filter; nil without one
	SeccompFlags    uint64
	NetDevices      map[string]netDevice // those of linux.netDevices that are there, by name
	Resctrl         *Resctrl             // asked with linux.intelRdt
}

func (h *Host) available(userNS bool) uint64 {
	if userNS {
		return h.AllCapabilities
	}
	return h.Capabilities
}

// notifies reports whether the filter has a listener.
func (h *Host) notifies() bool { return h.SeccompFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 }

// probe asks what the config needs to know and no more.
func (r *Runtime) probe(config *Config) (*Host, error) {
	h := &Host{EUID: os.Geteuid()}
	var err error
	if h.Cgroups, err = cgroups.Probe(); err != nil {
		return nil, err
	}
	if r.Rootless == "true" || r.Rootless == "false" {
		h.Cgroups.Rootless = r.Rootless == "true"
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return nil, os.NewSyscallError("capget", err)
	}
	h.Capabilities = uint64(data[0].Permitted) | uint64(data[1].Permitted)<<32
	h.AllCapabilities = h.Capabilities
	for _, ns := range config.Linux.Namespaces {
		if ns.Type == specs.UserNamespace {
			h.AllCapabilities = 1<<lastCapability() - 1
		}
	}
	return h, nil
}

// lastCapability is one more than the number of the newest capability of the
// kernel, at most that of the newest corten knows.
func lastCapability() int {
	n := len(plan.Capabilities)
	for n > 0 {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n-1), 0, 0, 0); err == nil {
			break
		}
		n--
	}
	return n
}
