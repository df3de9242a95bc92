// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// run runs hooks as the runtime does, with dir as the bundle.
func run(dir, kind string, state []byte, hooks ...specs.Hook) error {
	r := &runtimeHooks{bundle: dir, state: state, ends: hookEnds{container: -1}}
	return r.run(kind, hooks)
}

func sh(script string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}}
}

func TestAHookReadsTheStateAndHasItsOwnEnvironmentOnly(t *testing.T) {
	t.Setenv("SECRET_OF_THE_CALLER", "1")
	file := filepath.Join(t.TempDir(), "out")
	h := sh("{ cat; /usr/bin/env; } >out")
	h.Env = []string{"ONLY=this"}
	spec := &specs.Spec{Annotations: map[string]string{"a": "b"}}
	if err := run(filepath.Dir(file), "createRuntime", hookState(spec, &CreateOptions{ID: "box", Bundle: `/b"`}, "creating", 42), h); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var state specs.State
	d := json.NewDecoder(strings.NewReader(string(b)))
	if err := d.Decode(&state); err != nil || state.ID != "box" || state.Pid != 42 || state.Status != "creating" || state.Bundle != `/b"` || state.Annotations["a"] != "b" {
		t.Errorf("%+v, %v", state, err)
	}
	if env := string(b[d.InputOffset():]); !strings.Contains(env, "ONLY=this") || strings.Contains(env, "SECRET") {
		t.Errorf("environment %q", env)
	}
}

func TestHooksEndWithTheFirstThatFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	err := run("/", "poststart", nil, sh("echo 1 >>"+file), sh("echo two; echo 2 >>"+file+"; exit 7"), sh("echo 3 >>"+file))
	want := `config.json#/hooks/poststart/1: run /bin/sh: exit status 7, output: "two"`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if b, _ := os.ReadFile(file); string(b) != "1\n2\n" {
		t.Errorf("%q ran", b)
	}
	if err := run("/gone", "x", nil, specs.Hook{Path: "/nonexistent"}); err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("%v", err)
	}
}

func TestAHookPastItsTimeoutIsKilledWithItsGroup(t *testing.T) {
	h := sh("echo begun; sleep 60 & wait")
	h.Timeout = new(1)
	begin := time.Now()
	err := run("/", "poststart", nil, h)
	if err == nil || !strings.Contains(err.Error(), `hook ran past specified timeout of 1.0s, output: "begun"`) {
		t.Errorf("%v", err)
	}
	if d := time.Since(begin); d < time.Second || d > 10*time.Second {
		t.Errorf("after %s", d)
	}
}

func TestADaemonOfAHookDoesNotHoldItUp(t *testing.T) {
	begin := time.Now()
	if err := run("/", "poststart", nil, sh("sleep 5 & exit 0")); err != nil || time.Since(begin) > 4*time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}

func TestOnlyTheEndOfAHooksOutputIsKept(t *testing.T) {
	end := &tail{}
	for range 1000 {
		end.Write([]byte("0123456789"))
	}
	end.Write([]byte("end\n"))
	if len(end.b) != hookOutput || !strings.HasSuffix(end.String(), `89end"`) {
		t.Errorf("%d bytes, %s", len(end.b), end)
	}
}

func TestAHookThatReadsNothingGetsALargeState(t *testing.T) {
	if err := run("/", "poststart", make([]byte, 1<<20), sh("exec <&-; sleep 0.1")); err != nil {
		t.Error(err)
	}
	if err := run("/", "poststart", make([]byte, 1<<20), sh("test $(wc -c) = 1048576")); err != nil {
		t.Error(err)
	}
}

func TestHooksOfTheContainerAreStepsWithTheirTimeoutInMilliseconds(t *testing.T) {
	b := plan.NewBuilder()
	compileHooks(b, "startContainer", []specs.Hook{{Path: "/h", Env: []string{"A=1"}}, {Path: "/i", Args: []string{"j", "k"}, Timeout: new(3)}}, []byte("{state"))
	first, second := b.Steps[0], b.Steps[1]
	if !slices.Equal(first.Args[1].([]string), []string{"/h"}) || !slices.Equal(first.Args[2].([]string), []string{"A=1"}) || string(first.Args[3].([]byte)) != ",state" || first.Args[4] != uint64(0) {
		t.Errorf("%v", first.Args)
	}
	if !slices.Equal(second.Args[1].([]string), []string{"j", "k"}) || second.Args[4] != uint64(3000) || second.At.String() != "/hooks/startContainer/1" {
		t.Errorf("%v", second.Args)
	}
}

func TestAMissingHookIsAnErrorBeforeAnythingIsMade(t *testing.T) {
	missing := []specs.Hook{{Path: "/bin/sh"}, {Path: "/nonexistent"}}
	for kind, h := range map[string]*specs.Hooks{"createRuntime": {CreateRuntime: missing}, "createContainer": {CreateContainer: missing}, "poststart": {Poststart: missing}, "poststop": {Poststop: missing}} {
		err := checkHooks(&specs.Spec{Hooks: h})
		if want := "config.json#/hooks/" + kind + "/1/path: access /nonexistent: no such file or directory"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for path, errno := range map[string]error{"/": syscall.EACCES, "/etc/passwd": syscall.EACCES, "/bin/sh/x": syscall.ENOTDIR} {
		if err := checkHooks(&specs.Spec{Hooks: &specs.Hooks{Poststop: []specs.Hook{{Path: path}}}}); !errors.Is(err, errno) {
			t.Errorf("%s: %v", path, err)
		}
	}
	// That of startContainer is a path of the container.
	if err := checkHooks(&specs.Spec{Hooks: &specs.Hooks{StartContainer: missing}}); err != nil {
		t.Error(err)
	}
}
