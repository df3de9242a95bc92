// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"errors"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// box is a config with nothing but what every container has.
func box(mounts ...specs.Mount) *specs.Spec {
	return &specs.Spec{Root: &specs.Root{Path: "rootfs"}, Mounts: mounts, Linux: &specs.Linux{}}
}

var (
	proc  = specs.Mount{Destination: "/proc", Type: "proc", Source: "proc"}
	sys   = specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs"}
	dev   = specs.Mount{Destination: "/dev", Type: "tmpfs", Source: "tmpfs"}
	pts   = specs.Mount{Destination: "/dev/pts", Type: "devpts", Source: "devpts"}
	group = specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup"}
)

// built is a plan with the part that made each step.
type built struct {
	*plan.Plan
	parts []string
}

// build calls the compiler's methods in the order of libcontainer.Compile.
func build(spec *specs.Spec, facts Facts) (*built, error) {
	b := plan.NewBuilder()
	facts.Bundle = "/bundle"
	r, err := New(b, spec, facts)
	if err != nil {
		return nil, err
	}
	socket, terminal := plan.None, spec.Process != nil && spec.Process.Terminal
	if terminal {
		socket = b.Input(plan.Input{Kind: plan.KindConsole})
	}
	out := &built{Plan: &b.Plan}
	part := func(name string, f func()) {
		f()
		for len(out.parts) < len(b.Steps) {
			out.parts = append(out.parts, name)
		}
	}
	part("attach", r.Attach)
	part("mounts", func() { err = r.Mounts() })
	if err != nil {
		return nil, err
	}
	part("devices", r.Devices)
	if terminal {
		part("console", func() {
			peer := Terminal(b, r.Slot(), nil, socket)
			r.Console(peer)
			b.Done(plan.At("/process/terminal"), peer)
		})
	}
	part("readonly", r.Readonly)
	part("masked", r.Masked)
	part("pivot", r.Pivot)
	return out, nil
}

