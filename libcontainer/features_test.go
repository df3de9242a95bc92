// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// accepts reports whether a document with the values at the places (see with)
// is decoded; and the text of the refusal.
func accepts(pairs ...string) (bool, string) {
	_, err := DecodeSpec([]byte(with(pairs...)))
	return err == nil, fmt.Sprint(err)
}

// Every word of the listing is one the compiler takes, and the word beside it
// is one it does not.
func TestFeaturesAreWhatTheCompilerAccepts(t *testing.T) {
	f := new(Runtime).Features("1.2.3", "abc")
	seccomp := func(text string) []string {
		return []string{"linux/seccomp", `{"defaultAction":"SCMP_ACT_ALLOW"` + text + `}`}
	}
	rule := func(text string) []string { return seccomp(`,"syscalls":[{"names":["read"],` + text + `}]`) }
	for _, list := range []struct {
		name  string
		words []string
		least int
		with  func(word string) []string
	}{
		{"namespaces", f.Linux.Namespaces, 8, func(w string) []string {
			return []string{"linux/namespaces", `[{"type":"` + w + `","path":"/x"}]`}
		}},
		{"seccomp.actions", f.Linux.Seccomp.Actions, 8, func(w string) []string {
			return rule(`"action":"` + w + `"`)
		}},
		{"seccomp.operators", f.Linux.Seccomp.Operators, 7, func(w string) []string {
			return rule(`"action":"SCMP_ACT_LOG","args":[{"index":0,"value":1,"op":"` + w + `"}]`)
		}},
		{"seccomp.archs", f.Linux.Seccomp.Archs, 18, func(w string) []string { return seccomp(`,"architectures":["` + w + `"]`) }},
		{"seccomp.knownFlags", f.Linux.Seccomp.KnownFlags, 3, func(w string) []string { return seccomp(`,"flags":["` + w + `"]`) }},
	} {
		if len(list.words) < list.least {
			t.Errorf("%s has %d words: %v", list.name, len(list.words), list.words)
		}
		for _, w := range list.words {
			if ok, err := accepts(list.with(w)...); !ok && !strings.Contains(err, "needs the socket of an agent") && !strings.Contains(err, "listenerPath") {
				t.Errorf("%s: %s is refused: %s", list.name, w, err)
			}
			if ok, _ := accepts(list.with(w + "_X")...); ok {
				t.Errorf("%s: %s_X is accepted", list.name, w)
			}
		}
	}
	for _, flag := range f.Linux.Seccomp.SupportedFlags {
		if !slices.Contains(f.Linux.Seccomp.KnownFlags, flag) {
			t.Errorf("%s is supported but not known", flag)
		}
	}
	for _, w := range f.Linux.Capabilities {
		if capabilityBit(w) == 0 {
			t.Errorf("%s is no capability", w)
		}
	}
	if len(f.Linux.Capabilities) != len(plan.Capabilities) || !slices.IsSorted(f.Linux.Capabilities) {
		t.Errorf("capabilities %v", f.Linux.Capabilities)
	}
}

func TestHooksOfTheFeaturesAreThoseOfTheSpec(t *testing.T) {
	var want []string
	for field := range reflect.TypeFor[specs.Hooks]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		want = append(want, name)
	}
	got := new(Runtime).Features("", "").Hooks
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, name := range got {
		c, err := DecodeSpec([]byte(with("hooks", `{"`+name+`":[{"path":"/bin/x"}]}`)))
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range hookKinds(c.Hooks) {
			if (len(kind.list) == 1) != (kind.name == name) {
				t.Errorf("%s sets %s: %v", name, kind.name, kind.list)
			}
		}
	}
}

// A mount option of the listing is never handed to the file system; any other
// word is.
func TestMountOptionsOfTheFeaturesAreCortens(t *testing.T) {
	options := new(Runtime).Features("", "").MountOptions
	if len(options) < 50 {
		t.Errorf("only %d: %v", len(options), options)
	}
	asData := func(option string) (bool, error) {
		config, err := DecodeSpec([]byte(with("linux/namespaces", `[{"type":"mount"}]`, "mounts", `[{"destination":"/x","type":"tmpfs","source":"tmpfs","options":["`+option+`"]}]`)))
		if err != nil {
			return false, err
		}
		compiled, err := Compile(config, &CreateOptions{ID: "box", Bundle: "/bundle"}, goldenHost("default"))
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(compiled.Steps, func(s plan.Step) bool {
			return s.Op == plan.OpFsconfig && slices.Contains(s.Args[1:], any(option)) && s.At.String() == "/mounts/0/options/0" && !superblock(option)
		}), nil
	}
	for _, option := range options {
		if data, err := asData(option); data {
			t.Errorf("%s is data of the file system", option)
		} else if err != nil && !strings.Contains(err.Error(), "/mounts/0") {
			t.Errorf("%s: %v", option, err)
		}
	}
	if data, err := asData("huge"); !data || err != nil {
		t.Errorf("huge: %v, %v", data, err)
	}
}

