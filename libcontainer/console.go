// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// dialConsole connects to the socket of --console-socket, on which the
// executor sends one descriptor, the terminal's master.
func dialConsole(name string) (int, error) {
	socket, err := dial(name)
	if err != nil {
		return -1, errors.New("--console-socket " + name + ": " + err.Error())
	}
	return socket, nil
}

// dialTime is how long a program on the other end may take to accept a
// connection, and then to make room for what is sent.
var dialTime = unix.Timeval{Sec: 10}

// dial connects to a Unix socket of any path.
func dial(name string) (int, error) {
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if len(name) > 107 { // sizeof sun_path: go through the directory's descriptor
		dir, err := unix.Open(filepath.Dir(name), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			unix.Close(socket)
			return -1, &os.PathError{Op: "open", Path: name, Err: err}
		}
		defer unix.Close(dir)
		name = "/proc/self/fd/" + strconv.Itoa(dir) + "/" + filepath.Base(name)
	}
	err = unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &dialTime)
	if err == nil {
		err = unix.Connect(socket, &unix.SockaddrUnix{Name: name})
	}
	if err != nil {
		unix.Close(socket)
		return -1, os.NewSyscallError("connect", err)
	}
	return socket, nil
}
