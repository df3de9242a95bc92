// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"strings"

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
	network *nsenter.Network // without users, perhaps with a sysfs; nil: there is none
}

// madeFlags are the CLONE_NEW* flags of those that l wants: none, if it wants to join
// a user namespace, which would have to own them.
func madeFlags(l *specs.Linux) (flags uint64) {
	users, network := namespaceOf(l, specs.UserNamespace), namespaceOf(l, specs.NetworkNamespace)
	if users != nil && users.Path != "" {
		return 0
	}
	if users != nil {
		flags |= unix.CLONE_NEWUSER
	}
	if network != nil && network.Path == "" {
		flags |= unix.CLONE_NEWNET
	}
	return flags
}

// begin begins those of spec that are new. abort is due, even after an error.
func (m *making) begin(spec *specs.Spec) (err error) {
	switch flags := madeFlags(spec.Linux); {
	case flags&unix.CLONE_NEWUSER != 0:
		m.users, err = beginUsers(namespaceAt(spec, unix.CLONE_NEWUSER), [2]plan.Pointer{plan.At("/linux/uidMappings"), plan.At("/linux/gidMappings")},
			usersMap(spec.Linux), flags&unix.CLONE_NEWNET != 0)
	case flags != 0:
		if m.network, err = nsenter.NewNetwork(madeSysfs(spec)); err != nil {
			err = &plan.Error{At: namespaceAt(spec, unix.CLONE_NEWNET), Op: "unshare CLONE_NEWNET", Err: err}
		}
	}
	return err
}

func (m *making) abort() {
	m.users.Abort()
	m.network.Abort()
}

// madeSysfs is the sysfs that is made with the network namespace; nil: none is. In a
// user namespace, it would want a mount namespace of that.
func madeSysfs(spec *specs.Spec) *nsenter.Sysfs {
	if madeFlags(spec.Linux) != unix.CLONE_NEWNET {
		return nil
	}
	i, attributes := rootfs.NewSysfs(spec)
	if i < 0 {
		return nil
	}
	return &nsenter.Sysfs{Source: spec.Mounts[i].Source, Attributes: attributes}
}

// handOver gives the executor its network namespace, or the sysfs of that.
func (s *spawn) handOver(k barrier) (err error) {
	s.served++
	var fd int
	at := s.compiled.network
	switch {
	case k == barrierSysfs:
		at = s.compiled.sysfs
		fd, err = s.making.network.TakeSysfs()
	case s.making.users != nil:
		fd, err = s.making.users.TakeNetwork()
	default:
		fd, err = s.making.network.Take()
	}
	if err != nil {
		return s.unmade(at, err)
	}
	defer unix.Close(fd)
	return s.executor.Hand(fd)
}

// unmade names the call that has failed: of the network namespace, perhaps, without
// which there is no sysfs.
func (s *spawn) unmade(at plan.Pointer, err error) error {
	failed := (*os.SyscallError)(nil)
	if !errors.As(err, &failed) {
		return &plan.Error{At: at, Err: err}
	}
	if call := failed.Syscall; strings.HasPrefix(call, "fs") {
		field := "type"
		switch {
		case call == "fsmount":
			field = "options"
		case strings.Contains(call, "source"):
			field = "source"
		}
		return &plan.Error{At: s.compiled.sysfs.Field(field), Op: call, Err: failed.Err}
	}
	return &plan.Error{At: s.compiled.network, Op: failed.Syscall, Err: failed.Err, Hint: cloneHint(failed.Err)}
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
