// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// runMapper lets newuidmap(1) or newgidmap(1), which are privileged, write a map
// of a process. By its absolute path and with no environment: nothing of the
// caller's chooses what runs (security.md C7).
func runMapper(file string, pid int, text string) error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	words := append([]string{file, strconv.Itoa(pid)}, strings.Fields(text)...)
	child, _, err := syscall.StartProcess(file, words, &syscall.ProcAttr{Dir: "/", Env: []string{},
		Files: []uintptr{uintptr(pipe[1]), uintptr(pipe[1]), uintptr(pipe[1])}})
	unix.Close(pipe[1])
	said := os.NewFile(uintptr(pipe[0]), "pipe")
	defer said.Close()
	if err != nil {
		return err
	}
	out, _ := io.ReadAll(io.LimitReader(said, 4096))
	var status unix.WaitStatus
	for {
		if _, err = unix.Wait4(child, &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	if err != nil || status == 0 {
		return err
	}
	return errors.New(strings.TrimPrefix(strings.TrimSpace(string(out)), file[strings.LastIndexByte(file, '/')+1:]+": "))
}

func mapperHint(err error) string {
	if errors.Is(err, unix.ENOENT) {
		return "it is in the package uidmap of most distributions"
	}
	return "/etc/subuid and /etc/subgid must give the caller these ids"
}
