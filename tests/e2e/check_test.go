// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

type finding struct{ Pointer, Severity, Text, Hint string }

// checked runs check --json and wants the exit status that belongs to what it finds.
func checked(t *testing.T, b *bundle.Bundle, flags ...string) []finding {
	t.Helper()
	r := b.Corten(append([]string{"check", "--json", "--bundle", b.Dir}, flags...)...)
	var all []finding
	if err := json.Unmarshal([]byte(r.Stdout), &all); err != nil || all == nil {
		t.Fatalf("%v: stdout %q, stderr %q", err, r.Stdout, r.Stderr)
	}
	want := 0
	if slices.ContainsFunc(all, func(f finding) bool { return f.Severity == "error" }) {
		want = 1
	}
	if r.Status != want {
		t.Errorf("exit status %d with %v", r.Status, all)
	}
	if _, err := os.Stat(b.Root); err == nil {
		t.Errorf("%s was made", b.Root)
	}
	return all
}

// errorsAt are the pointers of the errors.
func errorsAt(all []finding) (at []string) {
	for _, f := range all {
		if f.Severity == "error" {
			at = append(at, f.Pointer)
		}
	}
	return at
}

// clashes are those that hide others when they are all in one document.
var clashes = []string{"args is a string", "args has a number", "cwd is empty", "cwd has NUL", "uid is 2^32-1", "uid is 2^32",
	"uid is a fraction", "no root", "root is a file", "hostname too long", "mounts is an object", "hostname without uts",
	"soft above hard", "namespace twice", "rlimit twice", "unknown rlimit", "namespace path of another kind", "sysctl with dots", "sysctl with slashes",
	"unknown seccomp operator", "unknown seccomp architecture", "device with a relative path", "swap below the limit", "device rule with unknown access"}

func TestCheckFindsTheFaultOfABrokenConfiguration(t *testing.T) {
	bundle.NeedCorten(t)
	for _, c := range brokenConfigurations {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.NewEmpty(t)
			b.WriteText(c.text(t))
			if at := errorsAt(checked(t, b)); !slices.Equal(at, []string{c.at}) {
				t.Errorf("errors at %q, want %s", at, c.at)
			}
		})
	}
}

func TestCheckFindsAllFaultsAtOnce(t *testing.T) {
	bundle.NeedCorten(t)
	text, err := json.Marshal(bundle.Base())
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	var want []string
	mount := 7
	for _, c := range brokenConfigurations {
		if slices.Contains(clashes, c.name) {
			continue
		}
		where, at := c.put, c.at
		if where == "" {
			where = at
		}
		if where == "/mounts/-" {
			at = strings.Replace(at, "/7/", "/"+string(rune('0'+mount%10))+"/", 1)
			if mount > 9 {
				at = strings.Replace(at, "/mounts/", "/mounts/1", 1)
			}
			mount++
		}
		document = put(t, document, where, json.RawMessage(c.set))
		want = append(want, at)
	}
	if text, err = json.Marshal(document); err != nil {
		t.Fatal(err)
	}
	b := bundle.NewEmpty(t)
	b.WriteText(text)
	got := errorsAt(checked(t, b))
	for _, at := range want {
		if !slices.Contains(got, at) {
			t.Errorf("nothing found at %s", at)
		}
	}
	for _, at := range got {
		if !slices.Contains(want, at) {
			t.Errorf("%s found in addition", at)
		}
	}
	if len(want) < 30 {
		t.Errorf("only %d faults", len(want))
	}
}

