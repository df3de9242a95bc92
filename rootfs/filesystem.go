// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"errors"
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// maxValue is the length of a string fsconfig(2) takes, in bytes.
const maxValue = 255

// filesystem mounts a new file system; one that is made has to be handed over only.
// Its attributes are set while it is detached: it is never visible without them.
func (r *Root) filesystem(at plan.Pointer, i int, target string, made bool) error {
	m, o := &r.spec.Mounts[i], &r.options[i]
	b, host := r.b, r.inputs[i]
	if host != noSlot {
		o.fold() // rrw may not undo what hostSysfs does
	}
	attr, rec := o.attrSet, *o
	readonly := (attr&^o.recClear|o.recSet)&unix.MOUNT_ATTR_RDONLY != 0
	late := readonly && (m.Type == "tmpfs" || target == "/dev")
	if late {
		// Read-only once the mountpoints and devices below it are made.
		attr &^= unix.MOUNT_ATTR_RDONLY
		rec.recSet &^= unix.MOUNT_ATTR_RDONLY
	}
	var mnt plan.Slot
	if made {
		mnt = r.Sysfs(at)
	} else {
		var err error
		if mnt, err = r.create(at, i, attr, readonly && !late && ownSuperblock(m.Type)); err != nil {
			return err
		}
	}
	if host != noSlot {
		r.hostSysfs(at, o, host, mnt)
	}
	r.finish(at, &rec, mnt)
	if m.Type == "tmpfs" {
		r.placeTmpfs(at, o, mnt, target)
	} else {
		if m.Type == "mqueue" {
			r.labelRoot(mnt)
		}
		r.place(at.Field("destination"), m.Type, mnt, target)
	}
	if host != noSlot {
		b.Close(at, host)
	}
	if late {
		r.late = append(r.late, mnt)
	}
	r.keep(target, mnt, late)
	return nil
}

// create makes the file system of a mount, with a super block that is read-only or
// not.
func (r *Root) create(at plan.Pointer, i int, attr uint64, readonly bool) (plan.Slot, error) {
	m, o, host := &r.spec.Mounts[i], &r.options[i], r.inputs[i]
	b, fs, mnt := r.b, r.b.Slot(), r.b.Slot()
	b.Fsopen(at.Field("type"), m.Type, fs)
	if host != noSlot {
		b.Tolerate("EPERM")
	}
	if m.Source != "" {
		if len(m.Source) > maxValue {
			return mnt, &plan.Error{At: at.Field("source"), Err: errTooLong}
		}
		b.Fsconfig(at.Field("source"), fs, unix.FSCONFIG_SET_STRING, "source", m.Source)
	}
	for _, d := range o.data {
		if err := fsconfig(b, at.Field("options").Index(d.index), m.Type, fs, d); err != nil {
			return mnt, err
		}
	}
	if m.Type != "mqueue" && hasLabel(m.Type) {
		r.label(fs, o)
	}
	if readonly {
		b.Fsconfig(at.Field("options"), fs, unix.FSCONFIG_SET_FLAG, "ro", "")
	}
	b.Fsconfig(at.Field("type"), fs, unix.FSCONFIG_CMD_CREATE, "", "")
	if host != noSlot {
		b.Tolerate("EPERM")
	}
	b.Fsmount(at.Field("options"), fs, attr, mnt)
	if host != noSlot {
		b.Tolerate("EPERM", "EINVAL") // EINVAL: of a context that has not come about
	}
	b.Done(at, fs)
	return mnt, nil
}

var errTooLong = errors.New("fsconfig(2) takes up to 255 bytes")

func fsconfig(b *plan.Builder, at plan.Pointer, fsType string, fs plan.Slot, d datum) error {
	if d.isFlag {
		b.Fsconfig(at, fs, unix.FSCONFIG_SET_FLAG, d.key, "")
		return nil
	}
	if fsType == "overlay" && d.key == "lowerdir" && len(d.value) > maxValue {
		return lowerDirs(b, at, fs, d.value)
	}
	if len(d.value) > maxValue {
		return &plan.Error{At: at, Err: errTooLong}
	}
	b.Fsconfig(at, fs, unix.FSCONFIG_SET_STRING, d.key, d.value)
	return nil
}

// lowerDirs gives overlay its lower directories one by one (since Linux 6.7,
// commit 24e16e385f22): those before a double colon, then those of data only.
// In a list a backslash takes the next character its meaning; one by one, none
// has any.
func lowerDirs(b *plan.Builder, at plan.Pointer, fs plan.Slot, list string) error {
	key, dir := "lowerdir+", []byte(nil)
	for i := 0; i <= len(list); i++ {
		switch {
		case i+1 < len(list) && list[i] == '\\':
			i++
			dir = append(dir, list[i])
		case i < len(list) && list[i] != ':':
			dir = append(dir, list[i])
		case len(dir) == 0 && i > 0 && i < len(list):
			key = "datadir+"
		case len(dir) > maxValue:
			return &plan.Error{At: at, Err: errTooLong}
		default:
			b.Fsconfig(at, fs, unix.FSCONFIG_SET_STRING, key, string(dir))
			dir = dir[:0]
		}
	}
	return nil
}

// ownSuperblock reports whether mounting the type makes or opens a super block
// that read-only is a property of, too: not so for the kernel's own views.
func ownSuperblock(fsType string) bool {
	switch fsType {
	case "proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2":
		return false
	}
	return true
}

