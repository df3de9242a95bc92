// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

func TestSchemasAreComparedByTheirValues(t *testing.T) {
	const schemata = "    MB:0=100;1= 50\n    L3:0=7ff;1=00f\nL3CODE:0=3\n"
	for want, has := range map[string]bool{
		"": true, "L3:0=7ff": true, "L3:1=f;0=7FF": true, "L3:0=0x7ff": true, "MB:1=50": true, "MB:0=100;1=050": true, "L3:0=7ff\nL3CODE:0=03": true,
		"L3:0=7fe": false, "L3:2=7ff": false, "L2:0=7ff": false, "MB:0=10": false, "L3:0=7ff;1=e": false, "L3:0=": false,
	} {
		if got := hasSchema(schemata, want); got != has {
			t.Errorf("%q: %v", want, got)
		}
	}
}

func TestResctrlIsFoundInMountinfo(t *testing.T) {
	const line = "36 25 0:31 / %s rw,relatime shared:7 - resctrl resctrl rw\n"
	for mountinfo, want := range map[string]string{
		"": "", "36 25 0:31 / /a rw - tmpfs resctrl rw\n": "", strings.Replace(line, "%s", `/mnt/my\040rdt`, 1): "/mnt/my rdt",
		"1 2 0:3 /gold /b rw - resctrl r rw\n" + strings.Replace(line, "%s", "/c", 1): "/c", // a bind of one group
		"short\n": "",
	} {
		if got := resctrlMount(mountinfo); got != want {
			t.Errorf("%q: %q, want %q", mountinfo, got, want)
		}
	}
}

func TestADirectoryThatIsNotResctrlIsRefused(t *testing.T) {
	if dir, err := openResctrlAt(t.TempDir()); err == nil {
		dir.Close()
		t.Error("opened")
	}
}

// The rest of the rules runs against a stand-in in tests/e2e.
func TestWhatAGroupComesDownTo(t *testing.T) {
	tree := t.TempDir()
	for _, name := range []string{"", "gold", "box2", "mon_groups/box3"} {
		if err := os.MkdirAll(filepath.Join(tree, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tree, name, "schemata"), []byte("L3:0=f\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.Open(tree)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, c := range []struct {
		id   string
		rdt  specs.LinuxIntelRdt
		want string // what before and after say, without the tree's path; or an error
	}{
		{"box", specs.LinuxIntelRdt{}, "mkdir /box, write /box/tasks PID"},
		{"box", specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=0f\n"}, `write /gold/schemata "L3:0=0f", write /gold/tasks PID`},
		{"box", specs.LinuxIntelRdt{ClosID: "/", EnableMonitoring: true}, "mkdir /mon_groups/box, write /tasks PID, write /mon_groups/box/tasks PID"},
		{"box2", specs.LinuxIntelRdt{}, "/linux/intelRdt/closID: file exists"},
		{"box3", specs.LinuxIntelRdt{ClosID: "/", EnableMonitoring: true}, "/linux/intelRdt/enableMonitoring: file exists"},
		{"info", specs.LinuxIntelRdt{}, `/linux/intelRdt/closID: resctrl cannot have a group named as the container, "info"`},
		{"info", specs.LinuxIntelRdt{ClosID: "gold"}, "write /gold/tasks PID"},
	} {
		facts, err := probeResctrl(dir, &c.rdt, c.id)
		if err != nil {
			t.Fatal(err)
		}
		p, err := compileResctrl(&specs.Spec{Linux: &specs.Linux{IntelRdt: &c.rdt}}, c.id, facts)
		got := ""
		for _, call := range append(p.before(), p.after()...) {
			got += ", " + strings.ReplaceAll(call.text, tree, "")
		}
		if e, ok := err.(*plan.Error); ok {
			got = ", " + e.At.String() + ": " + e.Err.Error()
		}
		if got = strings.TrimPrefix(got, ", "); got != c.want {
			t.Errorf("%s: %s, want %s", c.id, got, c.want)
		}
	}
}
