// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter"
	"corten/nsenter/plan"
	"corten/rootfs"
)

// making are the namespaces that the runtime makes, from when config.json is read:
// a user namespace, which has its id maps when the executor enters it, and the
// network namespace, which may take until long after the executor's start.
type making struct {
	users   *nsenter.Users   // with the network namespace, if there is a new one; nil: there is none
	network *nsenter.Network // without users; nil: there is none
}

// begin begins those of spec that are new. abort is due, even after an error.
func (m *making) begin(spec *specs.Spec) (err error) {
	users, network := namespaceOf(spec.Linux, specs.UserNamespace), namespaceOf(spec.Linux, specs.NetworkNamespace)
	newNetwork := network != nil && network.Path == ""
	switch {
	case users != nil && users.Path == "":
		m.users, err = beginUsers(namespaceAt(spec, unix.CLONE_NEWUSER), [2]plan.Pointer{plan.At("/linux/uidMappings"), plan.At("/linux/gidMappings")},
			usersMap(spec.Linux), newNetwork)
	case users == nil && newNetwork:
		if m.network, err = nsenter.NewNetwork(); err != nil {
			err = &plan.Error{At: namespaceAt(spec, unix.CLONE_NEWNET), Op: "unshare CLONE_NEWNET", Err: err}
		}
	}
	return err
}

func (m *making) abort() {
	m.users.Abort()
	m.network.Abort()
}

// handNetwork gives the executor its network namespace.
func (s *spawn) handNetwork() (err error) {
	s.served++
	var fd int
	if s.making.users != nil {
		fd, err = s.making.users.TakeNetwork()
	} else {
		fd, err = s.making.network.Take()
	}
	if err != nil {
		return &plan.Error{At: s.compiled.network, Op: "unshare CLONE_NEWNET", Err: err, Hint: cloneHint(err)}
	}
	defer unix.Close(fd)
	return s.executor.Hand(fd)
}

func usersMap(l *specs.Linux) *plan.IDMap {
	return &plan.IDMap{UIDs: rootfs.IDMapText(l.UIDMappings), GIDs: rootfs.IDMapText(l.GIDMappings)}
}

// beginUsers makes a user namespace with the maps of m, and begins a network
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
