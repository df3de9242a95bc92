// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"fmt"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

func TestTheProgramIsLookedForInTheAbsoluteDirectoriesOfPath(t *testing.T) {
	for _, c := range []struct {
		arg  string
		env  []string
		want []string
	}{
		{"sh", []string{"PATH=/bin:/usr/bin"}, []string{"/bin/sh", "/usr/bin/sh"}},
		{"sh", []string{"PATH=:/bin::bin:./x:/a/../b/:"}, []string{"/bin/sh", "/b/sh"}},
		{"sh", []string{"PATH=/old", "XPATH=/x", "PATH=/new"}, []string{"/new/sh"}},
		{"sh", []string{"PATH=/old", "PATH="}, nil},
		{"sh", nil, nil},
		{".", []string{"PATH=/bin"}, nil},
		{"..", []string{"PATH=/bin"}, nil},
		{"...", []string{"PATH=/bin"}, []string{"/bin/..."}},
		{"./sh", []string{"PATH=/bin"}, []string{"./sh"}},
		{"/x/sh", nil, []string{"/x/sh"}},
		{"a/b", []string{"PATH=/bin"}, []string{"a/b"}},
	} {
		if got := candidates(&specs.Process{Args: []string{c.arg, "x"}, Env: c.env}); !slices.Equal(got, c.want) {
			t.Errorf("%s with %q: %q", c.arg, c.env, got)
		}
	}
}

func TestOfEachVariableTheLastEntryWins(t *testing.T) {
	got := uniqueEnvironment([]string{"A=1", "B=2", "A=3", "AB=4", "C", "A=", "B=2=2", "=x", "C=5"})
	if want := []string{"A=", "B=2=2", "AB=4", "C=5", "=x"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestEveryRlimitHasItsNumber(t *testing.T) {
	for i, name := range rlimitNames {
		if got := rlimit(name); got != uint64(i) {
			t.Errorf("%s is %d", name, got)
		}
	}
	if rlimit("RLIMIT_NOFILE") != unix.RLIMIT_NOFILE || rlimit("RLIMIT_AS") != unix.RLIMIT_AS {
		t.Error("the names are not in the kernel's order")
	}
}

// steps compiles one part of a process section.
func steps(p *process, f func()) (calls []string) {
	p.b = plan.NewBuilder()
	p.b.Input(plan.Input{Kind: plan.KindTree})
	f()
	for i := range p.b.Steps {
		calls = append(calls, p.b.Steps[i].Call())
	}
	return calls
}

func TestTheWorkingDirectoryIsEnteredByDescriptorAndChecked(t *testing.T) {
	for cwd, name := range map[string]string{"/": ".", "/a/../b//c/": "b/c", "/proc/self/fd/7": "proc/self/fd/7", "/..": "."} {
		p := &process{spec: &specs.Process{Cwd: cwd}}
		got := steps(p, func() { p.compileCwd(p.compileCwdTarget(0, true)) })
		want := []string{`target s0 "` + name + `" 040755 → s1`, "fchdir s1", "close s1", "check_cwd"}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", cwd, got)
		}
	}
}

func TestTheTerminalIsTheUsersAndControlling(t *testing.T) {
	p := &process{spec: &specs.Process{User: specs.User{UID: 5, GID: 6}}}
	got := steps(p, func() { p.compileTerminal(0) })
	want := []string{"ioctl_tiocsctty s0", "dup3 s0 0", "dup3 s0 1", "dup3 s0 2", `fchownat s0 "" 5 4294967295`, "close s0"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestCredentialsAreGivenUpInTheOneOrderTheKernelAllows(t *testing.T) {
	p := &process{facts: &Host{}, setgroups: true, sets: capabilitySets{bounding: 7, effective: 2, permitted: 3, inheritable: 1, ambient: 1},
		spec: &specs.Process{User: specs.User{UID: 1000, GID: 100, Umask: new(uint32(0o77))}}}
	steps(p, p.compileCredentials)
	var got []string
	for _, s := range p.b.Steps {
		got = append(got, fmt.Sprint(s.Op, s.Args))
	}
	want := []string{"capbset [7]", "setgroups [[]]", "prctl [8 1]", "setresgid [100]", "setresuid [1000]", "prctl [8 0]",
		"capset [2 3 1]", "cap_ambient [1]", "check_caps [7 2 3 1 1]", "prctl [1 9]", "prctl [4 0]", "umask [63]"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// setgroupsCall is the setgroups step without the form of its argument.
func setgroupsCall(p *process) string {
	for _, s := range p.b.Steps {
		if s.Op == plan.OpSetgroups {
			return "setgroups <" + itoa(int64(len(s.Args[0].([]byte)))) + " bytes>"
		}
	}
	return "no setgroups"
}

func TestSupplementaryGroupsOfTheCallerAreAlwaysReplaced(t *testing.T) {
	for groups, want := range map[int]string{0: "setgroups <0 bytes>", 2: "setgroups <8 bytes>"} {
		p := &process{facts: &Host{}, setgroups: true, spec: &specs.Process{User: specs.User{AdditionalGids: make([]uint32, groups)}}}
		steps(p, p.compileCredentials)
		if got := setgroupsCall(p); got != want {
			t.Errorf("%d groups: %s", groups, got)
		}
	}
	p := &process{facts: &Host{}, spec: &specs.Process{}}
	steps(p, p.compileCredentials)
	if got := setgroupsCall(p); got != "no setgroups" {
		t.Errorf("where setgroups(2) is denied: %s", got)
	}
}

func TestTheUmaskIs022UnlessGiven(t *testing.T) {
	p := &process{facts: &Host{}, spec: &specs.Process{}}
	calls := steps(p, p.compileCredentials)
	if last := calls[len(calls)-1]; last != "umask 022" {
		t.Errorf("%s", last)
	}
}
