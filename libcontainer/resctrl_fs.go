// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/cgroups"
	"corten/nsenter/plan"
)

// resctrlMount is where mountinfo (proc_pid_mountinfo(5)) has resctrl; "" if
// nowhere.
func resctrlMount(mountinfo string) string {
	for line := range strings.Lines(mountinfo) {
		mount, fs, ok := strings.Cut(line, " - ")
		if fields := strings.Fields(mount); ok && len(fields) > 4 && strings.HasPrefix(fs, "resctrl ") && fields[3] == "/" {
			return cgroups.Unescape(fields[4])
		}
	}
	return ""
}

// openResctrl finds resctrl: most often in its one usual place.
func openResctrl() (*os.File, error) {
	if dir, err := openResctrlAt("/sys/fs/resctrl"); err == nil {
		return dir, nil
	}
	at := plan.At("/linux/intelRdt")
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, &plan.Error{At: at, Err: err}
	}
	if mount := resctrlMount(string(mountinfo)); mount != "" {
		dir, err := openResctrlAt(mount)
		if err != nil {
			return nil, &plan.Error{At: at, Err: err}
		}
		return dir, nil
	}
	hint := "mount -t resctrl resctrl /sys/fs/resctrl"
	if known, _ := os.ReadFile("/proc/filesystems"); !strings.Contains(string(known), "\tresctrl\n") {
		hint = "this kernel has none: it needs CONFIG_X86_CPU_RESCTRL (Linux 4.10) and a processor with resource control, whose flags in /proc/cpuinfo have rdt_a"
	}
	return nil, &plan.Error{At: at, Err: errors.New("no resctrl file system is mounted"), Hint: hint}
}

// openResctrlAt opens a directory that must be a resctrl file system's root.
func openResctrlAt(mount string) (*os.File, error) {
	dir, err := os.OpenFile(mount, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &fs); err != nil {
		dir.Close()
		return nil, os.NewSyscallError("fstatfs", err)
	}
	if fs.Type != unix.RDTGROUP_SUPER_MAGIC {
		dir.Close()
		return nil, errors.New(mount + " is not a resctrl file system")
	}
	return dir, nil
}

// resctrl asks the host what Compile has to know of it.
func (h *Host) resctrl(l *specs.Linux, id string) error {
	if l.IntelRdt == nil {
		return nil
	}
	dir, err := openResctrl()
	if err != nil {
		return err
	}
	defer dir.Close()
	h.Resctrl, err = probeResctrl(dir, l.IntelRdt, id)
	return err
}

func probeResctrl(dir *os.File, rdt *specs.LinuxIntelRdt, id string) (*Resctrl, error) {
	h := &Resctrl{Mount: dir.Name()}
	group, monitor := resctrlGroup(rdt, id)
	var err error
	h.Schemata, err = readResctrl(dir, path.Join(group, "schemata"))
	if h.Exists = err == nil; err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, &plan.Error{At: plan.At("/linux/intelRdt/closID"), Err: err}
	}
	if monitor != "" {
		h.Monitored = unix.Faccessat(int(dir.Fd()), monitor, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) == nil
	}
	return h, nil
}

func readResctrl(dir *os.File, name string) (string, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "openat", Path: path.Join(dir.Name(), name), Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}

func writeResctrl(dir *os.File, name, text string) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

// apply makes the groups and writes the schemata. On an error made says how
// many of the directories are the container's.
func (p *resctrlPlan) apply(dir *os.File) (made int, err error) {
	for _, d := range p.make {
		if err := unix.Mkdirat(int(dir.Fd()), d.text, 0o755); err != nil {
			hint := resctrlHint(dir)
			if err == unix.ENOENT {
				hint = "the processor monitors nothing"
			}
			return made, &plan.Error{At: d.at, Op: "mkdir " + path.Join(p.mount, d.text), Err: err, Hint: hint}
		}
		made++
	}
	for _, line := range p.lines {
		name := path.Join(p.group, "schemata")
		if err := writeResctrl(dir, name, line.text+"\n"); err != nil {
			return made, &plan.Error{At: line.at, Op: "write " + path.Join(p.mount, name) + " " + strconv.Quote(line.text), Err: err, Hint: resctrlHint(dir)}
		}
	}
	return made, nil
}

