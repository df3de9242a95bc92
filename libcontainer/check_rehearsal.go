// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter"
	"corten/nsenter/plan"
)

// rehearsal is a container's plan as check runs it, in namespaces that end with
// it: up to the payload, with everything of the host read-only and private, and
// without the steps whose effect would last.
type rehearsal struct {
	of     *Compiled
	made   Compiled
	origin []int // by step: that of the plan it comes from

	rootfs  string
	bundle  string
	kinds   []barrier   // of the barriers not yet met
	joined  uint64      // CLONE_NEW* flags of the namespaces entered so far
	dropped []plan.Slot // file systems that are not made here
	targets []string    // what was looked for or made so far, in a bind mount perhaps in vain
	absent  []string    // mount points that create would make, without the first slash
	unmade  []string    // pointers into the mounts whose file system is not made
}

// errRehearsed is the end of a rehearsal that found nothing.
var errRehearsed = errors.New("rehearsed")

// newRehearsal changes of's steps. rootfs is the path of the container's root.
func newRehearsal(of *Compiled, rootfs string) *rehearsal {
	r := &rehearsal{of: of, rootfs: rootfs, kinds: of.barriers}
	r.made = *of
	r.made.Cgroup, r.made.resctrl, r.made.netDevices, r.made.barriers = &cgroups.Plan{Into: -1}, nil, nil, nil
	r.made.Plan = plan.Plan{Inputs: slices.Clone(of.Inputs)}
	for i := range r.made.Inputs {
		switch in := &r.made.Inputs[i]; in.Kind {
		case plan.KindCgroup:
			in.Path, in.Or = existing(in.Path), ""
		case plan.KindAppend: // no hook is run, and none of their files made
			in.Path = os.DevNull
		}
	}
	gate := slices.IndexFunc(of.Steps, func(s plan.Step) bool { return s.Op == plan.OpGate })
	for i := range of.Steps[:gate] {
		r.step(i, of.Steps[i])
	}
	r.add(gate, plan.OpBarrier, uint64(1))
	r.made.barriers = append(r.made.barriers, barrierHooks)
	return r
}

// existing is the innermost directory on the way to name that is there.
func existing(name string) string {
	for name != "/" && unix.Access(name, unix.F_OK) != nil {
		name = path.Dir(name)
	}
	return name
}

func (r *rehearsal) add(i int, op plan.Op, args ...any) *plan.Step {
	r.origin = append(r.origin, i)
	r.made.Steps = append(r.made.Steps, plan.Step{At: r.of.Steps[i].At, Op: op, When: plan.None, Args: args})
	return &r.made.Steps[len(r.made.Steps)-1]
}

func (r *rehearsal) keep(i int, s plan.Step, tolerate ...plan.Errno) {
	s.Tolerate = append(slices.Clone(s.Tolerate), tolerate...)
	r.origin = append(r.origin, i)
	r.made.Steps = append(r.made.Steps, s)
}

