// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/binary"
	"errors"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// process compiles a process section of config.json: the container's own, or
// that of an exec.
type process struct {
	b     *plan.Builder
	made  *Compiled
	spec  *specs.Process
	facts *Host

	manager    []string // what a service manager's variables become
	userNS     bool
	setgroups  bool // to drop groups with
	keepGroups bool // the caller's
	sets       capabilitySets
	labels     labels
}

// compileKeyring leaves the caller's session keyring, in which his keys are, for
// an anonymous one, which no other container can join (security.md I6). A quota
// may refuse it, and a filter around corten: no reason not to start.
func compileKeyring(b *plan.Builder) {
	at := plan.At("/process")
	b.KeyctlSession(at, "")
	b.Tolerate("ENOSYS", "EPERM", "EACCES", "EDQUOT")
	b.Warn(at, "the payload keeps the caller's session keyring")
	b.Else()
}

// errNoProcess is what start has to say without a process (runtime-spec, "Start").
var errNoProcess = &plan.Error{At: plan.At("/process"), Err: errors.New("process property must not be empty")}

// idle is the process of a container whose config.json has none: it waits at the
// gate, without any right, and is never started.
func idle() *specs.Process { return &specs.Process{Cwd: "/"} }

// compileCwdTarget finds process.cwd below the root in slot root. For a container
// it is made if it is missing; for an exec it must be there.
func (p *process) compileCwdTarget(root plan.Slot, create bool) plan.Slot {
	at, cwd := plan.At("/process/cwd"), p.b.Slot()
	name := path.Clean(p.spec.Cwd)[1:]
	if name == "" {
		name = "."
	}
	if create {
		p.b.Target(at, root, name, unix.S_IFDIR|0o755, cwd)
	} else {
		p.b.Openat2(at, root, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS, cwd)
	}
	return cwd
}

// compileCwd enters the directory. Defence against CVE-2024-21626: no magic link of /proc is followed,
// and the directory arrived in must lie below the root.
func (p *process) compileCwd(cwd plan.Slot) {
	at := plan.At("/process/cwd")
	p.b.Fchdir(at, cwd)
	p.b.Done(at, cwd)
	p.b.CheckCwd(at)
}

// compileTerminal makes the terminal's peer the standard descriptors and the
// controlling terminal.
func (p *process) compileTerminal(peer plan.Slot) {
	at, b := plan.At("/process/terminal"), p.b
	b.IoctlTiocsctty(at, peer)
	for fd := range uint64(3) {
		b.Dup3(at, peer, fd)
	}
	if p.spec.User.UID != 0 {
		b.Fchownat(at, peer, "", uint64(p.spec.User.UID), ^uint64(0)&0xffffffff)
	}
	b.Done(at, peer)
}

func (p *process) compileRlimits() {
	for i, l := range p.spec.Rlimits {
		p.b.Prlimit(plan.At("/process/rlimits").Index(i), rlimit(l.Type), l.Soft, l.Hard)
	}
}

// rlimit is the number of a validated limit's name.
func rlimit(name string) uint64 { return uint64(slices.Index(rlimitNames[:], name)) }

