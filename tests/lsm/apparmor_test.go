// SPDX-License-Identifier: Apache-2.0

package lsm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// show prints the profile of the payload and reads what it may and may not.
const show = "cat /proc/self/attr/current /open; cat /secret 2>&1; true"

// profile loads one that denies /secret and nothing else, in a mode of
// apparmor.d(5), for the time of the test.
func profile(t *testing.T, name, mode string) {
	t.Helper()
	if text, _ := os.ReadFile("/sys/module/apparmor/parameters/enabled"); !strings.HasPrefix(string(text), "Y") {
		t.Skip("AppArmor is not enabled on this machine")
	}
	if _, err := exec.LookPath("apparmor_parser"); err != nil {
		t.Skip("there is no apparmor_parser (Debian's package apparmor)")
	}
	file := filepath.Join(t.TempDir(), "profile")
	must(t, os.WriteFile(file, []byte("profile "+name+" flags=("+mode+",attach_disconnected,mediate_deleted) {\n"+
		"  file, capability, mount, umount, pivot_root, network, signal, ptrace, unix,\n  deny /secret r,\n}\n"), 0o600))
	parse := func(flag string) {
		if out, err := exec.Command("apparmor_parser", flag, "--skip-cache", file).CombinedOutput(); err != nil {
			t.Fatalf("apparmor_parser %s: %v\n%s", flag, err, out)
		}
	}
	parse("--replace")
	t.Cleanup(func() { parse("--remove") })
}

func confinedBy(name string) bundle.Edit {
	return func(s *specs.Spec) { s.Process.ApparmorProfile = name }
}

// spec: process.apparmorProfile
func TestTheProfileConfinesThePayload(t *testing.T) {
	profile(t, "corten-deny", "enforce")
	profile(t, "corten-watch", "complain")
	privileged := func(s *specs.Spec) { s.Process.NoNewPrivileges = false }
	const denied = "open\ncat: can't open '/secret': Permission denied\n"
	for _, c := range []struct {
		name, want string
		edits      []bundle.Edit
	}{
		{"none", "unconfined\nopen\nsecret\n", nil},
		{"unconfined", "unconfined\nopen\nsecret\n", []bundle.Edit{confinedBy("unconfined")}},
		{"enforced", "corten-deny (enforce)\n" + denied, []bundle.Edit{confinedBy("corten-deny")}},
		{"complaining", "corten-watch (complain)\n" + denied, // what is denied by name always is
			[]bundle.Edit{confinedBy("corten-watch")}},
		{"new privileges", "corten-deny (enforce)\n" + denied, []bundle.Edit{confinedBy("corten-deny"), privileged}},
		{"in a user namespace", "corten-deny (enforce)\n" + denied,
			[]bundle.Edit{confinedBy("corten-deny"), bundle.UserNamespace(100000)}},
		{"as a user", "corten-deny (enforce)\n" + denied,
			[]bundle.Edit{confinedBy("corten-deny"), func(s *specs.Spec) { s.Process.User.UID = 1000 }}},
		{"without /proc", "open\nsecret denied\n", []bundle.Edit{confinedBy("corten-deny"),
			bundle.WithoutMount("/proc"), func(s *specs.Spec) { s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil },
			bundle.Shell("cat /open; cat /secret 2>/dev/null || echo secret denied")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.New(t, append([]bundle.Edit{bundle.Shell(show)}, c.edits...)...)
			secrets(t, b)
			if out := b.RunOK(); out != c.want {
				t.Errorf("%q, want %q", out, c.want)
			}
		})
	}
}

// What cannot be seen does not count as disabled: securityfs may be hidden.
//
// spec: process.apparmorProfile
func TestTheProfileConfinesWithoutSecurityfs(t *testing.T) {
	profile(t, "corten-deny", "enforce")
	b := bundle.New(t, bundle.Shell(show), confinedBy("corten-deny"), bundle.UserNamespace(100000))
	secrets(t, b)
	hidden := []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs none /sys/kernel/security && exec "$@"`, "sh"}
	r := b.CortenWith(bundle.Options{Wrap: hidden}, "run", "--bundle", b.Dir, b.ID).OK(b)
	if !strings.HasPrefix(r.Stdout, "corten-deny (enforce)\n") {
		t.Errorf("%q", r.Stdout)
	}
}

// spec: process.apparmorProfile
func TestAnUnknownProfileIsAnErrorOfItsField(t *testing.T) {
	profile(t, "corten-deny", "enforce")
	for _, name := range []string{"corten-nobody", "unconfined_corten", "corten-deny//child", ":nowhere:corten-deny"} {
		t.Run(name, func(t *testing.T) {
			b := bundle.New(t, bundle.Shell("echo ran"), confinedBy(name))
			refused(t, b.Run(), "config.json#/process/apparmorProfile")
		})
	}
}

// spec: process.apparmorProfile
func TestExecIsConfinedByTheContainersProfileOrItsOwn(t *testing.T) {
	profile(t, "corten-deny", "enforce")
	profile(t, "corten-watch", "complain")
	b := bundle.New(t, bundle.Probe("pause"), confinedBy("corten-deny"))
	secrets(t, b)
	b.Detach()
	process := filepath.Join(b.Home, "process.json")
	must(t, os.WriteFile(process, []byte(`{"args":["cat","/proc/self/attr/current"],"cwd":"/","apparmorProfile":"corten-watch",`+
		`"env":["PATH=/bin"],"user":{"uid":0,"gid":0}}`), 0o600))
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"ID", "cat", "/proc/self/attr/current"}, "corten-deny (enforce)\n"},
		{[]string{"--apparmor", "corten-watch", "ID", "cat", "/proc/self/attr/current"}, "corten-watch (complain)\n"},
		{[]string{"--process", process, "ID"}, "corten-watch (complain)\n"},
	} {
		if out := b.Exec(c.words...).OK(b).Stdout; out != c.want {
			t.Errorf("%q: %q, want %q", c.words, out, c.want)
		}
	}
	if r := b.Exec("ID", "cat", "/secret"); r.Status == 0 {
		t.Errorf("exec read %q", r.Stdout)
	}
	if r := b.Exec("--apparmor", "corten-nobody", "ID", "echo", "ran"); r.Status == 0 || r.Stdout != "" || !strings.Contains(r.Stderr, "apparmor") {
		t.Errorf("exec with an unknown profile: status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
}

// What an image puts over /proc must not swallow the profile.
//
// spec: process.apparmorProfile
// cve: CVE-2019-16884, CVE-2025-52881
func TestNothingOverProcTakesTheProfileAway(t *testing.T) {
	profile(t, "corten-deny", "enforce")
	for _, c := range []struct{ name, target string }{
		{"attr", "/proc/self/attr"}, {"thread attr", "/proc/thread-self/attr"}, {"proc", "/proc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.New(t, bundle.Shell("cat /secret"), confinedBy("corten-deny"), bundle.Mount(c.target, "tmpfs", "tmpfs"))
			secrets(t, b)
			if r := b.Run(); r.Status == 0 || strings.Contains(r.Stdout, "secret") {
				t.Errorf("the payload is not confined: status %d, %q", r.Status, r.Stdout)
			}
		})
	}
}
