// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter"
	"corten/nsenter/plan"
)

// walker is who makes the container's root, in the host's ids: the caller, or
// the one that the container's user namespace has as 0.
type walker struct {
	uid, gid   uint32
	uids, gids []specs.LinuxIDMapping // whose files it may search whatever their mode
}

func newWalker(linux *specs.Linux) *walker {
	w := &walker{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid()), uids: linux.UIDMappings, gids: linux.GIDMappings}
	for _, m := range w.uids {
		if m.ContainerID == 0 {
			w.uid = m.HostID
		}
	}
	for _, m := range w.gids {
		if m.ContainerID == 0 {
			w.gid = m.HostID
		}
	}
	return w
}

// stopped is the sentence about the first directory on the way to a host path
// that the walker may not search (path_resolution(7)); "" if the mode bits
// forbid none.
func (w *walker) stopped(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	dir := "/"
	for _, word := range append(strings.Split(name, "/"), ".") {
		var st unix.Stat_t
		if unix.Stat(dir, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			break
		}
		if !w.searches(&st) {
			return fmt.Sprintf("%s (mode %04o, owner %d:%d) lacks x for uid %d", dir, st.Mode&0o7777, st.Uid, st.Gid, w.uid)
		}
		dir = path.Join(dir, word)
	}
	return ""
}

func (w *walker) searches(st *unix.Stat_t) bool {
	bit := uint32(0o001)
	switch {
	case st.Uid == w.uid:
		bit = 0o100
	case st.Gid == w.gid:
		bit = 0o010
	}
	return st.Mode&bit != 0 || among(w.uids, st.Uid) && among(w.gids, st.Gid)
}

func among(ids []specs.LinuxIDMapping, id uint32) bool {
	for _, m := range ids {
		if id >= m.HostID && id-m.HostID < m.Size {
			return true
		}
	}
	return false
}

// stepError explains a failed step, for EACCES with the directory of the host
// that is the cause.
func (s *spawn) stepError(r *nsenter.Record) error {
	p, r := s.rehearsal.original(&s.compiled.Plan, r)
	err := s.explain(stepError(p, r))
	var e *plan.Error
	if s.rootfs() == "" || !errors.As(err, &e) || e.Err != unix.EACCES || e.Hint != "" {
		return err
	}
	name := s.rootfs()
	if step := &p.Steps[r.Step]; step.Op == plan.OpOpenTree {
		name = step.Args[1].(string)
	}
	e.Hint = newWalker(s.spec.Linux).stopped(name)
	return err
}

// rootfs is the path of the container's root; "" in exec.
func (s *spawn) rootfs() string {
	switch {
	case s.rehearsal != nil:
		return s.rehearsal.rootfs
	case s.state != nil:
		return s.state.Rootfs
	}
	return ""
}
