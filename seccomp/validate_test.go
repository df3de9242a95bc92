// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

var at = plan.At("/linux/seccomp")

// wrong is profiles with the pointer, below theirs, of what is wrong.
var wrong = []struct{ profile, at string }{
	{`{"defaultAction":""}`, "/defaultAction"},
	{`{"defaultAction":"SCMP_ACT_KIL"}`, "/defaultAction"},
	{`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4096}`, "/defaultErrnoRet"},
	{`{"defaultAction":"SCMP_ACT_KILL","defaultErrnoRet":1}`, "/defaultErrnoRet"},
	{`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86","SCMP_ARCH_VAX"]}`, "/architectures/1"},
	{`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read",""],"action":"SCMP_ACT_KILL"}]}`, "/syscalls/0/names/1"},
	{`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"allow"}]}`, "/syscalls/0/action"},
	{`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":5000}]}`, "/syscalls/0/errnoRet"},
	{`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_TRACE","errnoRet":65536}]}`, "/syscalls/0/errnoRet"},
	{`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","errnoRet":1}]}`, "/syscalls/0/errnoRet"},
	{`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"},
	  {"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"SCMP_CMP_EQ"},{"index":6,"op":"SCMP_CMP_EQ"}]}]}`, "/syscalls/1/args/1/index"},
	{`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":5,"op":"=="}]}]}`, "/syscalls/0/args/0/op"},
}

func decode(t testing.TB, raw string) *specs.LinuxSeccomp {
	t.Helper()
	s := &specs.LinuxSeccomp{}
	if err := json.Unmarshal([]byte(raw), s); err != nil {
		t.Fatal(err)
	}
	return s
}

func pointer(t testing.TB, err error) string {
	t.Helper()
	var e *plan.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v has no pointer", err)
	}
	return e.At.String()
}

func TestValidate(t *testing.T) {
	for _, w := range append(wrong, []struct{ profile, at string }{
		{`{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_LOG","LOG"]}`, "/flags/1"},
		{`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[],"action":"SCMP_ACT_KILL"}]}`, "/syscalls/0/names"},
		{`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["openat"],"action":"SCMP_ACT_NOTIFY"}]}`, "/listenerPath"},
		{`{"defaultAction":"SCMP_ACT_NOTIFY"}`, "/listenerPath"},
		{`{"defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"x"}`, "/listenerMetadata"},
	}...) {
		if got := pointer(t, Validate(at, decode(t, w.profile))); got != "/linux/seccomp"+w.at {
			t.Errorf("%s: %s", w.profile, got)
		}
	}
	for _, name := range KnownActions() {
		if err := Validate(at, &specs.LinuxSeccomp{DefaultAction: specs.LinuxSeccompAction(name), ListenerPath: "/agent"}); err != nil {
			t.Error(err)
		}
	}
}

// TestCompilerSaysWhere: what Validate finds, the compiler finds by itself.
func TestCompilerSaysWhere(t *testing.T) {
	for _, w := range wrong {
		if _, err := Filter(at, []byte(w.profile), ""); err == nil {
			t.Errorf("%s: no error", w.profile)
		} else if got := pointer(t, err); got != "/linux/seccomp"+w.at {
			t.Errorf("%s: %v", w.profile, err)
		}
	}
	_, err := Filter(at, []byte(`{"defaultAction":`), "")
	if want := "config.json#/linux/seccomp: unexpected end of JSON input"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestNames: the compiler takes every name of the tables.
func TestNames(t *testing.T) {
	for _, name := range actions {
		if _, err := Filter(at, []byte(`{"defaultAction":"`+name+`"}`), ""); err != nil {
			t.Error(err)
		}
	}
	for _, name := range operators {
		if _, err := Filter(at, []byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_KILL","args":[{"index":0,"value":1,"op":"`+name+`"}]}]}`), ""); err != nil {
			t.Error(err)
		}
	}
	for _, name := range archs {
		_, err := Filter(at, []byte(`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["`+name+`"]}`), "")
		if err != nil && err.Error() != "config.json#/linux/seccomp/architectures/0: "+name+" has another byte order than this machine" {
			t.Error(err)
		}
	}
	for _, table := range [][]string{actions[:], operators[:], archs[:], KnownFlags()} {
		if !slices.IsSorted(table) {
			t.Errorf("%v is not sorted", table)
		}
	}
	if !slices.Contains(KnownActions(), notify) || ValidArch("") || ValidFlag("") || ValidOperator("==") {
		t.Error("names")
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		flags []specs.LinuxSeccompFlag
		want  uint64
	}{
		{nil, 4},
		{[]specs.LinuxSeccompFlag{}, 0},
		{[]specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC"}, 0},
		{[]specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_LOG"}, 2},
		{[]specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}, 6},
	} {
		if got := Flags(&specs.LinuxSeccomp{Flags: c.flags}); got != c.want {
			t.Errorf("%v: %d, want %d", c.flags, got, c.want)
		}
		notifying := &specs.LinuxSeccomp{Flags: c.flags, Syscalls: []specs.LinuxSyscall{{Action: notify}}}
		want := c.want | 8
		if slices.Contains(c.flags, specs.LinuxSeccompFlagWaitKillableRecv) {
			want |= 32
		}
		if got := Flags(notifying); got != want {
			t.Errorf("%v with a listener: %d, want %d", c.flags, got, want)
		}
	}
	supported := SupportedFlags()
	for _, name := range []string{"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"} {
		if !slices.Contains(supported, name) {
			t.Errorf("%s is in every kernel since 4.17, the probe says no: %v", name, supported)
		}
	}
}
