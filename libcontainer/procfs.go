// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
)

// processStat reads the state letter and the start time of a process.
func processStat(pid int) (state byte, start uint64, err error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, 0, err
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return fields[0][0], start, err
}

// parentOf is a process's parent, 0 if it cannot be told.
func parentOf(pid int) int {
	fields, err := statFields(pid)
	if err != nil {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// statFields are those of /proc/PID/stat from the state on (proc_pid_stat(5)).
func statFields(pid int) ([]string, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil, err
	}
	// The name, in parentheses, can hold anything: fields count from its end.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return nil, errors.New("/proc/" + strconv.Itoa(pid) + "/stat: too short")
	}
	return fields, nil
}

// bootID tells one boot of the host from another.
func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}
