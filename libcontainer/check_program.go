// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// programs looks at what the rehearsal does not execute: the payload's program,
// and the hooks that start runs in the container.
func (c *check) programs(config *Config) {
	if len(config.Process.Args) == 0 {
		return
	}
	root, err := unix.Open(rootPath(config.Root.Path, c.o.Bundle), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return // not to be seen for us, but for the rehearsal
	}
	defer unix.Close(root)
	x := examiner{view: view{root: root}, process: config.Process, errno: unix.ENOEXEC, effective: effective(config.Process), users: config.Linux}
	defer x.view.close()
	x.mounts(config.Mounts, c.o.Bundle)
	if hooks := config.Hooks; hooks != nil {
		for i := range hooks.StartContainer {
			c.startHook(&x, plan.At("/hooks/startContainer").Index(i), hooks.StartContainer[i].Path)
		}
	}
	for _, name := range candidates(config.Process) {
		found, why := x.find(name)
		found.close()
		if found.hidden {
			return
		}
		if found.missing || why != "" || found.kind() != unix.S_IFREG || !x.may(&found.stat, 1) {
			continue // as lookup does
		}
		c.refuseProgram(plan.At("/process/args/0"), "exec: "+strconv.Quote(config.Process.Args[0]), x.examine(name, 0))
		return
	}
}

func (c *check) startHook(x *examiner, at plan.Pointer, name string) {
	found, why := x.find(name)
	found.close()
	if found.missing {
		why = unix.ENOENT.Error()
	} else if why == "" && !found.hidden {
		why = x.examine(name, 0)
	}
	c.refuseProgram(at, "run "+name, why)
}

// refuseProgram adds what the kernel has no use for; but it may be told of
// programs for other machines, by binfmt_misc.
func (c *check) refuseProgram(at plan.Pointer, op, why string) {
	if why == "" {
		return
	}
	entries, _ := os.ReadDir("/proc/sys/fs/binfmt_misc")
	if len(entries) > 2 { // register and status are always there
		c.warn(c.draft.find(at.String()).at, op+": "+why, "unless binfmt_misc knows a way")
		return
	}
	c.refused(&plan.Error{At: at, Op: op, Err: errors.New(why), Hint: "create takes it, start fails"})
}
