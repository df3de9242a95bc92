// SPDX-License-Identifier: Apache-2.0

// Package signals is what a foreground container needs of its runtime: names
// of signals, their forwarding, the reaping of orphans, and the relay between
// the caller's terminal and the container's.
package signals

import (
	"errors"
	"strconv"
	"strings"
	"syscall"
)

// The real-time signals as the C library numbers them (signal(7)): the kernel
// has them from 32, of which glibc keeps two to itself.
const (
	rtmin syscall.Signal = 34
	rtmax syscall.Signal = 64
)

// names has the name of signal n at index n, as kill(1) prints it (signal(7),
// amd64 and arm64).
var names = [...]string{
	1: "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
	"STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
	"PWR", "SYS",
}

// Parse returns the signal called text: a name with or without SIG in any
// case, RTMIN+n, RTMAX-n, or a number from 0 (which only asks whether the
// process is there) to 64.
func Parse(text string) (syscall.Signal, error) {
	if n, err := strconv.ParseUint(text, 10, 8); err == nil && syscall.Signal(n) <= rtmax {
		return syscall.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	for n, known := range names {
		if known != "" && known == name {
			return syscall.Signal(n), nil
		}
	}
	switch name {
	case "IOT":
		return syscall.SIGABRT, nil
	case "CLD":
		return syscall.SIGCHLD, nil
	case "POLL":
		return syscall.SIGIO, nil
	}
	if s, ok := realTime(name); ok {
		return s, nil
	}
	return 0, errors.New("unknown signal " + strconv.Quote(text))
}

// realTime reads RTMIN, RTMIN+n, RTMAX and RTMAX-n.
func realTime(name string) (syscall.Signal, bool) {
	base, sign := rtmin, "+"
	offset, ok := strings.CutPrefix(name, "RTMIN")
	if !ok {
		if offset, ok = strings.CutPrefix(name, "RTMAX"); !ok {
			return 0, false
		}
		base, sign = rtmax, "-"
	}
	if offset == "" {
		return base, true
	}
	digits, ok := strings.CutPrefix(offset, sign)
	n, err := strconv.ParseUint(digits, 10, 8)
	if !ok || err != nil || syscall.Signal(n) > rtmax-rtmin {
		return 0, false
	}
	if sign == "-" {
		return base - syscall.Signal(n), true
	}
	return base + syscall.Signal(n), true
}

// Name is the signal's name with SIG, as Parse takes it; its number where it
// has none.
func Name(s syscall.Signal) string {
	switch {
	case s > 0 && int(s) < len(names):
		return "SIG" + names[s]
	case s == rtmin:
		return "SIGRTMIN"
	case s > rtmin && s <= rtmax:
		return "SIGRTMIN+" + strconv.Itoa(int(s-rtmin))
	}
	return strconv.Itoa(int(s))
}
