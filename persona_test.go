// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// called is a command of corten under another name, and without --root.
func called(t *testing.T, name string, words ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := corten(t)
	cmd.Args = append([]string{filepath.Join("/usr/bin", name)}, words...)
	return outcome(t, cmd)
}

// What engines parse of --version, by the rules of features.md §2.1 and §2.2.
func TestVersionIsThatOfTheName(t *testing.T) {
	for name, want := range map[string]string{
		"corten":   `^corten version \S+\n(commit: \S+\n)?spec: 1\.3\.0\ngo: go\S+\n`,
		"runc":     `^runc version 1\.5\.0\+corten\.\S+\n(commit: \S+\n)?spec: 1\.3\.0\ngo: go\S+\n`,
		"crun":     `^crun version 1\.29\+corten\.\S+\n(commit: \S+\n)?rundir: /run/crun\nspec: 1\.0\.0\n\+SYSTEMD .*\+SECCOMP.*\n$`,
		"corten-2": `^corten version \S+\n`,
	} {
		stdout, stderr, status := called(t, name, "--version")
		if !regexp.MustCompile(want).MatchString(stdout) || stderr != "" || status != 0 {
			t.Errorf("%s --version: status %d, %q, %q", name, status, stdout, stderr)
		}
	}
	if stdout, _, status := called(t, "crun", "-V"); status != 0 || !strings.HasPrefix(stdout, "crun version ") {
		t.Errorf("crun -V: status %d, %q", status, stdout)
	}
}

func TestFeaturesAreThoseOfTheName(t *testing.T) {
	for name, want := range map[string]string{"runc": "org.opencontainers.runc.version", "crun": "run.oci.crun.version", "corten": "corten.version"} {
		stdout, stderr, status := called(t, name, "features")
		var f struct{ Annotations map[string]string }
		if err := json.Unmarshal([]byte(stdout), &f); err != nil || stderr != "" || status != 0 || f.Annotations[want] == "" || f.Annotations["corten.version"] == "" {
			t.Errorf("%s features: %v, status %d, %q, %q", name, err, status, stderr, f.Annotations)
		}
	}
}

// A failure has the form on stderr that callers of the program read.
func TestFailuresAreThoseOfTheName(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	for name, want := range map[string]string{
		"corten": `^corten: container does not exist\n$`,
		"runc":   `^time="[^"]+" level=error msg="container does not exist" code="container_not_exist"\n$`,
		"crun":   `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z: container does not exist\n$`,
	} {
		root := filepath.Join(t.TempDir(), "root")
		_, stderr, status := called(t, name, "--root", root, "state", "nosuch")
		if !regexp.MustCompile(want).MatchString(stderr) || status != 1 {
			t.Errorf("%s: status %d, %q", name, status, stderr)
		}
		os.Remove(log)
		_, stderr, _ = called(t, name, "--root", root, "--log", log, "--log-format", "json", "state", "nosuch")
		text, _ := os.ReadFile(log)
		var entry struct{ Level, Msg string }
		if err := json.Unmarshal(text, &entry); err != nil || entry.Level != "error" || entry.Msg != "container does not exist" {
			t.Errorf("%s: log %q", name, text)
		}
		if stderr != "container does not exist\n" && stderr != "corten: container does not exist\n" || (name == "corten") != strings.HasPrefix(stderr, "corten: ") {
			t.Errorf("%s: with a log, stderr %q", name, stderr)
		}
	}
}

// Each name has a root of its own, under /run or the user's directory.
func TestRootIsThatOfTheName(t *testing.T) {
	defer func() { self = &personas[0] }()
	t.Setenv("XDG_RUNTIME_DIR", "")
	for name, want := range map[string]string{"runc": "/run/runc", "/usr/local/sbin/crun": "/run/crun"} {
		if take(name); defaultRoot() != want {
			t.Errorf("%s: %s", name, defaultRoot())
		}
	}
}

// In a root that another runtime has used before, its containers are left alone.
func TestContainersOfOthersAreLeftAlone(t *testing.T) {
	for file, text := range map[string]string{
		"state.json": `{"id":"theirs","init_process_pid":1,"init_process_start":1,"created":"2026-01-01T00:00:00Z","config":{"version":"1.2.0"}}`, // runc's
		"status":     `{"pid":1,"cgroup-path":"/x","rootfs":"/","bundle":"/"}`,                                                                    // crun's
	} {
		root := filepath.Join(t.TempDir(), "root")
		dir := filepath.Join(root, "theirs")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, words := range []string{"delete --force theirs", "delete theirs", "kill theirs KILL", "start theirs", "pause theirs", "exec theirs true"} {
			if _, _, status := called(t, "runc", append([]string{"--root", root}, strings.Fields(words)...)...); status == 0 {
				t.Errorf("%s of a container with %s goes well", words, file)
			}
		}
		if stdout, stderr, status := called(t, "runc", "--root", root, "list", "-q"); stdout != "" || status != 0 {
			t.Errorf("list: status %d, %q, %q", status, stdout, stderr)
		}
		if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != text {
			t.Errorf("%s: %v, %q", file, err, got)
		}
	}
}
