// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// pretend runs the rest of a command line where AppArmor, or SELinux, seems to
// be enabled. It is not, so what is written to attr fails unless strace says it
// did not.
func pretend(field string) []string {
	script := `mount -t tmpfs none /sys/module && mkdir -p /sys/module/apparmor/parameters && echo Y >/sys/module/apparmor/parameters/enabled`
	if field == "selinuxLabel" {
		script = `mount -t tmpfs none /sys/module && sed '$a nodev\tselinuxfs' /proc/filesystems >/sys/module/filesystems &&
			mount --bind /sys/module/filesystems /proc/filesystems`
	}
	return []string{"unshare", "-m", "sh", "-c", script + ` && exec "$@"`, "sh"}
}

// needsNoLabels skips where one of the two is enabled, and does not fail.
func needsNoLabels(t *testing.T) {
	t.Helper()
	if text, _ := os.ReadFile("/sys/module/apparmor/parameters/enabled"); strings.HasPrefix(string(text), "Y") {
		t.Skip("AppArmor is enabled on this host")
	}
	if text, _ := os.ReadFile("/proc/filesystems"); strings.Contains(string(text), "selinuxfs") {
		t.Skip("SELinux is enabled on this host")
	}
}

// mapped is a user namespace, without the sysfs of which pretend covers a part.
var mapped = []bundle.Edit{bundle.UserNamespace(100000), bundle.WithoutMount("/sys", "/sys/fs/cgroup")}

const label = "system_u:system_r:container_t:s0:c1,c2"

// asked are the two labels, the file each is written to, what is written, and
// what the kernel shows then.
var asked = []struct {
	field              string
	edit               bundle.Edit
	file, write, shown string
}{
	{"apparmorProfile", func(s *specs.Spec) { s.Process.ApparmorProfile = "docker-default" },
		"exec", "exec docker-default", "docker-default (enforce)\n"},
	{"selinuxLabel", func(s *specs.Spec) { s.Process.SelinuxLabel = label }, "exec", label, label + "\x00"},
}

// A label goes to the payload's own attr, in a procfs that is attached nowhere,
// or the container does not start: not where the write fails, nor where the
// label is not shown afterwards, nor where another one is.
//
// cve: CVE-2019-16884, CVE-2025-52881, CVE-2025-62596
func TestCVE_2019_16884_ALabelIsInForceOrThereIsNoContainer(t *testing.T) {
	needsNoLabels(t)
	bundle.NeedStrace(t)
	for _, a := range asked {
		ok := fmt.Sprintf("write:retval=%d", len(a.write))
		for name, c := range map[string]struct {
			inject []string
			fails  string // "": starts
		}{
			"nothing pretended": {nil, "write "},
			"not shown":         {[]string{ok}, "check_label "},
			"nothing shown":     {[]string{ok, "pread64:retval=0"}, "check_label "},
			"another shown":     {[]string{ok, shows("other" + a.shown)}, "check_label "},
			"a longer shown":    {[]string{ok, shows(a.shown[:9] + "x" + a.shown[9:])}, "check_label "},
			"a shorter shown":   {[]string{ok, shows(a.shown[:9])}, "check_label "},
			"shown":             {[]string{ok, shows(a.shown)}, ""},
		} {
			t.Run(a.field+" "+name, func(t *testing.T) {
				b := bundle.New(t, bundle.Shell("echo ran"), a.edit)
				r, trace := straced(t, b, a.field, []string{"/1/task/1/attr/exec", "/1/task/1/attr/keycreate"}, c.inject, "run", "--bundle", b.Dir, b.ID)
				if c.fails == "" && (r.Status != 0 || r.Stdout != "ran\n") {
					t.Errorf("status %d, %q, %s", r.Status, r.Stdout, r.Stderr)
				}
				if c.fails != "" && (r.Status == 0 || r.Stdout != "" || !strings.Contains(r.Stderr, "config.json#/process/"+a.field+": "+c.fails)) {
					t.Errorf("status %d, %q, %s", r.Status, r.Stdout, r.Stderr)
				}
				if n := strings.Count(trace, `"`+a.write+`"`); c.fails == "" && a.field == "selinuxLabel" && n < 2 {
					t.Errorf("the session keyring got no label:\n%s", trace)
				}
				if !strings.Contains(trace, `"`+a.write+`"`) || !strings.Contains(trace, "f_type=PROC_SUPER_MAGIC") {
					t.Errorf("%s", trace)
				}
			})
		}
	}
}

// shows makes reads return text.
func shows(text string) string {
	return fmt.Sprintf("pread64:retval=%d:poke_exit=@arg2=%s", len(text), hex.EncodeToString([]byte(text)))
}

