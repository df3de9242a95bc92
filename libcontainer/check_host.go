// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
	"corten/seccomp"
)

// warnText adds what create would log. Its words may begin with the field.
func (c *check) warnText(format string, args ...any) {
	text, at := fmt.Sprintf(format, args...), ""
	if rest, ok := strings.CutPrefix(text, "config.json#"); ok {
		at, text, _ = strings.Cut(rest, ": ")
		at = c.draft.find(at).at
	}
	c.warn(at, text, "")
}

// cgroups adds what keeps the container's cgroups from being made.
func (c *check) cgroups(compiled *Compiled) {
	if err := compiled.Cgroup.Vacant(); err != nil {
		c.refused(err)
	}
	for _, err := range compiled.Cgroup.Check() {
		c.refused(err)
	}
}

// surprises adds what create takes, but who wrote it may not have meant.
func (c *check) surprises(config *Config) {
	c.unknownCalls(config)
	c.deprecated(config.Spec)
	if len(config.Process.Args) == 0 {
		c.warn("/process", "there is none: create makes the container, start refuses it", "")
	}
}

// sockets wants one wherever create connects. It does not: who listens would
// take that for a container.
func (c *check) sockets(config *Config) {
	annotation := "/annotations/" + pidfdReceiver
	for _, socket := range [...]struct{ at, flag, name string }{
		{"", "--console-socket: ", c.o.ConsoleSocket}, {"", "--pidfd-socket: ", c.o.PidfdSocket}, {annotation, "", config.Annotations[pidfdReceiver]},
	} {
		if err := isSocket(socket.name); socket.name != "" && err != nil {
			c.refused(&plan.Error{At: plan.At(socket.at), Op: socket.flag + socket.name, Err: err})
		}
	}
	if s := config.Linux.Seccomp; seccomp.Notifies(s) {
		if err := isSocket(s.ListenerPath); err != nil {
			c.refused(&plan.Error{At: listenerAt, Op: s.ListenerPath, Err: err,
				Hint: "the seccomp agent must be listening before the container is made"})
		}
	}
}

func isSocket(name string) error {
	var st unix.Stat_t
	err := unix.Stat(name, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		err = unix.ECONNREFUSED
	}
	return err
}

// unknownCalls warns of system calls that libseccomp does not know; their rules
// are left out, as the specification has it.
func (c *check) unknownCalls(config *Config) {
	if config.Linux.Seccomp == nil {
		return
	}
	program, err := seccomp.Compile(plan.At("/linux/seccomp"), config.SeccompRaw, "")
	if err != nil {
		return // compile has said it
	}
	for i := range config.Linux.Seccomp.Syscalls {
		for j, name := range config.Linux.Seccomp.Syscalls[i].Names {
			if slices.Contains(program.Unknown, name) {
				at := c.draft.find("/linux/seccomp/syscalls/" + strconv.Itoa(i) + "/names/" + strconv.Itoa(j)).at
				c.warn(at, "libseccomp does not know the system call "+strconv.Quote(name)+": ignored", "")
			}
		}
	}
}

// deprecated warns of fields the specification advises against.
func (c *check) deprecated(s *specs.Spec) {
	for _, old := range [...]struct {
		at   string
		is   bool
		text string
	}{
		{"/hooks/prestart", s.Hooks != nil && len(s.Hooks.Prestart) > 0, "deprecated: createRuntime and createContainer say when they run"}, //nolint:staticcheck // it is named
		{"/linux/resources/memory/kernel", memory(s).Kernel != nil, "deprecated: the kernel's memory counts as the container's since Linux 5.4"},
	} {
		if old.is {
			c.warn(c.draft.find(old.at).at, old.text, "")
		}
	}
}

func memory(s *specs.Spec) *specs.LinuxMemory {
	if r := s.Linux.Resources; r != nil && r.Memory != nil {
		return r.Memory
	}
	return new(specs.LinuxMemory)
}
