// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/binary"
	"errors"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// How a stream of all containers learns of new ones: a container is there when
// state.json is renamed into its directory, which is made in that of all.

// watchRoot begins with the containers there are.
func (s *stream) watchRoot() error {
	root, err := s.r.rootDir(true)
	if err != nil {
		return err
	}
	root.Close()
	if s.root, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		return os.NewSyscallError("inotify_init1", err)
	}
	s.making = map[int32]string{}
	if s.all, err = s.watch(s.r.Root, unix.IN_CREATE); err != nil {
		return err
	}
	return s.scan()
}

func (s *stream) watch(dir string, events uint32) (int32, error) {
	n, err := unix.InotifyAddWatch(s.root, dir, events|unix.IN_ONLYDIR|unix.IN_DONT_FOLLOW)
	if err != nil {
		return 0, &os.PathError{Op: "inotify_add_watch", Path: dir, Err: err}
	}
	return int32(n), nil
}

// scan looks at all directories.
func (s *stream) scan() error {
	entries, err := os.ReadDir(s.r.Root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := s.consider(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// consider watches a container, or its directory until it is one. The directory
// first: nothing gets lost between the two.
func (s *stream) consider(id string) error {
	if !validID(id) {
		return nil
	}
	n, err := s.watch(path.Join(s.r.Root, id), unix.IN_MOVED_TO)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	} else if err != nil {
		return err
	}
	s.making[n] = id
	return s.try(n)
}

// try stops watching a directory once the container in it is made.
func (s *stream) try(n int32) error {
	if err := s.add(s.making[n]); errors.Is(err, ErrNotExist) {
		return nil // not yet, or not any more
	} else if err != nil {
		s.r.warn("%s: %v", s.making[n], err)
	}
	delete(s.making, n)
	_, _ = unix.InotifyRmWatch(s.root, uint32(n)) // gone with its directory, perhaps
	return nil
}

// appeared reads what has happened to the directories.
func (s *stream) appeared() error {
	buf := make([]byte, 64<<10)
	n, err := unix.Read(s.root, buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		return nil
	} else if err != nil {
		return os.NewSyscallError("read inotify", err)
	}
	for events := buf[:n]; len(events) >= unix.SizeofInotifyEvent; {
		watch, mask := int32(binary.NativeEndian.Uint32(events)), binary.NativeEndian.Uint32(events[4:])
		size := binary.NativeEndian.Uint32(events[12:])
		name := strings.TrimRight(string(events[unix.SizeofInotifyEvent:][:size]), "\x00")
		events = events[unix.SizeofInotifyEvent+size:]
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			err = s.scan()
		case mask&unix.IN_IGNORED != 0:
			delete(s.making, watch)
		case watch == s.all && mask&unix.IN_ISDIR != 0:
			err = s.consider(name)
		case name == stateFile && s.making[watch] != "":
			err = s.try(watch)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