// attach puts a process into the groups; its children will follow.
func (p *resctrlPlan) attach(dir *os.File, pid int) error {
	for _, t := range p.tasks {
		if err := writeResctrl(dir, t.text, strconv.Itoa(pid)); err != nil {
			return &plan.Error{At: t.at, Op: "write " + path.Join(p.mount, t.text) + " " + strconv.Itoa(pid), Err: err, Hint: resctrlHint(dir)}
		}
	}
	return nil
}

// resctrlHint is the kernel's own word on the last failure; "" if it has none.
func resctrlHint(dir *os.File) string {
	text, err := readResctrl(dir, "info/last_cmd_status")
	if text = strings.TrimSpace(text); err != nil || text == "ok" {
		return ""
	}
	return text
}

// journal names the directories for undo. A group with a closID of its own
// outlives a container that was made (config-linux.md).
func (p *resctrlPlan) journal() string {
	text := ""
	if p != nil {
		for _, d := range p.make {
			word := "resctrl "
			if p.kept && d.text == p.group {
				word = "resctrl-kept "
			}
			text += word + path.Join(p.mount, d.text) + "\n"
		}
	}
	return text
}

// resctrlDir is a directory the journal names.
type resctrlDir struct {
	path string
	kept bool
}

// removeResctrl removes the groups, innermost first; the container's processes
// have ended.
func (j *journaled) removeResctrl() error {
	for _, d := range slices.Backward(j.resctrl) {
		if d.kept {
			// Not if others are in it by now.
			if tasks, _ := os.ReadFile(path.Join(d.path, "tasks")); j.settled || len(tasks) > 0 {
				continue
			}
		}
		if err := unix.Rmdir(d.path); err != nil && err != unix.ENOENT {
			return &plan.Error{At: plan.At("/linux/intelRdt"), Op: "rmdir " + d.path, Err: err}
		}
	}
	return nil
}

// openResctrl makes the container's groups, before there is a process to put
// into them.
func (s *spawn) openResctrl() (err error) {
	p := s.compiled.resctrl
	if p == nil {
		return nil
	}
	if s.resctrl, err = openResctrl(); err != nil {
		return err
	}
	made, err := p.apply(s.resctrl)
	if errors.Is(err, unix.EEXIST) && made < len(p.make) {
		// Somebody has made it meanwhile: it is not for undo to remove.
		p.make = p.make[:made]
		return errors.Join(err, s.state.journal(s.compiled))
	}
	return err
}

// execResctrl is for a further process of a container: the groups are there.
func execResctrl(config *Config, id string) *resctrlPlan {
	rdt := config.Linux.IntelRdt
	if rdt == nil {
		return nil
	}
	at := plan.At("/linux/intelRdt")
	group, monitor := resctrlGroup(rdt, id)
	p := &resctrlPlan{group: group, tasks: []resctrlFile{{at.Field("closID"), path.Join(group, "tasks")}}}
	if monitor != "" {
		p.tasks = append(p.tasks, resctrlFile{at.Field("enableMonitoring"), path.Join(monitor, "tasks")})
	}
	return p
}

// before and after are what is done before and after the clone, as `corten
// plan` prints it.
func (p *resctrlPlan) before() (list []viewCall) {
	if p == nil {
		return nil
	}
	for _, d := range p.make {
		list = append(list, viewCall{"mkdir " + path.Join(p.mount, d.text), d.at})
	}
	for _, l := range p.lines {
		list = append(list, viewCall{"write " + path.Join(p.mount, p.group, "schemata") + " " + strconv.Quote(l.text), l.at})
	}
	return list
}

func (p *resctrlPlan) after() (list []viewCall) {
	if p == nil {
		return nil
	}
	for _, t := range p.tasks {
		list = append(list, viewCall{"write " + path.Join(p.mount, t.text) + " PID", t.at})
	}
	return list
}
