// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"corten/tests/bundle"
)

// injector is the built program of inject/inject.c.
type injector struct {
	path    string
	numbers map[string]int // of the system calls, by name
	names   map[int]string
}

// newInjector builds it, and asks the compiler for the numbers of the calls.
func newInjector(t *testing.T) *injector {
	t.Helper()
	cc := cmp.Or(os.Getenv("CC"), "gcc")
	in := &injector{path: bundle.Injector(t), numbers: map[string]int{}, names: map[int]string{}}
	list := exec.Command(cc, "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%s -dM: %v", cc, err)
	}
	for line := range strings.Lines(string(out)) {
		var name string
		var number int
		if n, _ := fmt.Sscanf(line, "#define __NR_%s %d", &name, &number); n == 2 {
			in.numbers[name], in.names[number] = number, name
		}
	}
	if len(in.numbers) < 300 {
		t.Fatalf("%s knows %d system calls only", cc, len(in.numbers))
	}
	return in
}

// recording is the words before a command that note its calls in a file.
func (in *injector) recording(side string, pid int, file string) []string {
	return append(in.begin(side, pid), "record", file)
}

// injecting is the words before a command that goes wrong at a point. The file
// is there afterwards if the command has come to it.
func (in *injector) injecting(p point, pid int, file string) []string {
	return append(in.begin(p.side, pid), strconv.Itoa(in.numbers[p.call]), strconv.Itoa(p.ordinal), strconv.Itoa(errnos[p.fault]), file)
}

// begin names the executor if there is one before the command.
func (in *injector) begin(side string, pid int) []string {
	if pid > 0 && side == "executor" {
		return []string{in.path, side, "-p", strconv.Itoa(pid)}
	}
	return []string{in.path, side}
}

// calls are the names of those in a recording, with its stars.
func (in *injector) calls(t *testing.T, file string) (names []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		text, forked := strings.CutSuffix(lines.Text(), "*")
		number, err := strconv.Atoi(text)
		if err != nil || in.names[number] == "" {
			t.Fatalf("%q is no system call", lines.Text())
		}
		if name := in.names[number]; forked {
			names = append(names, name+"*")
		} else {
			names = append(names, name)
		}
	}
	return names
}
