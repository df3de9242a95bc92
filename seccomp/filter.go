// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"errors"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// Program is a compiled profile.
type Program struct {
	BPF     []byte   // array of struct sock_filter
	Unknown []string // system calls that libseccomp does not know: their rules are left out
}

// Filter is the BPF program of Compile.
func Filter(at plan.Pointer, raw []byte, cacheDir string) (program []byte, err error) {
	p, err := Compile(at, raw, cacheDir)
	return p.BPF, err
}

// Compile returns the program for raw, the JSON text of the profile at at.
// The native architecture is always part of it. Programs are kept in cacheDir,
// which is made if missing; a directory that cannot be used, or "", means
// that nothing is kept. Errors in the profile have their pointer.
func Compile(at plan.Pointer, raw []byte, cacheDir string) (Program, error) {
	compiler := build()
	if compiler == "" {
		return Program{}, &plan.Error{At: at,
			Err:  errors.New("corten was built without its seccomp compiler for " + runtime.GOARCH),
			Hint: "run make -C seccomp/compiler GOARCH=" + runtime.GOARCH + " and build corten again"}
	}
	key, err := cacheKey(compiler, raw)
	if err != nil {
		return Program{}, &plan.Error{At: at, Op: "uname", Err: err}
	}
	if p, ok := load(cacheDir, key); ok {
		return p, nil
	}
	p, err := compile(at, raw)
	if err != nil {
		return Program{}, err
	}
	store(cacheDir, key, p)
	return p, nil
}

// cacheKey is all that a program depends on, in one piece: the kernel, the
// compiler (its digest tells the architecture), and the profile.
func cacheKey(compiler string, raw []byte) ([]byte, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, err
	}
	release := unix.ByteSliceToString(u.Release[:])
	key := make([]byte, 0, len(release)+len(compiler)+len(raw)+2)
	key = append(append(key, release...), 0)
	key = append(append(key, compiler...), 0)
	return append(key, raw...), nil
}

// validProgram reports whether b is as long as the kernel takes.
func validProgram(b []byte) bool { return len(b) > 0 && len(b)%8 == 0 && len(b)/8 <= 4096 }

// compile runs the compiler on raw.
func compile(at plan.Pointer, raw []byte) (Program, error) {
	r, err := run(raw)
	if err != nil {
		return Program{}, &plan.Error{At: at, Op: "seccomp compiler", Err: err}
	}
	diagnosis := strings.TrimSuffix(string(r.stderr), "\n")
	switch {
	case r.status.Exited() && r.status.ExitStatus() == 0:
		if !validProgram(r.stdout) {
			return Program{}, &plan.Error{At: at, Op: "seccomp compiler", Err: errors.New("wrote no program")}
		}
		p := Program{BPF: r.stdout}
		if diagnosis != "" {
			p.Unknown = strings.Split(diagnosis, "\n")
		}
		return p, nil
	case r.status.Exited() && r.status.ExitStatus() == 1:
		place, text, _ := strings.Cut(diagnosis, " ")
		return Program{}, &plan.Error{At: below(at, place), Err: errors.New(text)}
	case r.status.Signaled():
		return Program{}, &plan.Error{At: at, Op: "seccomp compiler", Err: errors.New("killed by " + unix.SignalName(r.status.Signal()))}
	}
	line, _, _ := strings.Cut(diagnosis, "\n")
	return Program{}, &plan.Error{At: at, Op: "seccomp compiler", Err: errors.New(line)}
}

// below is the pointer at with the pointer text, of the compiler, appended.
func below(at plan.Pointer, text string) plan.Pointer {
	for name := range strings.SplitSeq(strings.TrimPrefix(text, "/"), "/") {
		if name != "" {
			at = at.Field(name)
		}
	}
	return at
}
