// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"corten/nsenter/plan"
	"corten/rootfs"
	"corten/seccomp"
)

// Features says what this build handles, from the tables the compiler uses:
// features.md and features-linux.md of the runtime-spec. A boolean is about the
// build, not about the host.
func (r *Runtime) Features(version, commit string) *features.Features {
	f := &features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		MountOptions:  rootfs.OptionNames(),
		Annotations: map[string]string{
			"corten.version": version,
			// Engines ask for this one by runc's name.
			"org.opencontainers.runc.checkpoint.enabled": "false",
		},
		// What changes the container; who lets others write annotations has to
		// know.
		PotentiallyUnsafeConfigAnnotations: []string{initAnnotation, rootfs.ContextAnnotation, pidfdReceiver, groupsAnnotation, hookOutputs[0], hookOutputs[1],
			delegateAnnotation},
		Linux: &features.Linux{
			Capabilities: capabilityNames(),
			Cgroup:       &features.Cgroup{V1: new(true), V2: new(true), Systemd: new(true), SystemdUser: new(true), Rdma: new(true)},
			Seccomp: &features.Seccomp{Enabled: new(true), Actions: seccomp.KnownActions(), Operators: seccomp.KnownOperators(),
				Archs: seccomp.KnownArchs(), KnownFlags: seccomp.KnownFlags(), SupportedFlags: seccomp.SupportedFlags()},
			Apparmor:        &features.Apparmor{Enabled: new(true)},
			Selinux:         &features.Selinux{Enabled: new(true)},
			MemoryPolicy:    &features.MemoryPolicy{Modes: plan.MemoryModes[:], Flags: plan.MemoryFlags[:]},
			IntelRdt:        &features.IntelRdt{Enabled: new(true), Schemata: new(true), Monitoring: new(true)},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: new(true)}},
			NetDevices:      &features.NetDevices{Enabled: new(true)},
		},
	}
	for _, kind := range hookKinds(new(specs.Hooks)) {
		f.Hooks = append(f.Hooks, kind.name)
	}
	for _, t := range namespaceTypes {
		f.Linux.Namespaces = append(f.Linux.Namespaces, string(t.name))
	}
	if commit != "" {
		f.Annotations["corten.commit"] = commit
	}
	if v := seccomp.Version(); v != "" {
		f.Annotations["io.github.seccomp.libseccomp.version"] = v
	}
	return f
}

func capabilityNames() []string {
	names := make([]string, len(plan.Capabilities))
	for i, n := range plan.Capabilities {
		names[i] = "CAP_" + n
	}
	slices.Sort(names)
	return names
}
