// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go/features"

	"corten/nsenter/plan"
	"corten/rootfs"
	"corten/seccomp"
)

// Features says what this build handles, from the tables the compiler uses.
func (r *Runtime) Features() any {
	yes, no := true, false
	names := make([]string, len(plan.Capabilities))
	for i, n := range plan.Capabilities {
		names[i] = "CAP_" + n
	}
	slices.Sort(names)
	return &features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: "1.3.0",
		Hooks:         []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
		MountOptions:  rootfs.OptionNames(),
		Linux: &features.Linux{
			Namespaces:   []string{"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"},
			Capabilities: names,
			Cgroup:       &features.Cgroup{V1: &yes, V2: &yes, Systemd: &no, SystemdUser: &no, Rdma: &no},
			Seccomp: &features.Seccomp{Enabled: &yes, Actions: seccomp.KnownActions(), Operators: seccomp.KnownOperators(),
				Archs: seccomp.KnownArchs(), KnownFlags: seccomp.KnownFlags(), SupportedFlags: seccomp.SupportedFlags()},
			Apparmor:        &features.Apparmor{Enabled: &no},
			Selinux:         &features.Selinux{Enabled: &no},
			IntelRdt:        &features.IntelRdt{Enabled: &no},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &yes}},
		},
	}
}
