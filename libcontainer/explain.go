// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"path"
	"strconv"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// stage is where a program was to be executed.
type stage struct {
	root    string // directory where the container finds its files
	init    int    // pidfd of the process whose root it is; -1: it is the host's
	process *specs.Process
	linux   *specs.Linux
	mounts  []specs.Mount // those that are not in root
	bundle  string
}

// explain adds to the error of a program that was not executed what is wrong
// with it, behind the words that engines look for.
func explain(err error, in stage) error {
	var e *plan.Error
	if !errors.As(err, &e) || e.Op != "exec" || in.process == nil || len(in.process.Args) == 0 {
		return err
	}
	var errno syscall.Errno
	if !errors.As(e.Err, &errno) { // not found in $PATH
		e.Err = wordedError{e.Err, searched(in.process.Env)}
		return err
	}
	root, openErr := unix.Open(in.root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if openErr != nil {
		return err
	}
	defer unix.Close(root)
	if in.init >= 0 && unix.PidfdSendSignal(in.init, 0, nil, 0) != nil {
		return err // it may be the root of another process by now
	}
	x := examiner{view: view{root: root}, process: in.process, errno: errno, effective: effective(in.process), users: in.linux}
	defer x.view.close()
	x.mounts(in.mounts, in.bundle)
	if why := x.why(); why != "" {
		e.Err = wordedError{e.Err, why}
	}
	return err
}

// explain adds what is wrong with the program of a container, or of an exec in one.
func (s *spawn) explain(err error) error {
	if s.state != nil {
		return s.state.explain(err)
	}
	if s.rehearsal != nil {
		return explain(err, stage{s.rehearsal.rootfs, -1, s.process, s.spec.Linux, s.spec.Mounts, s.rehearsal.bundle})
	}
	return explain(err, stage{s.root, s.init, s.process, s.spec.Linux, nil, ""})
}

// explain adds what is wrong with the container's program. Its mounts are gone
// by now, or out of reach for a user without privilege: they are looked for
// where the runtime is.
func (c *container) explain(err error) error {
	config, configErr := c.config()
	if configErr != nil {
		return err
	}
	return explain(err, stage{c.Rootfs, -1, config.Process, config.Linux, config.Mounts, c.Bundle})
}

// searched says where a program without a slash was looked for.
func searched(env []string) string {
	if !hasEnvironment(env, "PATH") {
		return "process.env has no PATH"
	}
	return "PATH=" + environment(env, "PATH")
}

// examiner looks at the files of a container with the rights of its process.
type examiner struct {
	view
	process   *specs.Process
	errno     syscall.Errno
	effective uint64       // capabilities
	users     *specs.Linux // its id mappings
}

func effective(p *specs.Process) (set uint64) {
	if p.Capabilities != nil {
		for _, name := range p.Capabilities.Effective {
			set |= capabilityBit(name)
		}
	}
	return set
}

// why is the sentence for the program of the process, "" if the errno says it all.
func (x *examiner) why() string {
	switch x.errno {
	case unix.E2BIG:
		return "process.args and process.env are too long together, or one of them is"
	case unix.EPERM:
		return "a seccomp filter or a security module forbids it"
	case unix.ENOENT, unix.EACCES, unix.ENOEXEC, unix.ELIBBAD, unix.ENOTDIR, unix.ELOOP:
	default:
		return ""
	}
	list := candidates(x.process)
	for _, name := range list {
		found, why := x.find(name)
		found.close()
		if found.missing && len(list) > 1 {
			continue
		}
		if why == "" && !found.missing {
			why = x.examine(name, 0)
		}
		if why == "" && x.errno == unix.EACCES && !found.hidden && !found.missing {
			why = "neither its mode nor its mount says so: an access control list or a security module does"
		}
		return why
	}
	return ""
}

// examine says what keeps the kernel from executing a file, "" if nothing is seen.
// depth counts interpreters, of which the kernel follows five (fs/exec.c).
func (x *examiner) examine(name string, depth int) string {
	found, why := x.find(name)
	defer found.close()
	switch {
	case why != "" || found.hidden:
		return why
	case found.missing:
		return ""
	case found.kind() == unix.S_IFDIR:
		return found.path + " is a directory"
	case found.kind() != unix.S_IFREG:
		return found.path + " is no regular file"
	case x.noexec(&found) != "":
		return x.noexec(&found)
	case !x.may(&found.stat, 1):
		return x.denied(&found)
	case depth > 5:
		return found.path + " is one interpreter too many"
	}
	head, err := found.head()
	if err != nil {
		return ""
	}
	if line, ok := strings.CutPrefix(string(head), "#!"); ok {
		return x.script(found.path, line, depth)
	}
	if strings.HasPrefix(string(head), elfMagic) {
		return x.program(&found, head, depth)
	}
	return found.path + " " + notProgram(head)
}

// script examines what the #! line of a script names.
func (x *examiner) script(name, line string, depth int) string {
	line, _, _ = strings.Cut(line, "\n")
	interpreter, _, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
	interpreter, _, _ = strings.Cut(interpreter, "\t")
	if interpreter == "" || interpreter == "\r" {
		return name + " has a #! line that names no interpreter"
	}
	if strings.HasSuffix(interpreter, "\r") {
		return "the #! line of " + name + " ends in CR LF: the kernel looks for " + strconv.Quote(interpreter)
	}
	return x.helper("the interpreter of "+name, interpreter, depth)
}

// helper examines a program that the kernel starts in the place of another.
func (x *examiner) helper(role, name string, depth int) string {
	found, why := x.find(name)
	found.close()
	switch {
	case found.missing && why != "":
		return role + ", " + name + ", is missing: " + why
	case found.missing:
		return role + ", " + name + ", is missing"
	case why == "":
		why = x.examine(name, depth+1)
	}
	if why != "" {
		return role + ": " + why
	}
	return ""
}

// may says whether the process has a right (1: execute or search, as in mode) to
// a file, by its mode. An access control list can give more and less.
func (x *examiner) may(st *unix.Statx_t, right uint16) bool {
	override := capabilityBit("CAP_DAC_OVERRIDE")
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		override |= capabilityBit("CAP_DAC_READ_SEARCH")
	}
	uid, uidKnown := x.inside(st.Uid, false)
	gid, gidKnown := x.inside(st.Gid, true)
	if x.effective&override != 0 && uidKnown && gidKnown && (st.Mode&unix.S_IFMT == unix.S_IFDIR || st.Mode&0o111 != 0) {
		return true
	}
	user := &x.process.User
	mode := st.Mode
	switch {
	case uidKnown && uid == user.UID:
		mode >>= 6
	case gidKnown && (gid == user.GID || contains(user.AdditionalGids, gid)):
		mode >>= 3
	}
	return mode&right == right
}