// step takes over a step. One left out leaves its slot empty, and so leaves out
// all that would have used it.
func (r *rehearsal) step(i int, s plan.Step) {
	switch s.Op {
	case plan.OpBarrier, plan.OpReceive:
		r.barrier(i, s)
	case plan.OpSeccompListen:
		r.kinds = r.kinds[1:]
	case plan.OpRun:
	case plan.OpSetns:
		if in := int(s.Args[0].(plan.Slot)); in < len(r.of.Inputs) && r.of.Inputs[in].Kind == plan.KindNamespace {
			r.joined |= s.Args[1].(uint64)
		}
		r.keep(i, s)
	case plan.OpMount:
		if r.joins(unix.CLONE_NEWNS) && s.Args[0] == "/" {
			r.add(i, plan.OpUnshare, uint64(unix.CLONE_NEWNS))
		}
		r.keep(i, s)
	case plan.OpSethostname, plan.OpSetdomainname:
		if !r.joins(unix.CLONE_NEWUTS) {
			r.keep(i, s)
		}
	case plan.OpOpenTree:
		r.openTree(i, s)
	case plan.OpMountSetattr:
		if s.At.String() == "/root/path" && s.Args[4] == uint64(unix.MS_SLAVE) {
			r.overlay(i, s.Args[0].(plan.Slot))
		}
		s.Args = slices.Clone(s.Args)
		s.Args[3] = s.Args[3].(uint64) &^ unix.MOUNT_ATTR_RDONLY // what is the host's stays read-only
		r.keep(i, s)
	case plan.OpFsconfig, plan.OpFsmount:
		r.fileSystem(i, s)
	case plan.OpTarget, plan.OpTargetFor:
		r.keep(i, s, "EROFS")
		r.targets = append(r.targets, s.Args[1].(string))
		if !s.Else {
			r.add(i, plan.OpWarn, absentMark+s.Args[1].(string)).Else = true
		}
	case plan.OpMkdirat, plan.OpMknodat, plan.OpSymlinkat, plan.OpUnlinkat, plan.OpFsetxattr, plan.OpCopyAttributes, plan.OpCopyTree:
		r.keep(i, s, "EROFS")
	case plan.OpFchownat:
		r.keep(i, s, "EROFS", "ENOENT")
	case plan.OpCheckLink:
		r.keep(i, s, "ENOENT")
	default:
		r.other(i, s)
	}
}

// absentMark begins the text of a warning about a target that is not there.
const absentMark = "absent "

// barrier keeps those at which the runtime does what ends with the executor.
func (r *rehearsal) barrier(i int, s plan.Step) {
	k := r.kinds[0]
	r.kinds = r.kinds[1:]
	switch k {
	case barrierPlaced, barrierNetwork, barrierSysfs, barrierUsers, barrierPriorities:
		r.keep(i, s)
		r.made.barriers = append(r.made.barriers, k)
	}
}

func (r *rehearsal) joins(flag uint64) bool { return r.joined&flag != 0 }

// openTree protects what the executor clones of the host.
func (r *rehearsal) openTree(i int, s plan.Step) {
	if s.Args[0] != plan.Cwd {
		r.keep(i, s)
		return
	}
	for _, dir := range r.of.Cgroup.Dirs {
		if s.Args[1] == dir.Path {
			s.Args = slices.Clone(s.Args)
			s.Args[1] = existing(dir.Path)
		}
	}
	r.keep(i, s)
	r.add(i, plan.OpMountSetattr, s.Args[3], uint64(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE), uint64(unix.MOUNT_ATTR_RDONLY), uint64(0), uint64(unix.MS_PRIVATE))
}

// overlay puts a file system in memory on top of the root, so that what is
// missing there can be made. Where the kernel has no overlay for us, the root
// stays as it is, and read-only.
func (r *rehearsal) overlay(i int, root plan.Slot) {
	if !overlayable(r.rootfs) {
		return
	}
	memory, overlay, upper, top, mnt := r.slot(0), r.slot(1), r.slot(2), r.slot(3), r.slot(4)
	config := func(fs plan.Slot, command int, key, value string) *plan.Step {
		return r.add(i, plan.OpFsconfig, fs, uint64(command), key, value)
	}
	r.add(i, plan.OpFsopen, "overlay", overlay).Tolerate = noOverlay
	config(overlay, unix.FSCONFIG_SET_STRING, "lowerdir", r.rootfs).Tolerate = noOverlay
	r.add(i, plan.OpFsopen, "tmpfs", memory).When = overlay
	config(memory, unix.FSCONFIG_CMD_CREATE, "", "")
	r.add(i, plan.OpFsmount, memory, uint64(0), upper)
	r.add(i, plan.OpMkdirat, upper, "upper", uint64(0o755))
	r.add(i, plan.OpMkdirat, upper, "work", uint64(0o700))
	// On top of "/", where "/.." alone leads to it.
	r.add(i, plan.OpOpenat2, plan.Cwd, "/", uint64(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC), uint64(0), uint64(0), top)
	r.add(i, plan.OpMoveMount, upper, top)
	config(overlay, unix.FSCONFIG_SET_STRING, "upperdir", "/../upper").Tolerate = noOverlay
	config(overlay, unix.FSCONFIG_SET_STRING, "workdir", "/../work").Tolerate = noOverlay
	config(overlay, unix.FSCONFIG_SET_FLAG, "userxattr", "").Tolerate = noOverlay
	config(overlay, unix.FSCONFIG_CMD_CREATE, "", "").Tolerate = noOverlay
	r.add(i, plan.OpFsmount, overlay, uint64(0), mnt).Tolerate = noOverlay
	r.add(i, plan.OpUmount2, "/..", uint64(unix.MNT_DETACH)).When = upper
	r.add(i, plan.OpClose, root).When = mnt
	r.add(i, plan.OpOpenTree, mnt, "", uint64(unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLOEXEC), root)
}

