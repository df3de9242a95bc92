// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"os"
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter/plan"
	"corten/rootfs"
)

// Host is what Compile knows of the kernel and of the runtime's own process. It
// is a plain value: a test writes one by hand.
type Host struct {
	EUID, EGID      int    // the caller's
	Capabilities    uint64 // those the runtime may grant, bit n for capability n
	AllCapabilities uint64 // those the kernel knows: what a new user namespace has
	Cgroups         *cgroups.Host
	Joined          []int  // open namespaces, by their index in linux.namespaces; nil: by path
	OwnUsers        bool   // the user namespace of config.json is the runtime's own
	Seccomp         []byte // the filter of linux.seccomp, as struct sock_filter; nil without one
	SeccompFlags    uint64
	NetDevices      map[string]netDevice // those of linux.netDevices that are there, by name
	Resctrl         *Resctrl             // asked with linux.intelRdt
	Links           map[int]string       // by mount with copy-symlink: the text of its source, if that is a link
	AppArmor        bool                 // enabled; false if nobody asks
	SELinux         bool                 // likewise
}

func (h *Host) available(userNS bool) uint64 {
	if userNS {
		return h.AllCapabilities
	}
	return h.Capabilities
}

// notifies reports whether the filter has a listener.
func (h *Host) notifies() bool { return h.SeccompFlags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 }

// may reports whether the runtime has a capability.
func (h *Host) may(capability uint) bool { return h.Capabilities>>capability&1 != 0 }

// probe asks what the config needs to know and no more.
func (r *Runtime) probe(config *Config) (*Host, error) {
	h := &Host{EUID: os.Geteuid(), EGID: os.Getegid()}
	var err error
	if h.Cgroups, err = cgroups.Probe(); err != nil {
		return nil, err
	}
	h.Cgroups.Disabled = r.NoCgroups
	if r.Rootless == "true" || r.Rootless == "false" {
		h.Cgroups.Rootless = r.Rootless == "true"
	}
	if r.SystemdCgroup {
		if err := h.Cgroups.UseSystemd(); err != nil {
			return nil, err
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return nil, os.NewSyscallError("capget", err)
	}
	h.Capabilities = uint64(data[0].Permitted) | uint64(data[1].Permitted)<<32
	h.AllCapabilities = h.Capabilities
	if namespaceOf(config.Linux, specs.UserNamespace) != nil {
		h.AllCapabilities = 1<<lastCapability() - 1
	}
	return h, nil
}

// mounts asks what the options of mounts need to know. Relative sources begin
// in bundle.
func (h *Host) mounts(config *Config, bundle string) {
	for i := range config.Mounts {
		m := &config.Mounts[i]
		if !rootfs.HasOption(m, "copy-symlink") {
			continue
		}
		source := m.Source
		if !path.IsAbs(source) {
			source = path.Join(bundle, source)
		}
		// What is no link, or is not there, is for open_tree(2) to see.
		if text, err := os.Readlink(source); err == nil {
			if h.Links == nil {
				h.Links = map[int]string{}
			}
			h.Links[i] = text
		}
	}
	if config.Linux.MountLabel != "" {
		h.SELinux = selinuxEnabled()
	}
}

// selinuxEnabled reports whether the kernel enforces, or would report, labels:
// its file system is registered only then (selinuxfs, init_sel_fs).
func selinuxEnabled() bool {
	text, err := os.ReadFile("/proc/filesystems")
	return err == nil && strings.Contains(string(text), "\tselinuxfs\n")
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
