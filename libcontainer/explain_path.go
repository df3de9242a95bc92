// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// view is the files of a container, by descriptor. What its processes do to them
// meanwhile can make an explanation wrong, and no more than that: nothing but
// regular files is read, and nothing outside of the root is reached.
type view struct {
	root  int // O_PATH
	binds []bind
}

// bind is a mount of config.json that is not in root, where the runtime is.
type bind struct {
	target string // resolved, from the root on
	at     string // such as /mounts/3
	fd     int    // O_PATH of its source; -1: what is in it cannot be known
	noexec bool
}

// file is what a path leads to.
type file struct {
	fd      int // O_PATH; -1: none
	stat    unix.Statx_t
	path    string // without links
	by      *bind  // the mount of config.json it lies in; nil: root's own
	hidden  bool   // it lies where it cannot be seen
	missing bool
}

// close closes the binds; the root is the caller's.
func (v *view) close() {
	for _, b := range v.binds {
		if b.fd >= 0 {
			unix.Close(b.fd)
		}
	}
}

func (f *file) close() {
	if f.fd >= 0 {
		unix.Close(f.fd)
		f.fd = -1
	}
}

// mounts adds those of config.json to the view, in order: a later one can cover
// an earlier one.
func (x *examiner) mounts(list []specs.Mount, bundle string) {
	for i := range list {
		m := &list[i]
		if slices.Contains(m.Options, "remount") {
			continue
		}
		target, _ := x.walk(m.Destination, false)
		target.close()
		b := bind{target: target.path, at: plan.At("/mounts").Index(i).String(), fd: -1}
		isBind := m.Type == "bind"
		for _, option := range m.Options {
			switch option {
			case "bind", "rbind":
				isBind = true
			case "noexec":
				b.noexec = true
			case "exec":
				b.noexec = false
			}
		}
		source := m.Source
		if !path.IsAbs(source) {
			source = path.Join(bundle, source)
		}
		// Through an id map, owners would be others.
		if isBind && len(m.UIDMappings) == 0 && !slices.Contains(m.Options, "idmap") && !slices.Contains(m.Options, "ridmap") {
			if fd, err := unix.Open(source, unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
				b.fd = fd
			}
		}
		x.binds = append(x.binds, b)
	}
}

// errHidden is of what cannot be seen from here.
var errHidden = errors.New("hidden")

// open opens a path without links.
func (v *view) open(name string) (f file, err error) {
	f = file{fd: -1, path: name}
	dir, rest := v.root, strings.TrimPrefix(name, "/")
	for i := range slices.Backward(v.binds) {
		b := &v.binds[i]
		if below, ok := strings.CutPrefix(name, strings.TrimSuffix(b.target, "/")); ok && (below == "" || below[0] == '/') {
			f.by, dir, rest = b, b.fd, strings.TrimPrefix(below, "/")
			break
		}
	}
	switch {
	case dir < 0:
		err = errHidden
	case rest == "":
		f.fd, err = dup(dir)
	default:
		f.fd, err = unix.Openat2(dir, rest, &unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS})
	}
	if err == nil {
		err = unix.Statx(f.fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &f.stat)
	}
	var fs unix.Statfs_t
	if err == nil {
		err = unix.Fstatfs(f.fd, &fs)
	}
	if err == nil && fs.Type == unix.PROC_SUPER_MAGIC { // it shows each process something else
		err = errHidden
	}
	if err != nil {
		f.close()
	}
	f.missing = err == unix.ENOENT || err == unix.ENOTDIR
	f.hidden = err != nil && !f.missing
	return f, err
}

// noexec says how the mount that a file lies in forbids to execute it, "": it does not.
func (v *view) noexec(f *file) string {
	if f.by != nil && f.by.noexec {
		return f.path + " lies in " + f.by.target + ", which config.json#" + f.by.at + " mounts with noexec"
	}
	var fs unix.Statfs_t
	if unix.Fstatfs(f.fd, &fs) != nil || fs.Flags&unix.ST_NOEXEC == 0 {
		return ""
	}
	at := f.path
	for at != "/" {
		above, err := v.open(path.Dir(at))
		above.close()
		if err != nil || above.stat.Mnt_id != f.stat.Mnt_id {
			break
		}
		at = path.Dir(at)
	}
	return f.path + " lies in " + at + ", which is mounted noexec"
}

const (
	linksFollowed = 40 // as by the kernel (path_resolution(7))
	namesWalked   = 1000
)

// find goes the way of a path as the kernel does for the process. why is what it
// stumbles over; a file that is missing without more to say has none.
func (x *examiner) find(name string) (f file, why string) { return x.walk(name, true) }

func (x *examiner) walk(name string, check bool) (f file, why string) {
	rest, link := strings.Split(x.absolute(name), "/"), ""
	f, err := x.open("/")
	for walked, links := 0, 0; err == nil && len(rest) > 0; walked++ {
		part := rest[0]
		rest = rest[1:]
		switch {
		case part == "" || part == ".":
			continue
		case walked > namesWalked:
			f.hidden = true
			return f, ""
		case f.kind() != unix.S_IFDIR:
			f.missing = true
			return f, f.path + " is no directory"
		case check && !x.may(&f.stat, 1):
			return f, x.denied(&f)
		}
		here := f.path
		f.close()
		if f, err = x.open(path.Join(here, part)); err != nil || f.kind() != unix.S_IFLNK {
			continue // no links in here: .. is its parent
		}
		target, readErr := readlink(f.fd)
		link = f.path + " is a symbolic link to " + target
		if links++; readErr != nil || links > linksFollowed {
			return f, link + ", one of too many"
		}
		rest = append(strings.Split(target, "/"), rest...)
		if path.IsAbs(target) {
			here = "/"
		}
		f.close()
		f, err = x.open(here)
	}
	if f.missing && link != "" {
		why = link + ", and there is no " + f.path
	} else if f.missing && (len(rest) > 0 || !path.IsAbs(name)) {
		why = "there is no " + f.path
	}
	f.path = path.Join(append([]string{f.path}, rest...)...)
	return f, why
}

func (f *file) kind() uint16 { return f.stat.Mode & unix.S_IFMT }

func readlink(fd int) (string, error) {
	var buf [unix.PathMax]byte
	n, err := unix.Readlinkat(fd, "", buf[:])
	return string(buf[:max(n, 0)]), err
}
