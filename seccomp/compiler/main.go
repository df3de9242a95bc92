// SPDX-License-Identifier: Apache-2.0

//go:build cgo

// Command compiler turns the linux.seccomp section of a config.json into the
// BPF program for seccomp(2), by libseccomp. corten carries it as bytes and
// runs it when a filter is not in its cache: it is the only part of corten
// that needs cgo.
//
// The section is read from stdin. With status 0 the program, an array of
// struct sock_filter, is on stdout, and stderr has the names of the system
// calls libseccomp does not know, one a line: their rules are left out. With
// status 1 stderr has one line: a JSON pointer relative to the section, a
// space, and what is wrong there. "compiler version" prints libseccomp's.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// maxInput is in bytes: engines' profiles are about 20 KiB.
const maxInput = 16 << 20

// maxInstructions is BPF_MAXINSNS of linux/bpf_common.h.
const maxInstructions = 4096

// profile is linux.seccomp of the runtime specification, as far as the
// program depends on it.
type profile struct {
	DefaultAction   string   `json:"defaultAction"`
	DefaultErrnoRet *uint    `json:"defaultErrnoRet"`
	Architectures   []string `json:"architectures"`
	Syscalls        []rule   `json:"syscalls"`
}

type rule struct {
	Names    []string `json:"names"`
	Action   string   `json:"action"`
	ErrnoRet *uint    `json:"errnoRet"`
	Args     []arg    `json:"args"`
}

type arg struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo"`
	Op       string `json:"op"`
}

// fault is an error at a place in the profile.
type fault struct {
	at  string // JSON pointer
	err error
}

func (f *fault) Error() string { return f.at + " " + f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func faultf(at, format string, args ...any) error {
	return &fault{at, fmt.Errorf(format, args...)}
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		major, minor, micro := libseccomp.GetLibraryVersion()
		fmt.Printf("%d.%d.%d\n", major, minor, micro)
		return
	}
	// A profile cannot keep the machine busy after corten is gone.
	limit := unix.Rlimit{Cur: 10, Max: 10}
	if err := unix.Setrlimit(unix.RLIMIT_CPU, &limit); err != nil {
		exit(faultf("", "setrlimit RLIMIT_CPU: %w", err))
	}
	raw, err := io.ReadAll(io.LimitReader(os.Stdin, maxInput+1))
	if err == nil && len(raw) > maxInput {
		err = unix.E2BIG
	}
	if err != nil {
		exit(faultf("", "read: %w", err))
	}
	program, unknown, err := compile(raw)
	if err != nil {
		exit(err)
	}
	if _, err := os.Stdout.Write(program); err != nil {
		exit(faultf("", "write: %w", err))
	}
	for _, name := range unknown {
		fmt.Fprintf(os.Stderr, "%s\n", oneLine(name))
	}
}

func exit(err error) {
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{"", err}
	}
	fmt.Fprintln(os.Stderr, oneLine(f.Error()))
	os.Exit(1)
}

func oneLine(s string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(s) }

// compile returns the program of the profile in raw and the names in it that
// libseccomp does not know.
func compile(raw []byte) (program []byte, unknown []string, err error) {
	var p profile
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, nil, faultf("", "%w", err)
	}
	rules, def, unknown, err := p.filter()
	if err != nil {
		return nil, nil, err
	}
	defer rules.Release()
	if program, err = export(rules); err != nil {
		return nil, nil, faultf("", "%w", err)
	}
	stub, err := p.stub()
	if err != nil {
		return nil, nil, err
	}
	program = append(stub, program...)
	if n := len(program) / 8; n > maxInstructions {
		return nil, nil, faultf("", "the filter has %d instructions, the kernel takes %d", n, maxInstructions)
	}
	if err := p.check(program, def); err != nil {
		return nil, nil, err
	}
	return program, unknown, nil
}

// export is the program libseccomp generates.
func export(f *libseccomp.ScmpFilter) ([]byte, error) {
	fd, err := unix.MemfdCreate("seccomp", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "seccomp")
	defer file.Close()
	if err := f.ExportBPF(file); err != nil {
		return nil, fmt.Errorf("seccomp_export_bpf: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("lseek: %w", err)
	}
	return io.ReadAll(file)
}