// What only the executor meets: each is found by check, where and as create says it.
func TestCheckSaysWhatCreateSays(t *testing.T) {
	bundle.NeedCorten(t)
	for name, edits := range map[string][]bundle.Edit{
		"no such program":         {bundle.Args("nosuch")},
		"program is a directory":  {bundle.Args("/bin")},
		"cwd is a file":           {bundle.Args("true"), func(s *specs.Spec) { s.Process.Cwd = "/bin/sh" }},
		"bind of a file on a dir": {bundle.Args("true"), bundle.Mount("/proc", "proc", "proc"), bundle.Mount("/bin", "bind", "/etc/passwd", "bind")},
		"remount of nothing":      {bundle.Args("true"), bundle.Mount("/nosuch", "", "", "remount", "ro")},
		"no such sysctl": {bundle.Args("true"), func(s *specs.Spec) {
			s.Linux.Sysctl = map[string]string{"net.ipv4.nosuch": "1"}
		}},
		"value no sysctl takes": {bundle.Args("true"), func(s *specs.Spec) {
			s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "many"}
		}},
		"cpus the host has not": {bundle.Args("true"), func(s *specs.Spec) {
			s.Linux.Resources = &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "5000"}}
		}},
		"no AppArmor profile": {bundle.Args("true"), func(s *specs.Spec) { s.Process.ApparmorProfile = "corten-nosuch" }},
		"no such hook":        {bundle.Args("true"), func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststart: []specs.Hook{{Path: "/nosuch"}}} }},
		"affinity of no CPU": {bundle.Args("true"), func(s *specs.Spec) {
			s.Process.Scheduler = &specs.Scheduler{Policy: "SCHED_DEADLINE", Runtime: 2000, Deadline: 2000, Period: 2000}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := bundle.New(t, edits...)
			all := checked(t, b)
			r := b.Corten("create", "--bundle", b.Dir, b.ID)
			if r.Status == 0 {
				t.Skip("this machine can")
			}
			line, _, _ := strings.Cut(strings.TrimPrefix(r.Stderr, "corten: config.json#"), "\n")
			if i := strings.Index(line, " [step "); i > 0 {
				line = line[:i]
			}
			if len(errorsAt(all)) != 1 {
				t.Fatalf("check: %v\ncreate: %s", all, line)
			}
			if said := all[0].Pointer + ": " + all[0].Text; said != line && name != "cpus the host has not" {
				t.Errorf("check: %s\ncreate: %s", said, line)
			}
		})
	}
}

func TestCheckWarnsOfWhatIsTakenButNotMeant(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) {
		s.Version = "1.99.0"
		s.Hooks = &specs.Hooks{Prestart: []specs.Hook{{Path: "/bin/true"}}} //nolint:staticcheck // it is what is warned of
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "here", Type: "tmpfs", Source: "tmpfs"})
		s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding, "CAP_FLY")
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"read", "time_travel"}, Action: specs.ActErrno}}}
	})
	all := checked(t, b)
	for _, at := range []string{"/ociVersion", "/hooks/prestart", "/mounts/7/destination", "/linux/seccomp/syscalls/0/names/1"} {
		if !slices.ContainsFunc(all, func(f finding) bool { return f.Pointer == at && f.Severity == "warning" }) {
			t.Errorf("no warning at %s: %v", at, all)
		}
	}
	if at := errorsAt(all); len(at) > 0 {
		t.Errorf("errors at %q", at)
	}
}

// Mount points are missing, hooks wait to be run, a volume is shared with the
// host, and standard output is a file of another user.
func TestCheckChangesNothing(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Args("true"), bundle.Mount("/new/dir", "tmpfs", "tmpfs"), bundle.Mount("/new/file", "bind", "/etc/passwd", "bind"),
		func(s *specs.Spec) {
			s.Process.User.UID = 1000
			s.Process.Cwd = "/new/cwd"
			s.Linux.RootfsPropagation = "shared"
			s.Hooks = &specs.Hooks{}
		})
	volume := b.Volume("data", "file", "text\n")
	var spec specs.Spec
	if err := json.Unmarshal([]byte(b.Raw(filepath.Join(b.Dir, "config.json"))), &spec); err != nil {
		t.Fatal(err)
	}
	hook := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "echo ran >" + filepath.Join(b.Home, "ran")}}
	spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{hook}, CreateContainer: []specs.Hook{hook}, StartContainer: []specs.Hook{hook},
		Poststart: []specs.Hook{hook}, Poststop: []specs.Hook{hook}}
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/data", Type: "bind", Source: volume, Options: []string{"rbind", "rshared", "rw"}},
		specs.Mount{Destination: "/data/made", Type: "tmpfs", Source: "tmpfs"})
	b.Write(&spec)
	before := listing(t, b.Dir) + listing(t, volume)
	out, err := os.Create(filepath.Join(b.Home, "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if r := b.CortenWith(bundle.Options{Stdout: out}, "check", "--bundle", b.Dir, b.ID); r.Status != 0 {
		t.Errorf("exit status %d\n%s%s", r.Status, r.Stderr, b.Raw(out.Name()))
	}
	if after := listing(t, b.Dir) + listing(t, volume); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if owner := listing(t, out.Name()); !strings.Contains(owner, " 0 0 ") {
		t.Errorf("standard output was given away: %s", owner)
	}
	if _, err := os.Stat(filepath.Join(b.Home, "ran")); err == nil {
		t.Error("a hook was run")
	}
	if r := b.Corten("state", b.ID); r.Status == 0 {
		t.Error("there is a container")
	}
}

