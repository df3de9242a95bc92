// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

func annotated(pairs ...string) bundle.Edit {
	return func(s *specs.Spec) {
		s.Annotations = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			s.Annotations[pairs[i]] = pairs[i+1]
		}
	}
}

// spec: annotations
func TestWhatHooksWriteGoesWhereTheAnnotationsSay(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.NewEmpty(t)
	out, errs := filepath.Join(b.Home, "hook.out"), filepath.Join(b.Home, "hook.err")
	hook := func(name string) []specs.Hook {
		return []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo " + name + "; echo wrong " + name + " >&2"}}}
	}
	spec := bundle.Base()
	spec.Process.Args = []string{"probe", "fds"}
	spec.Hooks = &specs.Hooks{CreateRuntime: hook("createRuntime"), CreateContainer: hook("createContainer"), StartContainer: hook("startContainer"),
		Poststart: hook("poststart"), Poststop: hook("poststop")}
	annotated("run.oci.hooks.stdout", out, "run.oci.hooks.stderr", errs)(spec)
	b.Write(spec)
	if fds := b.RunOK("--init"); strings.Contains(fds, "hook.") {
		t.Errorf("the payload has %s", fds)
	}
	const all = "createRuntime\ncreateContainer\nstartContainer\npoststart\npoststop\n"
	if got := b.Raw(out); got != all {
		t.Errorf("stdout %q", got)
	}
	if got, want := b.Raw(errs), "wrong "+strings.ReplaceAll(strings.TrimSpace(all), "\n", "\nwrong ")+"\n"; got != want {
		t.Errorf("stderr %q", got)
	}
	os.Remove(out)
	b.Create()
	b.Start()
	b.Corten("delete", "--force", b.ID).OK(b)
	if got := b.Raw(out); got != all {
		t.Errorf("of create and start: stdout %q", got)
	}
	os.Remove(errs)
	// The one without a file is in the error as ever, also when it is the other.
	annotated("run.oci.hooks.stderr", errs)(spec)
	for _, hooks := range []*specs.Hooks{{CreateRuntime: hook("x")}, {CreateContainer: hook("x")}} {
		for _, list := range [][]specs.Hook{hooks.CreateRuntime, hooks.CreateContainer} {
			for i := range list {
				list[i].Args[2] += "; exit 3"
			}
		}
		spec.Hooks = hooks
		b.Write(spec)
		refused(t, b.Run(), `exit status 3, output: "x"`)
	}
	if !strings.HasSuffix(b.Raw(errs), "wrong x\nwrong x\n") {
		t.Errorf("stderr %q", b.Raw(errs))
	}
	annotated("run.oci.hooks.stdout", "relative")(spec)
	b.Write(spec)
	refused(t, b.Run(), `#/annotations/run.oci.hooks.stdout: want an absolute path, got "relative"`)
	annotated("run.oci.hooks.stdout", b.Home+"/none/x")(spec)
	b.Write(spec)
	refused(t, b.Run(), `#/annotations/run.oci.hooks.stdout: open "`)
}

// The caller's groups stay when that is asked for, of create and of exec; they
// are dropped else.
//
// spec: process.user.additionalGids
func TestTheCallersGroupsAreKeptWhenAsked(t *testing.T) {
	bundle.NeedCorten(t)
	groups := bundle.Options{Wrap: []string{"setpriv", "--groups", "7,8"}}
	for value, want := range map[string]string{"1": "7 8", "0": "5"} {
		b := bundle.New(t, bundle.Probe("pause"), annotated("run.oci.keep_original_groups", value),
			func(s *specs.Spec) { s.Process.User.AdditionalGids = []uint32{5} })
		b.CortenWith(groups, "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
		status := bundle.Report{Files: map[string]string{"/proc/self/status": b.Raw(fmt.Sprintf("/proc/%d/status", b.State().PID))}}
		if got := status.Status("Groups"); got != want {
			t.Errorf("%s: groups %s, not %s", value, got, want)
		}
		if got := bundle.ParseReport(t, b.CortenWith(groups, "exec", b.ID, "probe").OK(b).Stdout).Status("Groups"); got != want {
			t.Errorf("%s: exec has groups %s, not %s", value, got, want)
		}
	}
	b := bundle.New(t, bundle.Probe(), bundle.UserNamespace(100000), annotated("run.oci.keep_original_groups", "1"))
	own100000(t, b)
	if got := bundle.ParseReport(t, b.CortenWith(groups, "run", "--bundle", b.Dir, b.ID).OK(b).Stdout).Status("Groups"); got != "65534 65534" {
		t.Errorf("in a user namespace: groups %s", got)
	}
	b = bundle.New(t, annotated("run.oci.keep_original_groups", "yes"))
	refused(t, b.Run(), `#/annotations/run.oci.keep_original_groups: want 0 or 1, got "yes"`)
}

// The payload is in a cgroup of its own below the one with the limits, which is
// the root of its cgroup namespace, and its root may make others there.
//
// spec: linux.resources.pids.limit
func TestTheDelegatedCgroupIsThePayloads(t *testing.T) {
	bundle.NeedCorten(t)
	view := bundle.V2
	if len(bundle.Views()) == 1 {
		if view = bundle.Host; bundle.CgroupDir("", "/") != "/sys/fs/cgroup" {
			t.Skip("this machine has no cgroup v2")
		}
	}
	for _, users := range []bool{false, true} {
		edits := []bundle.Edit{annotated("run.oci.delegate-cgroup", "own"), bundle.Namespace(specs.CgroupNamespace, ""), cgroupMount("cgroup", "rw"),
			bundle.Shell("cat /proc/self/cgroup; cd /sys/fs/cgroup/own && mkdir sub && echo $$ >sub/cgroup.procs && cat /proc/self/cgroup; sleep 100; true")}
		if users {
			edits = append(edits, bundle.UserNamespace(100000))
		}
		b := bundle.New(t, edits...)
		b.View = view
		if users {
			own100000(t, b)
		}
		p := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
		p.WaitFor("0::/own/sub\n")
		if !strings.Contains(p.Stdout(), "0::/own\n") {
			t.Errorf("%v: printed %q", users, p.Stdout())
		}
		host := ""
		for line := range strings.Lines(b.Text(fmt.Sprintf("/proc/%d/cgroup", b.State().PID))) {
			if rest, found := strings.CutPrefix(line, "0::"); found {
				host = bundle.CgroupDir("", strings.TrimSpace(rest))
			}
		}
		if !strings.HasSuffix(host, b.ID+"/own/sub") {
			t.Errorf("%v: it is in %s", users, host)
		}
		if out := b.Exec("ID", "cat", "/proc/self/cgroup").OK(b).Stdout; !strings.Contains(out, "0::/\n") {
			t.Errorf("%v: exec is in %s", users, out)
		}
		b.Corten("delete", "--force", b.ID).OK(b)
		p.Wait()
		if _, err := os.Stat(filepath.Dir(host)); err == nil {
			t.Errorf("%v: %s is left", users, host)
		}
	}
	for _, name := range []string{"..", ".", "a/b", "/a", "../x", "a\nb"} {
		b := bundle.New(t, bundle.Args("true"), annotated("run.oci.delegate-cgroup", name))
		b.View = view
		refused(t, b.Run(), "#/annotations/run.oci.delegate-cgroup: want a single name")
	}
	if view == bundle.V2 {
		b := bundle.New(t, bundle.Args("true"), annotated("run.oci.delegate-cgroup", "own"))
		refused(t, b.Run(), "#/annotations/run.oci.delegate-cgroup: only cgroup v2 can be delegated")
	}
}