// noOverlay is how a kernel refuses one.
var noOverlay = []plan.Errno{"ENOENT", "EPERM", "EINVAL", "EACCES", "EOPNOTSUPP", "ENODEV", "EBUSY"}

// slot is the n-th that the plan itself does not use.
func (r *rehearsal) slot(n int) plan.Slot {
	last := plan.Slot(len(r.of.Inputs))
	for i := range r.of.Steps {
		for _, arg := range r.of.Steps[i].Args {
			if s, ok := arg.(plan.Slot); ok && s < plan.Cwd {
				last = max(last, s+1)
			}
		}
	}
	return last + plan.Slot(n)
}

// overlayable reports whether root can be a lower directory: with nothing
// mounted in it, and written as one option.
func overlayable(root string) bool {
	var fs unix.Statfs_t
	if len(root) > 255 || strings.ContainsAny(root, `:\,`) || unix.Statfs(root, &fs) != nil || fs.Flags&unix.ST_RDONLY != 0 {
		return false
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	return err == nil && !strings.Contains(string(mounts), " "+root+"/")
}

// fileSystem makes those of the kernel's own. Of others, whose making writes to
// a disk or a directory, the options are tried.
func (r *rehearsal) fileSystem(i int, s plan.Step) {
	fs := s.Args[0].(plan.Slot)
	switch {
	case s.Op == plan.OpFsmount && slices.Contains(r.dropped, fs):
		r.dropped = slices.DeleteFunc(r.dropped, func(o plan.Slot) bool { return o == fs })
	case s.Op == plan.OpFsconfig && s.Args[1] == uint64(unix.FSCONFIG_CMD_CREATE) && !kernelsOwn(r.fsType(fs)):
		r.dropped = append(r.dropped, fs)
		r.unmade = append(r.unmade, s.At.String())
	default:
		r.keep(i, s)
	}
}

// fsType is of the context opened last in slot fs.
func (r *rehearsal) fsType(fs plan.Slot) string {
	for _, s := range slices.Backward(r.made.Steps) {
		if s.Op == plan.OpFsopen && s.Args[1] == fs {
			return s.Args[0].(string)
		}
	}
	return ""
}

func kernelsOwn(fsType string) bool {
	switch fsType {
	case "proc", "sysfs", "tmpfs", "ramfs", "devpts", "mqueue", "cgroup", "cgroup2":
		return true
	}
	return false
}

// other keeps what concerns the executor alone, and of the rest the look at it.
func (r *rehearsal) other(i int, s plan.Step) {
	made := i > 0 && (r.of.Steps[i-1].Op == plan.OpMknodat || r.of.Steps[i-1].Op == plan.OpMkdirat)
	sysctl := strings.HasPrefix(s.At.String(), "/linux/sysctl/")
	switch {
	case sysctl && s.Op == plan.OpWrite && r.joined != 0:
	case s.Op == plan.OpOpenat2 && (made || slices.Contains(r.targets, s.Args[1].(string)) || sysctl && r.ofMoved(s.Args[1].(string))):
		r.keep(i, s, "ENOENT")
	default:
		r.keep(i, s)
	}
}

// ofMoved reports whether a file below /proc is a device's that create would
// move into the container.
func (r *rehearsal) ofMoved(file string) bool {
	return slices.ContainsFunc(r.of.netDevices, func(d movedDevice) bool {
		return strings.Contains(file, "/"+d.name+"/") || strings.Contains(d.name, "%")
	})
}

// protect makes a clone of the host's mounts read-only and private before the
// executor has it.
func (r *rehearsal) protect(in *plan.Input, fd int) error {
	if r == nil || in.Kind != plan.KindTree && in.Kind != plan.KindCgroup {
		return nil
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY, Propagation: unix.MS_PRIVATE}
	return os.NewSyscallError("mount_setattr", unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr))
}

