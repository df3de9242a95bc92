// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"corten/cgroups"
)

// The files of <root>/<id>.
const (
	stateFile   = "state.json"
	configFile  = "config.json" // as it was when the container was created
	planFile    = "plan"        // for start, to name the step that failed
	fifoFile    = "exec.fifo"   // the start gate
	journalFile = "journal"
)

// State is what `state` prints: the spec's, and what runc adds.
type State struct {
	OCIVersion  string            `json:"ociVersion"`
	ID          string            `json:"id"`
	PID         int               `json:"pid"` // 0 when stopped
	Status      string            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"`
}

// Statuses of a container.
const (
	statusCreating = "creating"
	statusCreated  = "created"
	statusRunning  = "running"
	statusPaused   = "paused"
	statusStopped  = "stopped"
)

// container is an open directory <root>/<id>.
type container struct {
	id  string
	dir *os.File
	record
	gate    int       // exec.fifo, opened by start
	made    bool      // state.json is there: the container is more than begun
	manager *notifier // the service manager to tell; nil: none
	loaded  *Config   // config.json of the state directory, once it is read
}

// validID reports whether id can name a directory, a cgroup and a unit.
func validID(id string) bool {
	if id == "" || id[0] == '.' || len(id) > 255 {
		return false
	}
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_+-.", c) >= 0) {
			return false
		}
	}
	return true
}

// rootDir opens the directory of all containers. It must be the caller's own:
// what is in it is trusted.
func (r *Runtime) rootDir(create bool) (*os.File, error) {
	if create {
		if err := os.MkdirAll(r.Root, 0o711); err != nil {
			return nil, err
		}
	}
	f, err := openDir(r.Root)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		f.Close()
		return nil, os.NewSyscallError("fstat", err)
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0 {
		f.Close()
		return nil, errors.New("--root " + r.Root + ": must belong to the caller and be writable by nobody else")
	}
	return f, nil
}

// openMade finds a container that was made as far as its state.
func (r *Runtime) openMade(id string, lock bool) (*container, error) {
	c, err := r.open(id, lock)
	switch {
	case c == nil:
		return nil, err
	case err == nil && !c.made:
		err = ErrNotExist
	case err == nil:
		return c, nil
	}
	c.close()
	return nil, err
}

// open finds the directory of a container. With lock, no other command that
// changes it runs until close. If its state cannot be read it is returned all
// the same, with the error: delete --force wants it.
func (r *Runtime) open(id string, lock bool) (*container, error) {
	if !validID(id) {
		return nil, ErrInvalidID
	}
	dir, err := openDir(path.Join(r.Root, id))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	c := &container{id: id, dir: dir}
	if lock {
		if err := c.lock(r.timeout()); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, c.read()
}

func (c *container) close() {
	c.manager.close()
	c.dir.Close()
}

func (c *container) read() error {
	b, err := readAt(c.dir, stateFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.decode(b); err == errForeign {
		return err
	} else if err != nil {
		return errors.New(stateFile + " of " + c.id + ": " + err.Error())
	}
	if c.Version != recordVersion {
		return errors.New(stateFile + " of " + c.id + ": version " + strconv.Itoa(c.Version) + " is not known")
	}
	c.made = true
	return nil
}

// write replaces state.json as a whole: readers see the old one or the new.
func (c *container) write() error {
	if err := writeAt(c.dir, "."+stateFile, c.encode()); err != nil {
		return err
	}
	fd := int(c.dir.Fd())
	return os.NewSyscallError("renameat", unix.Renameat(fd, "."+stateFile, fd, stateFile))
}

// writeAt makes the file name in dir, or replaces what is in it.
func writeAt(dir *os.File, name string, b []byte) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "openat", Path: path.Join(dir.Name(), name), Err: err}
	}
	defer unix.Close(fd)
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err != nil {
			return &os.PathError{Op: "write", Path: path.Join(dir.Name(), name), Err: err}
		}
		b = b[n:]
	}
	return nil
}

func readAt(dir *os.File, name string) ([]byte, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "openat", Path: path.Join(dir.Name(), name), Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	b, n := make([]byte, st.Size+1), 0
	for {
		m, err := unix.Read(fd, b[n:])
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path.Join(dir.Name(), name), Err: err}
		}
		if m == 0 {
			return b[:n], nil
		}
		if n += m; n == len(b) {
			b = append(b, make([]byte, len(b))...)
		}
	}
}