// straced runs the runtime where the field seems to be of use, under strace; paths
// are those whose calls are traced and tampered with, none: all calls named.
func straced(t *testing.T, b *bundle.Bundle, field string, paths, inject []string, args ...string) (bundle.Result, string) {
	t.Helper()
	out := filepath.Join(b.Home, "trace")
	words := append(pretend(field), "strace", "-f", "-yy", "-s", "200", "-o", out)
	if paths == nil {
		words = append(words, "-e", "trace=openat2,fsopen,fsconfig,fsmount,move_mount,write,pread64,prctl,setns,clone,keyctl,execve")
	}
	for _, p := range paths {
		words = append(words, "-P", p)
	}
	for _, i := range inject {
		words = append(words, "-e", "inject="+i)
	}
	r := b.CortenWith(bundle.Options{Wrap: words}, args...)
	return r, b.Text(out)
}

// The procfs hides all processes but the caller's, is never attached, and the
// label is written before no_new_privs, which restricts it: what image or
// container have put on /proc does not matter.
//
// cve: CVE-2019-16884, CVE-2025-52881, CVE-2015-1334
func TestCVE_2015_1334_LabelsAreWrittenThroughAProcfsOfTheirOwn(t *testing.T) {
	needsNoLabels(t)
	bundle.NeedStrace(t)
	for _, a := range asked {
		for _, userNS := range []bool{false, true} {
			edits := []bundle.Edit{bundle.Probe("pause"), a.edit}
			if userNS {
				if a.field == "selinuxLabel" {
					continue // what pretends it covers a part of /proc: no user namespace mounts another
				}
				edits = append(edits, mapped...)
			}
			b := bundle.New(t, edits...)
			r, trace := straced(t, b, a.field, nil, nil, "run", "--bundle", b.Dir, b.ID)
			followed(t, r, trace, a.field, a.write)
		}
		b := bundle.New(t, bundle.Probe("pause"))
		b.Detach()
		flag := map[string]string{"apparmorProfile": "--apparmor", "selinuxLabel": "--process-label"}[a.field]
		value := strings.TrimPrefix(a.write, "exec ")
		r, trace := straced(t, b, a.field, nil, nil, "exec", flag, value, b.ID, "probe")
		followed(t, r, trace, a.field, a.write)
		if strings.Contains(trace, "setns(") {
			t.Error("exec joins the container before its label is set")
		}
	}
}

// followed checks the trace of a start that fails at the first write of a label.
func followed(t *testing.T, r bundle.Result, trace, field, write string) {
	t.Helper()
	if r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/process/"+field+": write ") {
		t.Errorf("status %d, %s", r.Status, r.Stderr)
	}
	rest := trace
	for _, call := range []string{`fsopen("proc"`, `FSCONFIG_SET_STRING, "subset", "pid"`, `FSCONFIG_SET_STRING, "hidepid", "ptraceable"`,
		"fsmount(", `"thread-self/attr/`, "RESOLVE_BENEATH", `write(`, `"` + write + `"`} {
		_, after, found := strings.Cut(rest, call)
		if !found {
			t.Fatalf("no %s in its place:\n%s", call, trace)
		}
		rest = after
	}
	for line := range strings.Lines(trace) {
		if strings.Contains(line, "write(") && strings.Contains(line, `"`+write+`"`) && (strings.Contains(line, "</proc/") || !strings.Contains(line, "/attr/")) {
			t.Errorf("not written to a procfs that is attached nowhere: %s", line)
		}
		if strings.Contains(line, "PR_SET_NO_NEW_PRIVS") {
			t.Errorf("too early: %s", line)
		}
	}
}

// What is asked for and not there is no reason to go without: neither in a user
// namespace, nor where securityfs is hidden. Only one word means "unconfined".
//
// cve: crun#2063, crun#2165
func TestCRUN_2063_ALabelThatCannotBeGivenIsAnError(t *testing.T) {
	needsNoLabels(t)
	hidden := []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs none /sys/kernel && exec "$@"`, "sh"}
	for _, profile := range []string{"docker-default", "unconfined_foo", "unconfined//x", "Unconfined", "unconfined "} {
		for _, userNS := range []bool{false, true} {
			for how, wrap := range map[string][]string{"as it is": nil, "securityfs hidden": hidden, "enabled": pretend("apparmorProfile")} {
				edits := []bundle.Edit{bundle.Shell("echo ran"), func(s *specs.Spec) { s.Process.ApparmorProfile = profile }}
				if userNS {
					edits = append(edits, mapped...)
				}
				b := bundle.New(t, edits...)
				r := b.CortenWith(bundle.Options{Wrap: wrap}, "run", "--bundle", b.Dir, b.ID)
				if r.Status == 0 || r.Stdout != "" || !strings.Contains(r.Stderr, "config.json#/process/apparmorProfile: ") {
					t.Errorf("%q, %s, user namespace %v: status %d, %s", profile, how, userNS, r.Status, r.Stderr)
				}
			}
		}
	}
	for _, profile := range []string{"", "unconfined"} {
		b := bundle.New(t, bundle.Shell("echo ran"), func(s *specs.Spec) { s.Process.ApparmorProfile = profile })
		if out := b.RunOK(); out != "ran\n" {
			t.Errorf("%q: %q", profile, out)
		}
	}
}
