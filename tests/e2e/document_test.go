// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// document is the bundle's config.json with the value at the path a/b/0 of it set.
func document(t *testing.T, path string, value any) []byte {
	t.Helper()
	text, err := json.Marshal(bundle.Base())
	if err != nil {
		t.Fatal(err)
	}
	var all any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	parent := all.(map[string]any)
	names := strings.Split(path, "/")
	for _, name := range names[:len(names)-1] {
		next, _ := parent[name].(map[string]any)
		if next == nil {
			next = map[string]any{}
			parent[name] = next
		}
		parent = next
	}
	parent[names[len(names)-1]] = value
	if value == nil {
		delete(parent, names[len(names)-1])
	}
	if text, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
	return text
}

// Every wrong value is an error that points to it, and nothing has been done: no
// hook has run, no state is there.
//
// spec: ociVersion, hostname, domainname, annotations, root.path
func TestAWrongValueIsRefusedBeforeAnythingIsMade(t *testing.T) {
	bundle.NeedCorten(t) // the texts
	type m = map[string]any
	type l = []any
	b := bundle.New(t, bundle.Args("true"))
	mark := filepath.Join(b.Home, "hook")
	for _, c := range []struct {
		path  string
		value any
		words string
	}{
		{"ociVersion", nil, "#/ociVersion: required, but missing"},
		{"ociVersion", "", `#/ociVersion: want a version such as 1.3.0, got ""`},
		{"ociVersion", "1.2", `#/ociVersion: want a version such as 1.3.0, got "1.2"`},
		{"ociVersion", "2.0.0", "#/ociVersion: version 2.0.0 is not supported, only 1.x is"},
		{"ociVersion", 1, "#/ociVersion: want a string, got a number"},
		{"root", nil, "#/root: required, but missing"},
		{"root/path", "", "#/root/path: must not be empty"},
		{"root/path", "nowhere", "#/root/path: stat "},
		{"root/readonly", "yes", "#/root/readonly: want a boolean, got a string"},
		{"process", nil, "#/process: process property must not be empty"},
		{"process/args", l{}, "#/process/args: args must not be empty"},
		{"process/cwd", "tmp", "#/process/cwd: Cwd must be an absolute path"},
		{"process/env", l{"A=b", "C"}, `#/process/env/1: want NAME=value, got "C"`},
		{"process/user", m{"uid": -1, "gid": 0}, "#/process/user/uid: want 0 to 4294967294, got -1"},
		{"process/rlimits", l{m{"type": "RLIMIT_X", "soft": 1, "hard": 1}}, `#/process/rlimits/0/type: unknown rlimit "RLIMIT_X"`},
		{"hostname", strings.Repeat("h", 65), "#/hostname: want at most 64 bytes, got 65"},
		{"domainname", 7, "#/domainname: want a string, got a number"},
		{"linux/namespaces", l{m{"type": "mount"}}, "#/hostname: needs a uts namespace"},
		{"linux/namespaces", l{m{"type": "mount"}, m{"type": "uts"}, m{"type": "uts"}}, "#/linux/namespaces/2/type: uts occurs twice"},
		{"linux/namespaces", l{m{"type": "mount"}, m{"type": "uts"}, m{"type": "network", "path": "/proc/self/ns/ipc"}},
			`#/linux/namespaces/2/path: "/proc/self/ns/ipc" is a namespace of another type`},
		{"linux/namespaces", l{m{"type": "mount"}, m{"type": "uts"}, m{"type": "network", "path": "/dev/null"}},
			`#/linux/namespaces/2/path: "/dev/null" is not a namespace`},
		{"linux/namespaces", l{m{"type": "mount"}, m{"type": "uts"}, m{"type": "network", "path": "/run/netns/none"}},
			`#/linux/namespaces/2/path: open "/run/netns/none": no such file or directory`},
		{"linux", nil, "#/hostname: needs a uts namespace"},
		{"linux/uidMappings", l{m{"containerID": 0, "hostID": 0, "size": 1}}, "#/linux/uidMappings: needs a user namespace"},
		{"mounts", l{m{"destination": "/a", "type": "tmpfs", "options": l{"ro", "size=1q"}}}, `#/mounts/0/options/1: fsconfig tmpfs "size"="1q": invalid argument`},
		{"annotations", m{"": "x"}, "#/annotations/: an annotation's key must not be empty"},
		{"annotations", m{"a/b": 5}, "#/annotations/a~1b: want a string, got a number"},
		{"hooks/createRuntime", l{m{"path": "bin/hook"}}, "#/hooks/createRuntime/0/path: want an absolute path"},
		{"vm", m{"kernel": m{"path": "/vmlinuz"}}, "#/vm: corten makes containers, not virtual machines"},
	} {
		text := document(t, c.path, c.value)
		if !strings.HasPrefix(c.path, "hooks") {
			text = bytes.Replace(text, []byte(`{`), []byte(`{"hooks":{"createRuntime":[{"path":"/bin/touch","args":["touch","`+mark+`"]}]},`), 1)
		}
		b.WriteText(text)
		if r := b.Run(); r.Status != 1 || !strings.Contains(r.Stderr, "corten: config.json"+c.words) {
			t.Errorf("%s = %v: exit status %d, %q", c.path, c.value, r.Status, r.Stderr)
		}
		if _, err := os.Stat(filepath.Join(b.Root, b.ID)); err == nil {
			t.Errorf("%s = %v: state is left", c.path, c.value)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a hook has run")
	}
}

// spec: ociVersion
func TestEveryVersionOfTheFirstMajorIsAccepted(t *testing.T) {
	bundle.NeedCorten(t) // which warns of newer ones
	for version, warns := range map[string]bool{"1.0.0": false, "1.0.2-dev": false, "1.3.0+build.5": false, "1.4.0": true, "1.10.0": true} {
		b := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) { s.Version = version })
		if r := b.Corten("--debug", "run", "--bundle", b.Dir, b.ID).OK(b); strings.Contains(r.Stderr, "#/ociVersion: "+version+" is newer than 1.3.0") != warns {
			t.Errorf("%s: stderr %q", version, r.Stderr)
		}
	}
}

