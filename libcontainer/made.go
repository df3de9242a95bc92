// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter"
	"corten/nsenter/plan"
	"corten/rootfs"
)

// makesNetwork says whether the container gets a new network namespace, and no
// user namespace, which would own it.
func makesNetwork(l *specs.Linux) bool {
	ns := namespaceOf(l, specs.NetworkNamespace)
	return ns != nil && ns.Path == "" && namespaceOf(l, specs.UserNamespace) == nil
}

// newUsers begins the container's new user namespace; nil: it has none. It is the
// caller's to abort, even after an error.
func newUsers(spec *specs.Spec) (*nsenter.Users, error) {
	ns := namespaceOf(spec.Linux, specs.UserNamespace)
	if ns == nil || ns.Path != "" {
		return nil, nil
	}
	network := namespaceOf(spec.Linux, specs.NetworkNamespace)
	return beginUsers(namespaceAt(spec, unix.CLONE_NEWUSER), [2]plan.Pointer{plan.At("/linux/uidMappings"), plan.At("/linux/gidMappings")},
		usersMap(spec.Linux), network != nil && network.Path == "")
}

func usersMap(l *specs.Linux) *plan.IDMap {
	return &plan.IDMap{UIDs: rootfs.IDMapText(l.UIDMappings), GIDs: rootfs.IDMapText(l.GIDMappings)}
}

// beginUsers begins a user namespace with the maps of m, and with a network
// namespace if asked. It is the caller's to abort even after an error.
func beginUsers(at plan.Pointer, maps [2]plan.Pointer, m *plan.IDMap, network bool) (*nsenter.Users, error) {
	users, err := nsenter.NewUsers(network)
	if err != nil {
		return nil, &plan.Error{At: at, Op: "clone " + plan.CloneFlags(unix.CLONE_NEWUSER), Err: err, Hint: cloneHint(err)}
	}
	if err := writeMaps(users.PID, maps, m.UIDs, m.GIDs); err != nil {
		return users, err
	}
	return users, users.Mapped()
}
