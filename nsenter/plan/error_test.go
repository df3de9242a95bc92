// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"syscall"
	"testing"
)

func TestAnErrorSaysWhereWhatAndWhy(t *testing.T) {
	for want, e := range map[string]*Error{
		"config.json#/root/path: must not be empty":                            {At: At("/root/path"), Err: errors.New("must not be empty")},
		"config.json: not a regular file":                                      {Err: errors.New("not a regular file")},
		"process.json#/cwd: wrong":                                             {At: At("/cwd"), File: "process.json", Err: errors.New("wrong")},
		"process.json: empty":                                                  {File: "process.json", Err: errors.New("empty")},
		"config.json#/mounts/3: open_tree \"/x\": permission denied [step 41]": {At: At("/mounts/3"), Op: `open_tree "/x"`, Step: 41, Err: syscall.EACCES, Hint: "not part of it"},
		"setsid: operation not permitted [step 3]":                             {Op: "setsid", Step: 3, Err: syscall.EPERM},
		"config.json#/hooks/poststop/0: run /h: no such file or directory":     {At: At("/hooks/poststop/0"), Op: "run /h", Err: syscall.ENOENT},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
		if !errors.Is(e, e.Err) {
			t.Errorf("%s hides its cause", want)
		}
	}
}
