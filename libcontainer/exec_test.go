// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func execConfig() *Config {
	return &Config{Spec: &specs.Spec{Process: &specs.Process{Args: []string{"init"}, Env: []string{"A=1"}, Cwd: "/srv", Terminal: true, ConsoleSize: &specs.Box{Height: 1},
		User: specs.User{UID: 7, GID: 8, AdditionalGids: []uint32{9}}, Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"}, Inheritable: []string{"CAP_CHOWN"}}}}}
}

func ownOf(c *Config) func() (*specs.Process, error) {
	return func() (*specs.Process, error) { return c.Process, nil }
}

// The table of security.md 1.2: a number, or an error, and never root by
// accident.
func TestCVE_2026_30892_UserIsTwoNumbersOrAnError(t *testing.T) {
	type ids struct{ uid, gid uint32 }
	for text, want := range map[string]*ids{
		"": {7, 8}, "1": {1, 8}, "1:2": {1, 2}, "0:5": {0, 5}, "0": {0, 8}, "01": {1, 8}, "0:0": {0, 0}, "4294967294:4294967294": {4294967294, 4294967294},
		":5": nil, ":": nil, "-1": nil, "4294967295": nil, "1:4294967295": nil, "4294967296": nil, "18446744073709551617": nil, "1:": nil, " 1": nil, "1 ": nil,
		"+1": nil, "1:+2": nil, "root": nil, "0:root": nil, "1:2:3": nil, "0x1": nil, "1_0": nil, "1.0": nil, "１": nil, "1\n": nil, "1\x00": nil,
	} {
		p, err := (&ExecOptions{Args: []string{"x"}, User: text}).process(ownOf(execConfig()))
		switch {
		case want == nil && (err == nil || !strings.HasPrefix(err.Error(), "--user ") || p != nil):
			t.Errorf("%q: %+v, %v", text, p, err)
		case want != nil && (err != nil || p.User.UID != want.uid || p.User.GID != want.gid):
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
}

func TestExecChangesACopyOfTheContainersProcess(t *testing.T) {
	config := execConfig()
	config.Process.Env = append(make([]string, 0, 8), config.Process.Env...)
	config.Process.User.AdditionalGids = append(make([]uint32, 0, 8), 9)
	o := &ExecOptions{Args: []string{"ls", "-l"}, Env: []string{"B=2"}, Cwd: "/tmp", AdditionalGids: []uint32{3}, NoNewPrivs: true, Caps: []string{"CAP_NET_RAW"}}
	p, err := o.process(ownOf(config))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Args, []string{"ls", "-l"}) || !slices.Equal(p.Env, []string{"A=1", "B=2"}) || p.Cwd != "/tmp" || p.Terminal || p.ConsoleSize != nil ||
		!p.NoNewPrivileges || !slices.Equal(p.User.AdditionalGids, []uint32{9, 3}) {
		t.Errorf("%+v", p)
	}
	fresh := execConfig()
	if !reflect.DeepEqual(config.Spec, fresh.Spec) || slices.Contains(config.Process.Env[:cap(config.Process.Env)], "B=2") {
		t.Errorf("the container's own process is changed: %+v", config.Process)
	}
	if _, err := (&ExecOptions{}).process(ownOf(config)); err == nil {
		t.Error("exec of nothing")
	}
	if _, err := (&ExecOptions{Args: []string{"x"}, Cwd: "tmp"}).process(ownOf(config)); err == nil || err.Error() != "Cwd must be an absolute path" {
		t.Errorf("a relative directory: %v", err)
	}
	own := &specs.Process{Cwd: "/"}
	if p, err := (&ExecOptions{Process: own, Args: []string{"x"}}).process(ownOf(config)); p != own || err != nil {
		t.Error("--process is not taken as it is")
	}
}

func TestCapAddsToWhatTheProcessHasAndNeverToWhatItInherits(t *testing.T) {
	config := execConfig()
	p, err := (&ExecOptions{Args: []string{"x"}, Caps: []string{"CAP_NET_RAW", "CAP_CHOWN"}}).process(ownOf(config))
	if err != nil {
		t.Fatal(err)
	}
	want := &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL", "CAP_NET_RAW", "CAP_CHOWN"}, Effective: []string{"CAP_NET_RAW", "CAP_CHOWN"},
		Permitted: []string{"CAP_NET_RAW", "CAP_CHOWN"}, Inheritable: []string{"CAP_CHOWN"}, Ambient: []string{"CAP_CHOWN"}}
	if !reflect.DeepEqual(p.Capabilities, want) {
		t.Errorf("%+v", p.Capabilities)
	}
	config.Process.Capabilities = nil
	if p, err = (&ExecOptions{Args: []string{"x"}, Caps: []string{"CAP_NET_RAW"}}).process(ownOf(config)); err != nil || p.Capabilities.Inheritable != nil || p.Capabilities.Ambient != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err = (&ExecOptions{Args: []string{"x"}, Caps: []string{"CAP_NOPE"}}).process(ownOf(config)); err == nil || err.Error() != "--cap CAP_NOPE: unknown capability" {
		t.Errorf("%v", err)
	}
}
