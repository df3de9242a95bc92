// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// rdt is a stand-in for resctrl and a bundle with intelRdt.
func rdt(t *testing.T, rdt specs.LinuxIntelRdt, edits ...bundle.Edit) (*bundle.Resctrl, *bundle.Bundle) {
	t.Helper()
	bundle.NeedCorten(t)
	bundle.NeedStrace(t)
	r := bundle.NewResctrl(t)
	return r, bundle.New(t, append([]bundle.Edit{bundle.Probe("pause"), func(s *specs.Spec) { s.Linux.IntelRdt = &rdt }}, edits...)...)
}

// corten runs the runtime where the stand-in is.
func cortenRdt(r *bundle.Resctrl, b *bundle.Bundle, args ...string) bundle.Result {
	return b.CortenWith(bundle.Options{Wrap: r.Wrap(b.Home + "/trace")}, args...)
}

// spec: linux.intelRdt.enableMonitoring
func TestAContainerWithoutAClosIDHasAGroupOfItsOwn(t *testing.T) {
	r, b := rdt(t, specs.LinuxIntelRdt{L3CacheSchema: "L3:0=7f0;1=1f", MemBwSchema: "MB:0=20;1=70", Schemata: []string{"L3:1=3", "MB:0=30"}, EnableMonitoring: true})
	cortenRdt(r, b, "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
	pid := fmt.Sprint(b.State().PID)
	want := []string{"mkdir " + b.ID, "mkdir " + b.ID + "/mon_groups/" + b.ID,
		"write " + b.ID + "/schemata L3:0=7f0;1=1f", "write " + b.ID + "/schemata MB:0=20;1=70",
		"write " + b.ID + "/schemata L3:1=3", "write " + b.ID + "/schemata MB:0=30",
		"write " + b.ID + "/tasks " + pid, "write " + b.ID + "/mon_groups/" + b.ID + "/tasks " + pid}
	if got := r.Log(); !slices.Equal(got, want) {
		t.Errorf("was asked for\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := strings.Join(strings.Fields(r.Text(b.ID+"/schemata")), " "); got != "L3:0=7f0;1=3 MB:0=30;1=70" {
		t.Errorf("schemata: %s", got)
	}
	cortenRdt(r, b, "exec", b.ID, "true").OK(b)
	if log := r.Log(); len(log) != len(want)+2 || !strings.HasPrefix(log[len(want)], "write "+b.ID+"/tasks ") {
		t.Errorf("exec asked for %v", log[len(want):])
	}
	cortenRdt(r, b, "delete", "--force", b.ID).OK(b)
	if left := r.Groups(); left != nil {
		t.Errorf("left: %v", left)
	}
}

// spec: linux.intelRdt.closID, linux.intelRdt.schemata, linux.intelRdt.l3CacheSchema, linux.intelRdt.memBwSchema
func TestAGroupWithAClosIDIsMadeJoinedAndKept(t *testing.T) {
	for name, c := range map[string]struct {
		rdt      specs.LinuxIntelRdt
		schemata string // of gold, after
		tasks    string // file that has the pid
		log      string // what is done first
	}{
		"new with schemata": {specs.LinuxIntelRdt{ClosID: "new", Schemata: []string{"L3:0=3"}}, "L3:0=7ff;1=7ff MB:0=50;1=100", "new/tasks", "mkdir new"},
		"new with l3":       {specs.LinuxIntelRdt{ClosID: "new", L3CacheSchema: "L3:0=3;1=3"}, "L3:0=7ff;1=7ff MB:0=50;1=100", "new/tasks", "mkdir new"},
		"new with mb":       {specs.LinuxIntelRdt{ClosID: "new", MemBwSchema: "MB:0=10"}, "L3:0=7ff;1=7ff MB:0=50;1=100", "new/tasks", "mkdir new"},
		"as configured":     {specs.LinuxIntelRdt{ClosID: "gold"}, "L3:0=7ff;1=7ff MB:0=50;1=100", "gold/tasks", "write gold/tasks"},
		"the same schemas":  {specs.LinuxIntelRdt{ClosID: "gold", MemBwSchema: "MB:0=50", L3CacheSchema: "L3:0=7FF"}, "L3:0=7ff;1=7ff MB:0=50;1=100", "gold/tasks", "write gold/schemata"},
		"other schemata":    {specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"MB:0=60"}}, "L3:0=7ff;1=7ff MB:0=60;1=100", "gold/tasks", "write gold/schemata"},
		"the root":          {specs.LinuxIntelRdt{ClosID: "/"}, "L3:0=7ff;1=7ff MB:0=50;1=100", "tasks", "write tasks"},
		"monitored":         {specs.LinuxIntelRdt{ClosID: "gold", EnableMonitoring: true}, "L3:0=7ff;1=7ff MB:0=50;1=100", "gold/mon_groups/ID/tasks", "mkdir gold/mon_groups/ID"},
		"monitored root":    {specs.LinuxIntelRdt{ClosID: "/", EnableMonitoring: true}, "L3:0=7ff;1=7ff MB:0=50;1=100", "mon_groups/ID/tasks", "mkdir mon_groups/ID"},
	} {
		t.Run(name, func(t *testing.T) {
			r, b := rdt(t, c.rdt)
			gold(t, r)
			begun := len(r.Log())
			cortenRdt(r, b, "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
			in := func(s string) string { return strings.ReplaceAll(s, "ID", b.ID) }
			if got := r.Text(in(c.tasks)); got != fmt.Sprintln(b.State().PID) {
				t.Errorf("%s has %q", c.tasks, got)
			}
			if got := strings.Join(strings.Fields(r.Text("gold/schemata")), " "); got != c.schemata {
				t.Errorf("schemata: %s", got)
			}
			if log := r.Log()[begun:]; !strings.HasPrefix(log[0], in(c.log)) {
				t.Errorf("was asked for %v", log)
			}
			cortenRdt(r, b, "delete", "--force", b.ID).OK(b)
			want := "gold"
			if strings.HasPrefix(name, "new") {
				want = "gold new"
			}
			if left := strings.Join(r.Groups(), " "); left != want {
				t.Errorf("left: %s, want %s", left, want)
			}
		})
	}
}

// gold configures a group, as an administrator does.
func gold(t *testing.T, r *bundle.Resctrl) {
	t.Helper()
	out, err := exec.Command("sh", "-c", `cd "$0" && mkdir gold && echo "MB:0=50" >gold/schemata`, r.Mount).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestAFailureOfResctrlNamesItsFieldAndLeavesNoGroup(t *testing.T) {
	for name, c := range map[string]struct {
		rdt  specs.LinuxIntelRdt
		edit bundle.Edit
		want string
	}{
		"schemata":      {specs.LinuxIntelRdt{Schemata: []string{"MB:0=10", "L3:0=fff"}}, nil, "#/linux/intelRdt/schemata/1: write "},
		"l3":            {specs.LinuxIntelRdt{ClosID: "new", L3CacheSchema: "L3:7=1"}, nil, "#/linux/intelRdt/l3CacheSchema: write "},
		"memory":        {specs.LinuxIntelRdt{MemBwSchema: "MB:0=0"}, nil, "#/linux/intelRdt/memBwSchema: write "},
		"resource":      {specs.LinuxIntelRdt{Schemata: []string{"L9:0=1"}}, nil, "hint: Unknown or unsupported resource name 'L9'"},
		"not there":     {specs.LinuxIntelRdt{ClosID: "silver"}, nil, `#/linux/intelRdt/closID: resctrl has no group "silver"`},
		"l3 differs":    {specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=1"}, nil, "#/linux/intelRdt/l3CacheSchema: not what"},
		"mb differs":    {specs.LinuxIntelRdt{ClosID: "gold", MemBwSchema: "MB:0=51"}, nil, "#/linux/intelRdt/memBwSchema: not what"},
		"root differs":  {specs.LinuxIntelRdt{ClosID: "/", MemBwSchema: "MB:0=51"}, nil, "#/linux/intelRdt/memBwSchema: not what"},
		"later, own":    {specs.LinuxIntelRdt{EnableMonitoring: true}, bundle.Args("/no/such/program"), "no such file"},
		"later, kept":   {specs.LinuxIntelRdt{ClosID: "new", Schemata: []string{"L3:0=1"}, EnableMonitoring: true}, bundle.Args("/no/such/program"), "no such file"},
		"later, joined": {specs.LinuxIntelRdt{ClosID: "gold", EnableMonitoring: true}, bundle.Args("/no/such/program"), "no such file"},
		"no more":       {specs.LinuxIntelRdt{EnableMonitoring: true}, nil, "#/linux/intelRdt/closID: mkdir "},
		"no monitors":   {specs.LinuxIntelRdt{ClosID: "gold", EnableMonitoring: true}, nil, "#/linux/intelRdt/enableMonitoring: mkdir "},
	} {
		t.Run(name, func(t *testing.T) {
			if c.edit == nil {
				c.edit = func(*specs.Spec) {}
			}
			r, b := rdt(t, c.rdt, c.edit)
			gold(t, r)
			full := map[string]string{"no more": "1 2 3", "no monitors": "mon_groups/1 mon_groups/2 mon_groups/3 mon_groups/4"}[name]
			if out, err := exec.Command("sh", "-c", `cd "$0" && for d in $1; do mkdir $d; done`, r.Mount, full).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			before := r.Groups()
			if res := cortenRdt(r, b, "run", "--detach", "--bundle", b.Dir, b.ID); res.Status == 0 || !strings.Contains(res.Stderr, c.want) {
				t.Errorf("exit status %d: %s\nwant %s", res.Status, res.Stderr, c.want)
			}
			if after := r.Groups(); !slices.Equal(before, after) {
				t.Errorf("there were %v, are %v", before, after)
			}
		})
	}
}

func TestDeleteForceRemovesTheGroupsOfACreateThatWasKilled(t *testing.T) {
	for at, name := range []string{"mkdir new", "mkdir new/mon_groups/ID", "write new/schemata", "write new/tasks", "write new/mon_groups/ID/tasks"} {
		t.Run(name, func(t *testing.T) {
			r, b := rdt(t, specs.LinuxIntelRdt{ClosID: "new", Schemata: []string{"L3:0=1"}, EnableMonitoring: true})
			r.KillAt = at + 1
			cortenRdt(r, b, "create", "--bundle", b.Dir, b.ID)
			if log := r.Log(); len(log) != r.KillAt || !strings.HasPrefix(log[at], strings.ReplaceAll(name, "ID", b.ID)) {
				t.Errorf("create was killed after %q", log)
			}
			if groups := r.Groups(); groups == nil {
				t.Error("there is no group to remove")
			}
			cortenRdt(r, b, "delete", "--force", b.ID).OK(b)
			if groups := r.Groups(); groups != nil {
				t.Errorf("left: %v", groups)
			}
		})
	}
}

func TestIntelRdtWithoutResctrlSaysWhatIsMissing(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{} })
	if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/linux/intelRdt: no resctrl file system is mounted") {
		t.Errorf("exit status %d: %s", r.Status, r.Stderr)
	}
}