// compileCredentials gives up what the payload may not have.
func (p *process) compileCredentials() {
	b, user := p.b, plan.At("/process/user")
	if p.spec.NoNewPrivileges {
		b.NoNewPrivs(plan.At("/process/noNewPrivileges"))
	} else {
		// Without no_new_privs the kernel wants CAP_SYS_ADMIN, so before the
		// capabilities go.
		p.compileSeccomp()
	}
	caps := plan.At("/process/capabilities")
	b.Capbset(caps.Field("bounding"), p.sets.bounding)

	// Always, even to none: supplementary groups of the caller must not leak,
	// unless that is asked for.
	groups := make([]byte, 0, 4*len(p.spec.User.AdditionalGids))
	for _, gid := range p.spec.User.AdditionalGids {
		groups = binary.LittleEndian.AppendUint32(groups, gid)
	}
	if !p.keepGroups && (p.setgroups || len(groups) > 0) {
		b.Setgroups(user.Field("additionalGids"), groups)
	}
	b.Prctl(caps, unix.PR_SET_KEEPCAPS, 1)
	b.Setresgid(user.Field("gid"), uint64(p.spec.User.GID))
	b.Setresuid(user.Field("uid"), uint64(p.spec.User.UID))
	b.Prctl(caps, unix.PR_SET_KEEPCAPS, 0)
	b.Capset(caps, p.sets.effective, p.sets.permitted, p.sets.inheritable)
	b.CapAmbient(caps.Field("ambient"), p.sets.ambient)
	b.CheckCaps(caps, p.sets.bounding, p.sets.effective, p.sets.permitted, p.sets.inheritable, p.sets.ambient)

	// Again, because the change of user has reset both.
	b.Prctl(plan.At("/process"), unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
	b.Prctl(plan.At("/process"), unix.PR_SET_DUMPABLE, 0)
	umask := uint64(0o022)
	if p.spec.User.Umask != nil {
		umask = uint64(*p.spec.User.Umask)
	}
	b.Umask(user.Field("umask"), umask)
}

// compileSeccomp loads the filter of linux.seccomp.
func (p *process) compileSeccomp() {
	switch at := plan.At("/linux/seccomp"); {
	case p.facts.Seccomp == nil:
	case p.facts.notifies():
		p.made.barriers = append(p.made.barriers, barrierListener)
		p.b.SeccompListen(at, p.facts.SeccompFlags, p.facts.Seccomp)
	default:
		p.b.Seccomp(at, p.facts.SeccompFlags, p.facts.Seccomp)
	}
}

// compileAgent loads a filter that notifies while the runtime is there to pass
// the listener on; so, of all filters of a process without new privileges, this
// one comes before the gate.
func (p *process) compileAgent() {
	if p.spec.NoNewPrivileges && p.facts.notifies() {
		p.compileSeccomp()
	}
}

// compileHome finds what HOME is, as the user the payload will run as, who may
// read no more than he may.
func (p *process) compileHome() {
	if !hasEnvironment(p.spec.Env, "HOME") {
		p.b.Home(plan.At("/process/env"), uint64(p.spec.User.UID))
	}
}

// compileLookup finds the program as the user it will run as, so that a missing
// one is an error of create.
func (p *process) compileLookup() {
	if len(p.spec.Args) == 0 {
		return
	}
	p.b.Lookup(plan.At("/process/args").Index(0), candidates(p.spec))
}

// candidates are the files args[0] can mean: itself if it has a slash, else
// one in each absolute directory of PATH.
func candidates(p *specs.Process) []string {
	name := p.Args[0]
	if strings.Contains(name, "/") {
		return []string{name}
	}
	var list []string
	for dir := range strings.SplitSeq(environment(p.Env, "PATH"), ":") {
		if path.IsAbs(dir) && name != "." && name != ".." {
			list = append(list, path.Join(dir, name))
		}
	}
	return list
}

// environment is the value of the last entry of name, "" if there is none.
func environment(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(env[i], name+"="); ok {
			return value
		}
	}
	return ""
}

func hasEnvironment(env []string, name string) bool {
	return slices.ContainsFunc(env, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
}

// uniqueEnvironment keeps the last entry of each name, in the order of the first.
func uniqueEnvironment(env []string) []string {
	index := make(map[string]int, len(env))
	out := make([]string, 0, len(env))
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		if i, seen := index[name]; seen {
			out[i] = entry
			continue
		}
		index[name] = len(out)
		out = append(out, entry)
	}
	return out
}

// compileExec is the end of every plan. After the gate of a created container,
// because its filter may forbid what waiting needs.
func (p *process) compileExec(reap bool, preserved uint64, hooks func()) {
	b, payload := p.b, plan.At("/process")
	if p.spec.NoNewPrivileges && !p.facts.notifies() {
		p.compileSeccomp() // as late as can be: the fewest calls are left to it
	}
	hooks() // under the filter, as runc has them
	b.Signals(payload)
	b.Prctl(payload, unix.PR_SET_PDEATHSIG, 0)
	if reap {
		b.Reap(plan.At("/annotations").Field(initAnnotation))
	}
	// The last call before execve: no descriptor of the host can be left.
	// Defence against CVE-2024-21626.
	b.CloseRange(payload, 3+preserved)
	env := p.spec.Env[:len(p.spec.Env):len(p.spec.Env)]
	if !hasEnvironment(env, "HOME") {
		env = append(env, "HOME=/") // or what compileHome's step has found
	}
	env = append(env, p.manager...)
	b.Execve(plan.At("/process/args"), p.spec.Args, uniqueEnvironment(env))
}