func contains(list []uint32, id uint32) bool {
	for _, n := range list {
		if n == id {
			return true
		}
	}
	return false
}

// inside is an id as the container has it.
func (x *examiner) inside(id uint32, group bool) (uint32, bool) {
	maps := x.users.UIDMappings
	if group {
		maps = x.users.GIDMappings
	}
	for _, m := range maps {
		if id >= m.HostID && id-m.HostID < m.Size {
			return m.ContainerID + id - m.HostID, true
		}
	}
	return id, len(maps) == 0 && !joinsUsers(x.users)
}

func joinsUsers(l *specs.Linux) bool {
	for i := range l.Namespaces {
		if l.Namespaces[i].Type == specs.UserNamespace {
			return true
		}
	}
	return false
}

// denied says of a mode that it does not let the process.
func (x *examiner) denied(f *file) string {
	who := "uid " + itoa(int64(x.process.User.UID))
	if f.stat.Mode&0o111 == 0 {
		who = "everyone"
	}
	id := func(id uint32, group bool) string {
		if id, known := x.inside(id, group); known {
			return itoa(int64(id))
		}
		return "not mapped"
	}
	return f.path + " (mode 0" + strconv.FormatUint(uint64(f.stat.Mode&0o7777), 8) + ", owner " +
		id(f.stat.Uid, false) + ":" + id(f.stat.Gid, true) + ") lacks x for " + who
}

// absolute is a path of the process from the root on.
func (x *examiner) absolute(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return x.process.Cwd + "/" + name
}