func TestSectionsOfOtherPlatformsSayNothingAboutLinux(t *testing.T) {
	b := bundle.New(t)
	text := document(t, "windows", map[string]any{"layerFolders": []string{`C:\layers`}})
	text = bytes.Replace(text, []byte(`{`), []byte(`{"solaris":{"milestone":"x"},"zos":{"namespaces":[]},"freebsd":{"jail":{}},"unknown":[1,{"a":null}],`), 1)
	text = bytes.Replace(text, []byte(`"args":["sh"]`), []byte(`"commandLine":"cmd /c exit 3","args":["echo","linux"]`), 1)
	b.WriteText(text)
	if out := b.RunOK(); out != "linux\n" {
		t.Errorf("printed %q", out)
	}
}

// spec: annotations
func TestAnnotationsReachStateAndHooks(t *testing.T) {
	want := map[string]string{"com.example.key": "value", "org.opencontainers/odd \"key\"": "line\nbreak", "empty": ""}
	b := bundle.NewEmpty(t)
	s := bundle.Base()
	s.Process.Args, s.Annotations = []string{"/bin/probe", "pause"}, want
	s.Hooks = &specs.Hooks{}
	for kind, list := range map[string]*[]specs.Hook{"createRuntime": &s.Hooks.CreateRuntime, "poststart": &s.Hooks.Poststart, "poststop": &s.Hooks.Poststop} {
		*list = []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "cat >" + filepath.Join(b.Home, kind)}}}
	}
	b.Write(s)
	b.Create()
	same := func(where string, got map[string]string) {
		t.Helper()
		if len(got) != len(want) {
			t.Errorf("%s: %q", where, got)
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("%s: %q is %q", where, key, got[key])
			}
		}
	}
	same("state", b.State().Annotations)
	b.Start()
	b.Corten("delete", "--force", b.ID).OK(b)
	for _, kind := range []string{"createRuntime", "poststart", "poststop"} {
		var state specs.State
		if err := json.Unmarshal([]byte(b.Raw(filepath.Join(b.Home, kind))), &state); err != nil {
			t.Fatal(kind, err)
		}
		same(kind, state.Annotations)
	}
}

// A container without a process can be created, be joined by others and be
// deleted, but not started (runtime-spec, "Create" and "Start").
//
// spec: process.args
func TestWithoutAProcessAContainerIsOnlyCreated(t *testing.T) {
	bundle.NeedCorten(t) // others refuse to create it
	b := bundle.New(t)
	b.WriteText(document(t, "process", nil))
	refused(t, b.Run(), "#/process: process property must not be empty")
	b.Create()
	if s := b.State(); s.Status != "created" || s.PID <= 0 {
		t.Errorf("%+v", s)
	}
	refused(t, b.Corten("start", b.ID), "process property must not be empty")
	if s := b.State(); s.Status != "created" {
		t.Errorf("after start: %+v", s)
	}
	second := bundle.New(t, bundle.Shell("hostname"), bundle.Namespace(specs.UTSNamespace, namespacePath(b.State().PID, specs.UTSNamespace)),
		func(s *specs.Spec) { s.Hostname = "" })
	if out := second.RunOK(); out != "box\n" {
		t.Errorf("hostname %q", out)
	}
	b.Corten("delete", b.ID).OK(b)
}