func mustBuild(t *testing.T, spec *specs.Spec, facts Facts) *built {
	t.Helper()
	p, err := build(spec, facts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// calls are the steps of a part, "" for all, as text.
func (p *built) calls(part string) (list []string) {
	for i := range p.Steps {
		if part == "" || p.parts[i] == part {
			call := p.Steps[i].Call()
			if c := p.Steps[i].Condition(); c != "" {
				call += " (" + c + ")"
			}
			list = append(list, call)
		}
	}
	return list
}

// index is the first call from position from on that begins with prefix, or -1.
func index(calls []string, from int, prefix string) int {
	for i := from; i < len(calls); i++ {
		if strings.HasPrefix(calls[i], prefix) {
			return i
		}
	}
	return -1
}

func count(calls []string, prefix string) (n int) {
	for _, c := range calls {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// wantError wants a *plan.Error at the pointer with the text.
func wantError(t *testing.T, err error, at, text string) {
	t.Helper()
	var e *plan.Error
	if !errors.As(err, &e) || e.At.String() != at || !strings.Contains(e.Err.Error(), text) {
		t.Errorf("got %v, want %q at %s", err, text, at)
	}
}

func TestNothingPropagatesToTheHostBeforeTheFirstMount(t *testing.T) {
	for _, masks := range [][]string{nil, {"/proc/kcore"}} {
		spec := box(proc)
		spec.Linux.MaskedPaths = masks
		calls := mustBuild(t, spec, Facts{}).calls("attach")
		if calls[0] != `mount "/" MS_REC|MS_SLAVE` {
			t.Errorf("first call: %s", calls[0])
		}
		private := index(calls, 0, "mount_setattr s0 AT_EMPTY_PATH|AT_RECURSIVE propagation MS_SLAVE")
		if attach := index(calls, 0, "move_mount s0 "); private < 0 || attach < private {
			t.Errorf("the root is attached at %d, made slave at %d", attach, private)
		}
	}
}

func TestSourcesAreInputsBelowTheBundleUnlessAbsolute(t *testing.T) {
	spec := box(proc,
		specs.Mount{Destination: "/a", Source: "data/../hosts", Type: "bind"},
		specs.Mount{Destination: "/b", Source: "/srv//x/.", Options: []string{"rbind"}})
	p := mustBuild(t, spec, Facts{})
	want := []plan.Input{
		{Kind: plan.KindTree, Path: "/bundle/rootfs", Tree: true, At: plan.At("/root/path")},
		{Kind: plan.KindTree, Path: "/bundle/hosts", At: plan.At("/mounts/1/source")},
		{Kind: plan.KindTree, Path: "/srv/x", Tree: true, At: plan.At("/mounts/2/source")},
	}
	if len(p.Inputs) != len(want) {
		t.Fatalf("%d inputs", len(p.Inputs))
	}
	for i, w := range want {
		if g := p.Inputs[i]; g.Kind != w.Kind || g.Path != w.Path || g.Tree != w.Tree || g.At.String() != w.At.String() {
			t.Errorf("input %d: %+v", i, g)
		}
	}
}

func TestPivotUnmountsOnce(t *testing.T) {
	for _, masks := range [][]string{nil, {"/proc/kcore"}} {
		spec := box(proc)
		spec.Linux.MaskedPaths = masks
		calls := mustBuild(t, spec, Facts{}).calls("pivot")
		if want := []string{"fchdir s0", "pivot_root", `umount2 "." MNT_DETACH`, `chdir "/"`}; !slices.Equal(calls, want) {
			t.Errorf("masks %v: %q", masks, calls)
		}
	}
}

func TestWithoutPivotTheHostsProcAndSysGoFirst(t *testing.T) {
	spec := box(proc)
	spec.Linux.MaskedPaths = []string{"/proc/kcore"}
	calls := mustBuild(t, spec, Facts{NoPivot: true}).calls("pivot")
	const soft = " MNT_DETACH (may fail with ENOENT, EPERM, EINVAL)"
	want := []string{"fchdir s0", `umount2 "/proc"` + soft, `umount2 "/sys"` + soft, `chroot "."`, `chdir "/"`}
	if !slices.Equal(calls, want) {
		t.Errorf("%q", calls)
	}
}

func TestPropagationOfTheRootChangesAfterThePivot(t *testing.T) {
	for name, flags := range map[string]string{"shared": "MS_SHARED", "rslave": "MS_REC|MS_SLAVE", "rprivate": "MS_REC|MS_PRIVATE", "unbindable": "MS_UNBINDABLE"} {
		spec := box()
		spec.Linux.RootfsPropagation = name
		calls := mustBuild(t, spec, Facts{}).calls("")
		change := index(calls, 1, `mount "/" `)
		if change < index(calls, 0, `chdir "/"`) || calls[change] != `mount "/" `+flags {
			t.Errorf("%s: step %d of %q", name, change, calls)
		}
	}
}

func TestAReadOnlyRootIsTheVeryLast(t *testing.T) {
	spec := box(dev)
	spec.Root.Readonly = true
	calls := mustBuild(t, spec, Facts{}).calls("")
	if last := calls[len(calls)-1]; last != "mount_setattr s0 AT_EMPTY_PATH set RDONLY" {
		t.Errorf("last call: %s", last)
	}
}

func TestReadOnlyTmpfsAndDevTurnReadOnlyAfterThePivot(t *testing.T) {
	ro := []string{"nosuid", "ro"}
	for name, m := range map[string]specs.Mount{
		"tmpfs":        {Destination: "/scratch", Type: "tmpfs", Options: ro},
		"dev":          {Destination: "/dev", Type: "devtmpfs", Options: ro},
		"dev as bind":  {Destination: "/dev", Type: "bind", Source: "/srv/dev", Options: ro},
		"dev as tmpfs": {Destination: "/dev/", Type: "tmpfs", Options: ro},
	} {
		p := mustBuild(t, box(m), Facts{})
		if strings.Contains(strings.Join(p.calls("mounts"), "\n"), "RDONLY") {
			t.Errorf("%s: read-only as soon as it is mounted", name)
		}
		last := p.Steps[len(p.Steps)-1]
		if last.Op != plan.OpMountSetattr || last.Args[2] != uint64(1) || last.Args[0].(plan.Slot) == 0 {
			t.Errorf("%s: last step is %s", name, last.Call())
		}
	}
	p := mustBuild(t, box(specs.Mount{Destination: "/data", Type: "ext4", Source: "/dev/sda1", Options: ro}), Facts{})
	calls := p.calls("mounts")
	flag := index(calls, 0, `fsconfig s1 SET_FLAG "ro"`)
	if create := index(calls, 0, "fsconfig s1 CREATE"); flag < 0 || create < flag || index(calls, 0, "fsmount s1 RDONLY|NOSUID") < 0 {
		t.Errorf("a disk is mounted read-only at once: %q", calls)
	}
}
