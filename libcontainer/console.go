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
	if err := unix.Connect(socket, &unix.SockaddrUnix{Name: name}); err != nil {
		unix.Close(socket)
		return -1, errors.New("--console-socket " + name + ": connect: " + err.Error())
	}
	return socket, nil
}
