// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter/plan"
)

// updateFile has what the limits were while an update writes new ones.
const updateFile = "update"

// begun is the content of updateFile.
type begun struct {
	Config uint64            `json:"config"` // inode of config.json: with another, the update is complete
	Before []cgroups.Setting `json:"before"`
}

// LoadResources reads and decodes what config.json has at /linux/resources from
// the file at path, or from standard input if that is "-".
func LoadResources(path string) (r *specs.LinuxResources, err error) {
	var raw []byte
	if path == "-" {
		path = "stdin" // in errors
		raw, err = readStdin()
	} else {
		raw, err = readDocument(path)
	}
	if err != nil {
		return nil, inFile(path, err)
	}
	c := newCursor(raw)
	if err := c.document(func() { r = c.resources() }); err != nil {
		return nil, inFile(path, err)
	}
	for i, d := range r.Devices {
		if err := validateDeviceRule(document.Field("devices").Index(i), d); err != nil {
			return nil, inFile(path, err)
		}
	}
	return r, nil
}

func readStdin() ([]byte, error) {
	var b []byte
	for buf := make([]byte, 64<<10); ; {
		n, err := unix.Read(0, buf)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, os.NewSyscallError("read", err)
		case n == 0:
			return b, nil
		case len(b)+n > maxConfig:
			return nil, &plan.Error{Err: errors.New("larger than 16 MiB")}
		default:
			b = append(b, buf[:n]...)
		}
	}
}

// Change is what update changes. Sections and fields that are not there stay as
// they are.
type Change struct {
	Resources                  *specs.LinuxResources
	L3CacheSchema, MemBwSchema string // of linux.intelRdt
}

// Update changes the limits of a container. Either all are in force and in the
// container's own config.json afterwards, or none.
func (r *Runtime) Update(id string, change *Change) error {
	c, err := r.openMade(id, true)
	if err != nil {
		return err
	}
	defer c.close()
	if status, err := c.status(); err != nil {
		return err
	} else if status == statusStopped {
		return ErrNotRunning
	}
	config, err := c.config()
	if err != nil {
		return err
	}
	group := cgroups.Open(c.Cgroups)
	defer group.Close()
	linux := *config.Linux
	u, err := r.compileUpdate(c, change.Resources, &linux, group)
	if err != nil {
		return err
	}
	rdt, err := openRdtUpdate(&linux, c.id, change)
	if err != nil {
		return err
	}
	defer rdt.close()
	raw, err := withLimits(config.Raw, &linux)
	if err != nil {
		return err
	}
	if err := writeAt(c.dir, "."+configFile, raw); err != nil {
		return err
	}
	if err = rdt.write(); err == nil {
		err = group.Update(u)
	}
	if err != nil {
		return c.endUpdate(errors.Join(err, rdt.undo()))
	}
	fd := int(c.dir.Fd())
	if err := unix.Renameat(fd, "."+configFile, fd, configFile); err != nil {
		return errors.Join(os.NewSyscallError("renameat", err), c.undoUpdate(group, u.Last), rdt.undo())
	}
	return c.endUpdate(nil)
}

// compileUpdate compiles the limits so far and, with change in linux, those to
// come; what an interrupted update has left is undone.
func (r *Runtime) compileUpdate(c *container, change *specs.LinuxResources, linux *specs.Linux, group *cgroups.Cgroup) (*cgroups.Update, error) {
	host, err := r.probeCgroups()
	if err != nil {
		return nil, err
	}
	j, err := c.journaled()
	if err != nil {
		return nil, err
	}
	if j.unit != nil {
		host.Systemd, host.Rootless = true, j.unit.User
	}
	u := &cgroups.Update{Sections: sections(change), Devices: len(change.Devices) > 0, Journal: c.beginUpdate}
	if u.Last, err = cgroups.Compile(c.loaded.Spec, c.id, host); err != nil {
		return nil, err
	}
	if err := c.undoUpdate(group, u.Last); err != nil {
		r.warn("an update that was interrupted cannot be undone: %v", err)
		u.Sections = allSections[:]
	}
	wanted := *c.loaded.Spec
	wanted.Linux = linux
	linux.Resources = merge(linux.Resources, change)
	if u.Next, err = cgroups.Compile(&wanted, c.id, host); err != nil {
		return nil, err
	}
	if p := linux.Resources.CPU; change.CPU != nil && p.Idle != nil && *p.Idle != 0 && p.Shares != nil {
		return nil, &plan.Error{At: plan.At("/linux/resources/cpu/shares"), Err: errors.New("an idle cgroup has no shares"), Hint: "set cpu.idle to 0 with them"}
	}
	for _, at := range u.Next.Ignored {
		r.warn("config.json#%s: the kernel has no such limit any more: ignored", at)
	}
	return u, nil
}

// probeCgroups finds the hierarchies as probe does.
func (r *Runtime) probeCgroups() (*cgroups.Host, error) {
	h, err := cgroups.Probe()
	if err == nil && (r.Rootless == "true" || r.Rootless == "false") {
		h.Rootless = r.Rootless == "true"
	}
	return h, err
}

// beginUpdate notes the limits as they are.
func (c *container) beginUpdate(before []cgroups.Setting) error {
	inode, err := c.configInode()
	if err != nil {
		return err
	}
	b, err := json.Marshal(begun{inode, before})
	if err != nil {
		return err
	}
	return writeAt(c.dir, updateFile, b)
}

// endUpdate forgets them. After a failure to put them back they are kept: the
// next update begins with that.
func (c *container) endUpdate(err error) error {
	fd := int(c.dir.Fd())
	if err != nil {
		_ = unix.Unlinkat(fd, "."+configFile, 0)
		if errors.Is(err, cgroups.ErrLeft) {
			return err
		}
	}
	if unlinkErr := unix.Unlinkat(fd, updateFile, 0); unlinkErr != nil && unlinkErr != unix.ENOENT {
		return errors.Join(err, os.NewSyscallError("unlinkat", unlinkErr))
	}
	return err
}

// undoUpdate puts back what an update that was killed has changed.
func (c *container) undoUpdate(group *cgroups.Cgroup, last *cgroups.Plan) error {
	b, err := readAt(c.dir, updateFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	inode, err := c.configInode()
	if err != nil {
		return err
	}
	var was begun
	// What cannot be read was being written: nothing had been changed.
	if json.Unmarshal(b, &was) == nil && was.Config == inode {
		err = group.Restore(last, was.Before)
	}
	return errors.Join(err, c.endUpdate(nil))
}

func (c *container) configInode() (uint64, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(c.dir.Fd()), configFile, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st.Ino, os.NewSyscallError("fstatat", err)
}

// withLimits is the document with the limits of l and all else as it is.
func withLimits(raw []byte, l *specs.Linux) ([]byte, error) {
	var document, linux map[string]json.RawMessage
	if err := json.Unmarshal(raw, &document); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(document["linux"], &linux); err != nil {
		return nil, err
	}
	var err error
	if linux["resources"], err = encode(l.Resources); err != nil {
		return nil, err
	}
	if l.IntelRdt != nil {
		if linux["intelRdt"], err = encode(l.IntelRdt); err != nil {
			return nil, err
		}
	}
	if document["linux"], err = encode(linux); err != nil {
		return nil, err
	}
	return encode(document)
}

// encode is v as JSON, strings as they stand.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