// process opens the container's first process. It fails with ErrNotRunning when
// that has ended: the pid may be another's by now, so its start time decides.
func (c *container) process() (pidfd int, err error) {
	if !c.made {
		return -1, ErrNotRunning
	}
	pidfd, state, err := c.firstProcess()
	if err == nil && (state == 'Z' || state == 'X') {
		unix.Close(pidfd)
		return -1, ErrNotRunning
	}
	return pidfd, err
}

// firstProcess is process, also of one that nobody has reaped yet. Another error
// than ErrNotRunning does not say that it has ended.
func (c *container) firstProcess() (pidfd int, state byte, err error) {
	if c.PID == 0 {
		return -1, 0, ErrNotRunning
	}
	if boot, err := bootID(); err != nil {
		return -1, 0, err
	} else if boot != c.BootID {
		return -1, 0, ErrNotRunning
	}
	pidfd, err = unix.PidfdOpen(c.PID, 0)
	// EINVAL: the number is still that of its session or group, of others by now.
	if err == unix.ESRCH || err == unix.EINVAL {
		return -1, 0, ErrNotRunning
	}
	if err != nil {
		return -1, 0, os.NewSyscallError("pidfd_open", err)
	}
	state, start, err := processStat(c.PID)
	if err == nil && start == c.StartTime {
		return pidfd, state, nil
	}
	unix.Close(pidfd)
	if err == nil || errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		err = ErrNotRunning
	}
	return -1, 0, err
}

// pfExiting is PF_EXITING of linux/sched.h: exit_signals sets it before
// exit_files closes the descriptors.
const pfExiting = 0x4

func (c *container) status() (string, error) {
	status, pidfd, err := c.look()
	if pidfd >= 0 {
		unix.Close(pidfd)
	}
	return status, err
}

// look derives the status, in one place: from the process, the freezer and the
// gate. The pidfd is the first process's, and -1 if that has ended.
func (c *container) look() (status string, pidfd int, err error) {
	pidfd, err = c.process()
	if errors.Is(err, ErrNotRunning) {
		return statusStopped, -1, nil
	}
	if err != nil {
		return "", -1, err
	}
	group := cgroups.Open(c.Cgroups)
	defer group.Close()
	switch frozen, err := group.Frozen(); {
	case err != nil:
		return "", pidfd, err
	case frozen:
		return statusPaused, pidfd, nil
	case c.waiting():
		return statusCreated, pidfd, nil
	case c.ending():
		return statusStopped, pidfd, nil
	}
	return statusRunning, pidfd, nil
}

// ending reports whether the first process ends before it was let through the
// gate: it has no descriptors any more, and is not a zombie yet.
func (c *container) ending() bool {
	if unix.Faccessat(int(c.dir.Fd()), fifoFile, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return false
	}
	fields, err := statFields(c.PID)
	if err != nil {
		return false
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	return err == nil && flags&pfExiting != 0
}

// waiting reports whether the executor still holds the gate: the fifo has a
// reader as long as it does.
func (c *container) waiting() bool {
	fd, err := unix.Openat(int(c.dir.Fd()), fifoFile, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// state is the container for `state` and `list`.
func (c *container) state() (*State, error) {
	status, err := c.status()
	if err != nil {
		return nil, err
	}
	s := &State{OCIVersion: c.OCIVersion, Annotations: c.Annotations, ID: c.ID, PID: c.PID, Status: status, Bundle: c.Bundle, Rootfs: c.Rootfs, Created: c.Created, Owner: owner(c.UID)}
	if s.Status == statusStopped {
		s.PID = 0
	}
	return s, nil
}

// config is the container's config.json as it was at create.
func (c *container) config() (*Config, error) {
	if c.loaded == nil {
		b, err := readAt(c.dir, configFile)
		if err != nil {
			return nil, err
		}
		if c.loaded, err = DecodeSpec(b); err != nil {
			return nil, err
		}
	}
	return c.loaded, nil
}

// owner is the name of a user in the host's /etc/passwd, or the number.
func owner(uid int) string {
	if uid == 0 {
		return "root"
	}
	b, _ := os.ReadFile("/etc/passwd")
	for line := range strings.SplitSeq(string(b), "\n") {
		if f := strings.SplitN(line, ":", 4); len(f) == 4 && f[2] == strconv.Itoa(uid) {
			return f[0]
		}
	}
	return strconv.Itoa(uid)
}