// original is the plan that create would run, with the record of a step of it,
// for one of the rehearsal.
func (r *rehearsal) original(p *plan.Plan, record *nsenter.Record) (*plan.Plan, *nsenter.Record) {
	if r == nil {
		return p, record
	}
	of := *record
	if 0 <= of.Step && of.Step < len(r.origin) {
		of.Step = r.origin[of.Step]
	}
	return &r.of.Plan, &of
}

// rehearse runs c's plan as far as nothing of it lasts. warn is told what would
// be warned of.
func (r *Runtime) rehearse(config *Config, bundle string, c *Compiled, warn func(text string)) error {
	if err := unix.MountSetattr(-1, "", 0, &unix.MountAttr{}); err == unix.ENOSYS {
		warn("not rehearsed: mount_setattr(2) needs Linux 5.12")
		return nil
	}
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open /dev/null", err)
	}
	defer unix.Close(null)
	terminal, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(terminal[0])
	defer unix.Close(terminal[1])
	play := newRehearsal(c, rootPath(config.Root.Path, bundle))
	play.bundle = bundle
	quiet := &Runtime{Log: func(format string, args ...any) {
		text, _ := args[len(args)-1].(string)
		if name, absent := strings.CutPrefix(text, absentMark); absent {
			play.absent = append(play.absent, name)
			return
		}
		warn(fmt.Sprintf(format, args...))
	}}
	var m making
	defer m.abort()
	if err := m.begin(config.Spec); err != nil {
		return err
	}
	s := &spawn{r: quiet, making: m, compiled: &play.made, console: terminal[0], gate: null, init: -1, spec: config.Spec, process: config.Process, rehearsal: play}
	if err = s.start(); err == nil {
		err = s.finish(func() error { return errRehearsed })
	}
	if s.executor != nil {
		s.executor.Abort()
	}
	if errors.Is(err, errRehearsed) || play.excuses(config, err) {
		return nil
	}
	return err
}

// excuses reports whether err may come only of what the rehearsal has not made:
// a program that it has not found may lie in a mount that was left out.
func (r *rehearsal) excuses(config *Config, err error) bool {
	var e *plan.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.At.String(), "/process/args") || len(config.Process.Args) == 0 {
		return false
	}
	for i := range config.Mounts {
		at := "/mounts/" + strconv.Itoa(i) + "/"
		if slices.ContainsFunc(r.unmade, func(p string) bool { return strings.HasPrefix(p, at) }) {
			r.absent = append(r.absent, path.Clean("/" + config.Mounts[i].Destination)[1:])
		}
	}
	for _, file := range candidates(config.Process) {
		for _, dir := range r.absent {
			if strings.HasPrefix(path.Join("/", config.Process.Cwd, file), "/"+dir+"/") || strings.HasPrefix(file, "/"+dir+"/") {
				return true
			}
		}
	}
	return false
}