// superblock are the options that are flags of a file system by the same name.
func superblock(option string) bool {
	return slices.Contains([]string{"ro", "rw", "sync", "async", "dirsync", "lazytime", "nolazytime", "mand", "nomand", "silent", "loud", "iversion", "noiversion"}, option)
}

func TestWhatIsEnabledIsNotRefusedAsUnsupported(t *testing.T) {
	f := new(Runtime).Features("", "")
	for _, c := range []struct {
		name    string
		enabled *bool
		pairs   []string
	}{
		{"apparmor", f.Linux.Apparmor.Enabled, []string{"process/apparmorProfile", `"x"`}},
		{"selinux", f.Linux.Selinux.Enabled, []string{"process/selinuxLabel", `"a:b:c:s0"`}},
		{"intelRdt", f.Linux.IntelRdt.Enabled, []string{"linux/intelRdt", `{"closID":"a"}`}},
		{"intelRdt.schemata", f.Linux.IntelRdt.Schemata, []string{"linux/intelRdt", `{"schemata":["L3:0=f"]}`}},
		{"intelRdt.monitoring", f.Linux.IntelRdt.Monitoring, []string{"linux/intelRdt", `{"enableMonitoring":true}`}},
		{"netDevices", f.Linux.NetDevices.Enabled, []string{"linux/namespaces", `[{"type":"network"}]`, "linux/netDevices", `{"eth0":{}}`}},
		{"cgroup.rdma", f.Linux.Cgroup.Rdma, []string{"linux/resources", `{"rdma":{"mlx5_1":{"hcaHandles":3}}}`}},
		{"idmap", f.Linux.MountExtensions.IDMap.Enabled, []string{"mounts", `[{"destination":"/a","source":"/b","options":["bind"],"uidMappings":` +
			mappingJSON("0,5,1") + `,"gidMappings":` + mappingJSON("0,5,1") + `}]`}},
		{"memoryPolicy", new(f.Linux.MemoryPolicy != nil), []string{"linux/memoryPolicy", `{"mode":"MPOL_LOCAL"}`}},
	} {
		ok, err := accepts(c.pairs...)
		if c.enabled == nil || *c.enabled != ok {
			t.Errorf("%s: listed %v, accepted %v: %s", c.name, c.enabled != nil && *c.enabled, ok, err)
		}
	}
	_, _, err := (&Runtime{SystemdCgroup: true, Root: t.TempDir()}).prepare(&CreateOptions{Bundle: "../tests/golden/default"})
	if refused := strings.Contains(fmt.Sprint(err), "not supported"); refused == *f.Linux.Cgroup.Systemd {
		t.Errorf("systemd: listed %v, but %v", *f.Linux.Cgroup.Systemd, err)
	}
}

// The listing has every member the specification gives it: nothing is unknown.
func TestFeaturesLeaveNothingOut(t *testing.T) {
	f := new(Runtime).Features("1.2.3", "abc")
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	missing(t, "", reflect.TypeOf(f).Elem(), all)
	if f.OCIVersionMax != specs.Version || f.Annotations["corten.version"] != "1.2.3" || f.Annotations["corten.commit"] != "abc" {
		t.Errorf("%s, %v", f.OCIVersionMax, f.Annotations)
	}
	for _, name := range f.PotentiallyUnsafeConfigAnnotations {
		if name != initAnnotation && !strings.HasPrefix(name, "run.oci.") {
			t.Errorf("annotation %s", name)
		}
	}
}

func missing(t *testing.T, at string, of reflect.Type, has map[string]any) {
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		value, found := has[name]
		if !found && at+"."+name != ".linux.memoryPolicy" { // TestWhatIsEnabled… has it
			t.Errorf("%s.%s is left out", at, name)
		}
		if kind := field.Type; found && kind.Kind() == reflect.Pointer && kind.Elem().Kind() == reflect.Struct {
			missing(t, at+"."+name, kind.Elem(), value.(map[string]any))
		}
	}
}
