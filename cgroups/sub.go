// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Sub is the part of the container's cgroup that the words ask for, each
// [CONTROLLER[,CONTROLLER]:]PATH. A path without controllers is for all
// hierarchies; those that no word names stay as they are. The caller closes
// both.
func (c *Cgroup) Sub(words []string, h *Host) (*Cgroup, error) {
	names := make([]string, len(c.Paths))
	for _, word := range words {
		controllers, name, some := strings.Cut(word, ":")
		if !some {
			controllers, name = "", word
		}
		matched := false
		for i := range c.Paths {
			if g := h.of(c.Paths[i]); controllers != "" && (g == nil || !g.hasAny(controllers)) {
				continue
			}
			names[i], matched = path.Clean("/" + name)[1:], true
		}
		if matched = matched && h.offersAll(controllers); !matched || slices.Contains(strings.Split(name, "/"), "..") {
			return nil, badSub(word, matched)
		}
	}
	sub := &Cgroup{}
	for i, name := range names {
		if err := sub.below(c, i, name); err != nil {
			sub.Close()
			return nil, errors.New("--cgroup " + quoteAll(words) + ": " + path.Join(c.Paths[i], name) + ": " + goneText(err))
		}
	}
	return sub, nil
}

func badSub(word string, matched bool) error {
	why := "the container is in no such hierarchy"
	if matched {
		why = "the path leads out of the container's cgroup"
	}
	return errors.New("--cgroup " + strconv.Quote(word) + ": " + why)
}

func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = strconv.Quote(word)
	}
	return strings.Join(quoted, " ")
}

// goneText is not "no such file", by which engines know a missing command.
func goneText(err error) string {
	if isGone(err) {
		return "there is no such cgroup"
	}
	return err.Error()
}

// below adds the cgroup name below c's i-th; "" is that itself.
//
// DEFENCE (runc#5351): the kernel resolves the path below the container's
// cgroup, through no link. A prefix of the text is no proof: ../id2 has one.
func (sub *Cgroup) below(c *Cgroup, i int, name string) error {
	d, err := c.dir(i)
	if err != nil {
		return err
	}
	fd := -1
	if name == "" {
		fd, err = unix.FcntlInt(uintptr(d.fd), unix.F_DUPFD_CLOEXEC, 3)
	} else {
		fd, err = openBeneath(d.fd, name, unix.O_PATH|unix.O_DIRECTORY)
	}
	if err != nil {
		return err
	}
	sub.add(path.Join(c.Paths[i], name), fd, d.v2)
	return nil
}

// Where is the v2 cgroup below the container's that a process of its is in,
// which moves about as it likes; text is /proc/PID/cgroup. nil: it is in the
// container's itself, or in none of its.
func (c *Cgroup) Where(text string, h *Host) *Cgroup {
	for i := range c.Paths {
		g := h.of(c.Paths[i])
		if g == nil || !g.V2 {
			continue
		}
		name, below := strings.CutPrefix(path.Join(g.Mount, ownUnified(text)), c.Paths[i]+"/")
		sub := &Cgroup{}
		if !below || c.each(func(j int, _ *dir) error {
			if i != j {
				return sub.below(c, j, "")
			}
			return sub.below(c, j, name)
		}) != nil {
			sub.Close()
			return nil
		}
		return sub
	}
	return nil
}

// of is the hierarchy that a cgroup's path is in.
func (h *Host) of(path string) *Hierarchy {
	for i := range h.Hierarchies {
		if strings.HasPrefix(path, h.Hierarchies[i].Mount+"/") {
			return &h.Hierarchies[i]
		}
	}
	return nil
}

// hasAny reports whether one of the controllers, parted by commas, is the
// hierarchy's. Those of v2 cannot be told apart by place.
func (g *Hierarchy) hasAny(controllers string) bool {
	for name := range strings.SplitSeq(controllers, ",") {
		if slices.Contains(g.Controllers, name) || g.Name != "" && "name="+g.Name == name {
			return true
		}
	}
	return false
}

// offersAll reports whether each of the controllers is in a v1 hierarchy.
func (h *Host) offersAll(controllers string) bool {
	if controllers == "" {
		return true
	}
	for name := range strings.SplitSeq(controllers, ",") {
		if !slices.ContainsFunc(h.Hierarchies, func(g Hierarchy) bool { return g.hasAny(name) }) {
			return false
		}
	}
	return true
}
