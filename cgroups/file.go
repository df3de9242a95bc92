// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// beneath is how every path below a hierarchy's descriptor is resolved: nothing
// leaves it, whatever was mounted or made inside (P5).
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV

const dirFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC

// openMount opens a hierarchy's mount point and makes sure that it is one.
func openMount(mount string, v2 bool) (int, error) {
	fd, err := retry(func() (int, error) { return unix.Open(mount, dirFlags|unix.O_NOFOLLOW, 0) })
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: mount, Err: err}
	}
	if is2, err := isV2(fd); err != nil || is2 != v2 {
		unix.Close(fd)
		return -1, &os.PathError{Op: "fstatfs", Path: mount, Err: errNotCgroup}
	}
	return fd, nil
}

// isV2 tells a cgroup directory's version by its file system's magic number.
func isV2(fd int) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return false, err
	}
	switch uint64(st.Type) {
	case unix.CGROUP2_SUPER_MAGIC:
		return true, nil
	case unix.CGROUP_SUPER_MAGIC:
		return false, nil
	}
	return false, errNotCgroup
}

func magicOf(path string) (uint64, error) {
	var st unix.Statfs_t
	err := unix.Statfs(path, &st)
	return uint64(st.Type), err
}

// openBeneath opens a relative path of any length below dir. Where openat2 is
// blocked, as by the seccomp profile of a container that corten runs in, it
// goes component by component.
func openBeneath(dir int, name string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: beneath}
	fd, err := retry(func() (int, error) { return unix.Openat2(dir, name, &how) })
	if err == unix.EAGAIN {
		fd, err = retry(func() (int, error) { return unix.Openat2(dir, name, &how) })
	}
	if err == unix.ENOSYS || err == unix.EPERM {
		return walkBeneath(dir, name, flags)
	}
	return fd, err
}

func walkBeneath(dir int, name string, flags int) (int, error) {
	at := dir
	for {
		first, rest, more := strings.Cut(name, "/")
		if first == "" || first == "." || first == ".." {
			return -1, unix.EXDEV
		}
		use := dirFlags
		if !more {
			use = flags | unix.O_CLOEXEC
		}
		fd, err := retry(func() (int, error) { return unix.Openat(at, first, use|unix.O_NOFOLLOW, 0) })
		if at != dir {
			unix.Close(at)
		}
		if err != nil || !more {
			return fd, err
		}
		at, name = fd, rest
	}
}

// readFile reads a control file whole.
func readFile(dir int, name string) (string, error) {
	fd, err := openBeneath(dir, name, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return readAll(fd)
}

// writeFile writes a control file in one write(2).
func writeFile(dir int, name, value string) error {
	fd, err := openBeneath(dir, name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeAll(fd, value)
}

func writeAll(fd int, value string) error {
	n, err := retry(func() (int, error) { return unix.Write(fd, []byte(value)) })
	if err == nil && n < len(value) {
		err = unix.EIO
	}
	return err
}

func readAll(fd int) (string, error) {
	buf, n := make([]byte, 4096), 0
	for {
		m, err := retry(func() (int, error) { return unix.Read(fd, buf[n:]) })
		if err != nil || m == 0 {
			return string(buf[:max(n, 0)]), err
		}
		if n += m; n == len(buf) {
			buf = append(buf, make([]byte, len(buf))...)
		}
	}
}

// readPath reads a file of /proc or below a mount the host made.
func readPath(name string) (string, error) {
	fd, err := retry(func() (int, error) { return unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return "", &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	text, err := readAll(fd)
	if err != nil {
		return "", &os.PathError{Op: "read", Path: name, Err: err}
	}
	return text, nil
}

func retry(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}

// children are the names of the sub-cgroups of dir.
func children(dir int) ([]string, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "cgroup")
	defer f.Close()
	entries, err := f.ReadDir(-1)
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// has reports whether a flat-keyed file says 1 for key.
func has(text, key string) bool { return valueOf(text, key) == 1 }

// valueOf is the number that a flat-keyed file has for key, 0 if it has none.
func valueOf(text, key string) uint64 {
	for line := range strings.Lines(text) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == key {
			return parseCount(value)
		}
	}
	return 0
}

func parsePIDs(text string) (pids []int) {
	for line := range strings.Lines(text) {
		// A 0 is a process of a pid namespace that is not below ours.
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

func split(rel string) (parent, name string) {
	parent, name = path.Split(rel)
	return strings.TrimSuffix(parent, "/"), name
}
