// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// writePIDFile replaces name, digits alone, as a whole.
func writePIDFile(name string, pid int) error {
	if name == "" {
		return nil
	}
	temporary := path.Join(path.Dir(name), "."+path.Base(name))
	os.Remove(temporary)
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(itoa(int64(pid)))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temporary, name)
	}
	if err != nil {
		os.Remove(temporary)
	}
	return err
}

// checkPIDFile looks, before anything is made, whether the file can be.
func checkPIDFile(name string) error {
	if name == "" {
		return nil
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path.Dir(name), unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return errors.New("--pid-file " + name + ": " + err.Error())
	}
	return nil
}

func removePIDFile(name string) {
	if name != "" {
		os.Remove(name)
	}
}