// Namespaces of another container are joined, looked at and left as they were.
func TestCheckLeavesJoinedNamespacesAlone(t *testing.T) {
	bundle.NeedCorten(t)
	pid := pod(t)
	edits := []bundle.Edit{bundle.Args("true"), bundle.Mount("/more", "tmpfs", "tmpfs"), func(s *specs.Spec) {
		s.Hostname, s.Domainname = "changed", "changed"
		s.Linux.Sysctl = map[string]string{"kernel.msgmax": "4321", "net.ipv4.ip_default_ttl": "7"}
	}}
	for _, kind := range []specs.LinuxNamespaceType{specs.UTSNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.MountNamespace, specs.PIDNamespace} {
		edits = append(edits, bundle.Namespace(kind, namespacePath(pid, kind)))
	}
	look := func() string {
		out, err := exec.Command("nsenter", "-t", strconv.Itoa(pid), "-u", "-n", "-i", "cat", "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname",
			"/proc/sys/kernel/msgmax", "/proc/sys/net/ipv4/ip_default_ttl", "/proc/"+strconv.Itoa(pid)+"/mountinfo").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	b := bundle.New(t, edits...)
	before := look()
	if all := checked(t, b); len(errorsAt(all)) > 0 {
		t.Errorf("%v", all)
	}
	if after := look(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// What fails after the gate, in start: check knows it as well.
func TestCheckKnowsWhatStartWillMeet(t *testing.T) {
	bundle.NeedCorten(t)
	for name, c := range map[string]struct {
		at, text string
		write    string // to /bin/program
		edit     bundle.Edit
	}{
		"CR LF":             {"/process/args/0", "ends in CR LF", "#!/bin/sh\r\ntrue\r\n", bundle.Args("program")},
		"no interpreter":    {"/process/args/0", "/bin/nosuch, is missing", "#!/bin/nosuch\n", bundle.Args("program")},
		"no #! line":        {"/process/args/0", "is a script without", "true\n", bundle.Args("/bin/program")},
		"startContainer":    {"/hooks/startContainer/0", "no such file or directory", "", hookAt("/bin/nosuch")},
		"startContainer #!": {"/hooks/startContainer/0", "is empty", "", hookAt("/bin/program")},
	} {
		t.Run(name, func(t *testing.T) {
			b := bundle.New(t, bundle.Args("true"), c.edit)
			if err := os.WriteFile(b.Rootfs("bin/program"), []byte(c.write), 0o755); err != nil {
				t.Fatal(err)
			}
			all := checked(t, b)
			if len(all) != 1 || all[0].Pointer != c.at || !strings.Contains(all[0].Text, c.text) {
				t.Errorf("%v", all)
			}
			if r := b.Run(); r.Status == 0 {
				t.Error("it runs")
			}
		})
	}
}

func hookAt(name string) bundle.Edit {
	return func(s *specs.Spec) { s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: name}}} }
}

// listing has files with all that stat(1) tells but the times of access.
func listing(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("find", dir, "-printf", "%P %y %m %U %G %s %T@ %C@ %n\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestCheckOfAUserNamesWhatIsMissing(t *testing.T) {
	b := rootless(t, bundle.Args("true"))
	if all := checked(t, b); len(errorsAt(all)) > 0 {
		t.Fatalf("%v", all)
	}
	if err := os.Chmod(b.Dir, 0o000); err != nil {
		t.Fatal(err)
	}
	r := b.Corten("check", "--bundle", b.Dir)
	if err := os.Chmod(b.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if r.Status != 1 || !strings.Contains(r.Stdout, "permission denied") {
		t.Errorf("exit status %d: %s", r.Status, r.Stdout)
	}
	limited := rootless(t, bundle.Args("true"), func(s *specs.Spec) {
		limit := int64(1 << 26)
		s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}
	})
	if at := errorsAt(checked(t, limited)); !slices.Contains(at, "/linux/cgroupsPath") {
		t.Errorf("errors at %q", at)
	}
}

func TestCheckTakesWhatEnginesWrite(t *testing.T) {
	bundle.NeedCorten(t)
	for _, engine := range []string{"podman", "containerd", "docker"} {
		t.Run(engine, func(t *testing.T) {
			b, _ := captured(t, engine)
			if all := checked(t, b); len(errorsAt(all)) > 0 {
				t.Errorf("%v", all)
			}
		})
	}
}
