// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/cgroups"
	"corten/nsenter/plan"
)

// delegateAnnotation names a cgroup below the container's that the payload
// starts in and that belongs to its root. The cgroup namespace, if there is one,
// begins above it, where the limits are.
const delegateAnnotation = "run.oci.delegate-cgroup"

// compileDelegation lets the runtime move the executor to the delegated cgroup.
// After the cgroup namespace is made, whose root would be that else.
func (c *Compiled) compileDelegation(b *plan.Builder, spec *specs.Spec, host *cgroups.Host) error {
	name, at := spec.Annotations[delegateAnnotation], plan.At("/annotations").Field(delegateAnnotation)
	if name == "" {
		return nil
	}
	if err := cgroups.Single(at, name); err != nil {
		return err
	}
	if host.Mode != cgroups.Unified || c.Cgroup.Into < 0 {
		return &plan.Error{At: at, Err: errors.New("only cgroup v2 can be delegated")}
	}
	c.wait(b, at, barrierDelegate)
	return nil
}

// delegate makes the cgroup and moves the executor to it.
func (s *spawn) delegate() error {
	uid, ok := hostID(0, s.compiled.maps.users)
	gid, also := hostID(0, s.compiled.maps.groups)
	if !ok || !also {
		uid, gid = 0, 0 // there is no root: it stays the runtime's
	}
	if err := s.group.Delegate(s.spec.Annotations[delegateAnnotation], s.executor.PID, int(uid), int(gid)); err != nil {
		return &plan.Error{At: plan.At("/annotations").Field(delegateAnnotation), Err: err}
	}
	return nil
}
