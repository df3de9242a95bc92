// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"strconv"
)

var errNotCgroup = errors.New("not a cgroup file system")

// ErrFrozen is the refusal of a cgroup in which nothing would ever run.
var ErrFrozen = errors.New("container's cgroup unexpectedly frozen")

// ErrNotEmpty is the refusal of a cgroup that has processes: they are not this
// container's, and its delete would kill them. N is their number.
type ErrNotEmpty struct{ N int }

func (e ErrNotEmpty) Error() string {
	return "container's cgroup is not empty: " + strconv.Itoa(e.N) + " process(es) found"
}

// explained is an error with what is known of its cause.
type explained struct {
	err  error
	text string
}

func explain(err error, text string) error { return &explained{err, text} }

func (e *explained) Error() string { return e.err.Error() + ": " + e.text }
func (e *explained) Unwrap() error { return e.err }