// placeTmpfs attaches a tmpfs. Where nothing else is said, it has the mode of
// the directory it covers; with tmpcopyup, also its owner and its content.
func (r *Root) placeTmpfs(at plan.Pointer, o *options, mnt plan.Slot, target string) {
	what := uint64(plan.CopyMode | plan.CopyOwner)
	for _, d := range o.data {
		switch d.key {
		case "mode":
			what &^= plan.CopyMode
		case "uid", "gid":
			what &^= plan.CopyOwner
		}
	}
	if o.words&copyUp == 0 {
		what &= plan.CopyMode
	}
	at = at.Field("destination")
	if o.words&copyUp == 0 && what == 0 {
		r.place(at, "tmpfs", mnt, target)
		return
	}
	b, to := r.b, r.b.Slot()
	dir, name := r.from(target)
	b.Openat2(at, dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, inRoot, to)
	b.Tolerate("ENOENT")
	r.outside(at, target, to)
	if what != 0 {
		b.CopyAttributes(at, to, mnt, what)
	}
	if o.words&copyUp != 0 {
		r.copyUp(at, to, mnt)
	}
	b.Unless(to, func() { b.Target(at, dir, name, unix.S_IFDIR|0o755, to) })
	r.outside(at, target, to)
	b.MoveMount(at, mnt, to)
	b.Done(at, to)
	r.cover(target)
}

// copyUp copies the content of the directory in slot from. What a neighbour
// puts there meanwhile has no effect but on the copy: it is read through a
// clone that opens no device, follows no link, and changes nothing.
func (r *Root) copyUp(at plan.Pointer, from, mnt plan.Slot) {
	const attr = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NOSUID
	b, tree := r.b, r.b.Slot()
	b.OpenTree(at, from, "", unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH, tree)
	b.MountSetattr(at, tree, unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr, 0, unix.MS_PRIVATE)
	b.CopyTree(at, tree, mnt)
	b.Done(at, tree)
}

// NewSysfs is the index in config.mounts of the first sysfs that can be made by who
// makes the network namespace, which is what it shows, and its attributes: all else
// of it is the kernel's default. -1: there is none.
func NewSysfs(spec *specs.Spec) (i int, attributes uint64) {
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if m.Type != "sysfs" {
			continue
		}
		if o := parseOptions(m.Options); newSysfs(m, &o) {
			return i, o.attrSet
		}
	}
	return -1, 0
}

// newSysfs reports whether a mount is one for NewSysfs.
func newSysfs(m *specs.Mount, o *options) bool {
	return m.Type == "sysfs" && !o.remount && !isBind(m, o) && len(o.data) == 0 && len(m.Source) <= maxValue && path.Clean("/"+m.Destination) != "/dev"
}

// sysfsMayFail reports whether the kernel may refuse a new sysfs: it shows the
// network namespace, which must be the user namespace's own.
func (r *Root) sysfsMayFail(m *specs.Mount) bool {
	return m.Type == "sysfs" && r.facts.Mapped && !r.facts.NewNetNS
}

// hostSysfs fills the empty slot mnt with the host's tree. DEFENCE
// (CVE-2023-25809): all of it is read-only, the cgroups below it too.
func (r *Root) hostSysfs(at plan.Pointer, o *options, host, mnt plan.Slot) {
	b := r.b
	b.Unless(mnt, func() {
		b.MountSetattr(at.Field("options"), host, unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, o.attrSet|unix.MOUNT_ATTR_RDONLY, o.attrClear&anyAtime, unix.MS_SLAVE)
		b.OpenTree(at.Field("type"), host, "", unix.AT_EMPTY_PATH, mnt)
	})
}

// hasLabel reports whether linux.mountLabel is for mounts of the type: not so
// for the kernel's own views, which SELinux labels itself.
func hasLabel(fsType string) bool {
	switch fsType {
	case "proc", "sysfs", "cgroup", "cgroup2":
		return false
	}
	return true
}

// label gives the file system the SELinux label of linux.mountLabel, unless it
// has an option for that of its own.
func (r *Root) label(fs plan.Slot, o *options) {
	if r.spec.Linux.MountLabel == "" {
		return
	}
	key := r.labelOption()
	if o != nil {
		for _, d := range o.data {
			if d.key == key {
				return
			}
		}
	}
	r.b.Fsconfig(plan.At("/linux/mountLabel"), fs, unix.FSCONFIG_SET_STRING, key, r.spec.Linux.MountLabel)
}

// labelOption is the mount option of the label: context, or what crun's
// annotation says (mount(8), "context=").
func (r *Root) labelOption() string {
	if name := r.spec.Annotations[ContextAnnotation]; name != "" {
		return name
	}
	return "context"
}

// ContextAnnotation names the mount option that /linux/mountLabel becomes.
const ContextAnnotation = "run.oci.mount_context_type"

// labelRoot labels the root of a file system that takes no label as option.
func (r *Root) labelRoot(mnt plan.Slot) {
	if r.spec.Linux.MountLabel == "" {
		return
	}
	b, at, fd := r.b, plan.At("/linux/mountLabel"), r.b.Slot()
	b.Openat2(at, mnt, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_BENEATH, fd)
	b.Fsetxattr(at, fd, "security.selinux", append([]byte(r.spec.Linux.MountLabel), 0))
	b.Done(at, fd)
}

// checkLabel refuses a label nobody would enforce.
func (r *Root) checkLabel() error {
	at := plan.At("/linux/mountLabel")
	switch label := r.spec.Linux.MountLabel; {
	case label == "":
		return nil
	case !r.facts.SELinux:
		return &plan.Error{At: at, Err: errors.New("SELinux is not enabled on this host")}
	case len(label) > maxValue:
		return &plan.Error{At: at, Err: errTooLong}
	}
	switch r.labelOption() {
	case "context", "fscontext", "defcontext", "rootcontext":
		return nil
	}
	return &plan.Error{At: plan.At("/annotations").Field(ContextAnnotation),
		Err: errors.New("want context, fscontext, defcontext or rootcontext, got " + strings.ToValidUTF8(r.labelOption(), "?"))}
}
