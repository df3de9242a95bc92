// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strconv"
	"strings"
)

// Error is a failure with the place in config.json it comes from. Compile-time
// errors have At and Err; an error of a step the executor ran has all but,
// where nothing helps, the hint.
type Error struct {
	At   Pointer // the field; the zero Pointer: no single one
	Step int     // number of the step as `corten plan` prints it; 0: none
	Op   string  // the system call with its telling arguments; "" if none
	Err  error   // the cause, usually a syscall.Errno
	Hint string  // one sentence for the user; "" if Err says it all
	File string  // the document At points into; "" is config.json
}

// Errorf-like constructors would hide the mandatory pointer: build an Error
// with At as its first field.

func (e *Error) Error() string {
	var b strings.Builder
	if at := e.At.String(); at != "" || e.Op == "" {
		if b.WriteString(e.File); e.File == "" {
			b.WriteString("config.json")
		}
		if at != "" {
			b.WriteString("#" + at)
		}
		b.WriteString(": ")
	}
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	b.WriteString(e.Err.Error())
	if e.Step > 0 {
		b.WriteString(" [step " + strconv.Itoa(e.Step) + "]")
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }
