// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test program is corten itself when asked.
func TestMain(m *testing.M) {
	if os.Getenv("CORTEN_MAIN") != "" {
		_ = os.Unsetenv("CORTEN_MAIN")
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// corten is a command of corten with a root of its own.
func corten(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"--root", filepath.Join(t.TempDir(), "root")}, args...)...)
	cmd.Env = append(os.Environ(), "CORTEN_MAIN=1")
	return cmd
}

// outcome runs it.
func outcome(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestVersionHasTheLinesEnginesRead(t *testing.T) {
	for _, flag := range []string{"--version", "-version", "-v"} {
		cmd := corten(t)
		cmd.Args = []string{"corten", flag}
		direct, stderr, status := outcome(t, cmd)
		if stderr != "" || status != 0 {
			t.Errorf("%s: %q, status %d", flag, stderr, status)
		}
		lines := strings.Split(direct, "\n")
		if !strings.HasPrefix(lines[0], "corten version ") || !strings.Contains(direct, "\nspec: 1.3.0\ngo: go1.") {
			t.Errorf("%s printed %q", flag, direct)
		}
		if after, _, _ := outcome(t, corten(t, flag)); after != direct {
			t.Errorf("after --root it printed %q", after)
		}
	}
}

func TestFeaturesIsJSONAndNothingElse(t *testing.T) {
	stdout, stderr, status := outcome(t, corten(t, "features"))
	var features struct {
		OCIVersionMin string
		MountOptions  []string
	}
	if err := json.Unmarshal([]byte(stdout), &features); err != nil || status != 0 || stderr != "" {
		t.Fatalf("%v, status %d, stderr %q", err, status, stderr)
	}
	if features.OCIVersionMin != "1.0.0" || len(features.MountOptions) == 0 {
		t.Errorf("features %+v", features)
	}
}

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		args   string
		text   string // first line on stderr, without "corten: "
		status int
	}{
		{"state nosuch", "container does not exist", 1},
		{"start nosuch", "container does not exist", 1},
		{"kill nosuch", "container does not exist", 1},
		{"kill nosuch BAD", `unknown signal "BAD"`, 1},
		{"kill nosuch 9 9", "kill takes exactly 2 arguments (ID [SIGNAL]), got 3", 1},
		{"delete nosuch", "container does not exist", 1},
		{"delete nosuch --force", "", 0},
		{"ps nosuch", "container does not exist", 1},
		{"ps -f xml nosuch", `invalid format option "xml": it is table or json`, 1},
		{"exec nosuch true", "container does not exist", 255},
		{"exec nosuch", "exec takes a command after the id, or --process", 255},
		{"exec -g x nosuch true", `--additional-gids "x" is not a group id`, 255},
		{"exec --nosuch nosuch true", "flag provided but not defined: -nosuch", 255},
		{"state", "state takes exactly 1 argument (ID), got 0", 1},
		{"state a b", "state takes exactly 1 argument (ID), got 2", 1},
		{"state ../x", "invalid container ID format", 1},
		{"list", "ROOT: no such file or directory", 1},
		{"run -b /nosuch x", "JSON specification file config.json not found in /nosuch", 1},
		{"run x --bundle", "flag needs an argument: -bundle", 1},
		{"run x --preserve-fds -1", "--preserve-fds -1 is negative", 1},
		{"run x --preserve-fds 9000", "descriptor ", 1},
		{"frobnicate", "no such command: frobnicate", 1},
		{"--log-format xml list", "invalid log-format: xml", 1},
		{"--rootless maybe list", `--rootless takes true, false or auto, not "maybe"`, 1},
		{"--log /nosuch/log state nosuch", "--log: open /nosuch/log: no such file or directory", 1},
		{"--log /nosuch/log exec nosuch true", "--log: open /nosuch/log: no such file or directory", 255},
		{"--log journald: state nosuch", "--log: journald: takes an identifier, as in journald:ID", 1},
		{"--log-level loud list", `--log-level takes error, warning or debug, not "loud"`, 1},
		{"--cgroup-manager mine list", `--cgroup-manager takes cgroupfs, systemd or disabled, not "mine"`, 1},
		{"kill --regex (", "error parsing regexp: missing closing ): `(`", 1},
		{"exec -d --kill-with-parent nosuch true", "--kill-with-parent is for a process that corten waits for, not with --detach", 255},
		{"--root / list", "--root / is not a directory of containers", 1},
		{"--nosuch list", "flag provided but not defined: -nosuch", 1},
	} {
		cmd := corten(t, strings.Fields(c.args)...)
		stdout, stderr, status := outcome(t, cmd)
		text, _, _ := strings.Cut(strings.TrimPrefix(stderr, "corten: "), "\n")
		text = strings.ReplaceAll(text, "stat "+cmd.Args[2], "ROOT")
		if status != c.status || stdout != "" || !strings.HasPrefix(text, c.text) || c.text == "" && text != "" {
			t.Errorf("%s: status %d, stdout %q, stderr %q; want status %d, %q", c.args, status, stdout, stderr, c.status, c.text)
		}
	}
}

func TestFailureIsOneLineInTheLogAndTheSameOnStderr(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log.json")
	_, stderr, status := outcome(t, corten(t, "--log", log, "--log-format=json", "--debug", "state", "nosuch"))
	text, err := os.ReadFile(log)
	if err != nil || status != 1 {
		t.Fatal(err, status)
	}
	var entry struct {
		Level, Msg, Code string
		Time             time.Time // RFC 3339, or Unmarshal fails
	}
	if err := json.Unmarshal(text, &entry); err != nil { // also when there is more than one
		t.Fatalf("%v in %q", err, text)
	}
	if entry.Level != "error" || entry.Msg != "container does not exist" || entry.Code != "container_not_exist" || time.Since(entry.Time) > time.Minute {
		t.Errorf("entry %+v", entry)
	}
	if stderr != "corten: container does not exist\n" {
		t.Errorf("stderr %q", stderr)
	}
	if _, stderr, _ = outcome(t, corten(t, "--log-format", "json", "state", "nosuch")); json.Unmarshal([]byte(stderr), &entry) != nil {
		t.Errorf("without --log, stderr %q", stderr)
	}
	_, _, _ = outcome(t, corten(t, "--log", log, "state", "nosuch"))
	if text, _ = os.ReadFile(log); !strings.HasSuffix(string(text), "level=error msg=\"container does not exist\" code=\"container_not_exist\"\n") {
		t.Errorf("log %q", text)
	}
	_, _, _ = outcome(t, corten(t, "--log", "file:"+log+".2", "state", "nosuch"))
	if text, _ = os.ReadFile(log + ".2"); !strings.Contains(string(text), "container does not exist") {
		t.Errorf("log of file:PATH %q", text)
	}
}

func TestErrorsOfConfigNameTheField(t *testing.T) {
	dir := t.TempDir()
	config := `{"ociVersion":"1.0.2","process":{"args":["x"],"cwd":"relative","user":{"uid":0,"gid":0}},"root":{"path":"rootfs"},"linux":{}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	_, stderr, status := outcome(t, corten(t, "--log", log, "--log-format", "json", "run", "x", "-b", dir))
	text, _ := os.ReadFile(log)
	var entry struct{ Msg, Code, Field string }
	if err := json.Unmarshal(text, &entry); err != nil || entry.Code != "config" || entry.Field != "/process/cwd" || status != 1 {
		t.Errorf("status %d, log %q, %v", status, text, err)
	}
	if !strings.HasPrefix(stderr, "corten: "+entry.Msg+"\n") {
		t.Errorf("stderr %q, log %q", stderr, entry.Msg)
	}
}

func TestSpec(t *testing.T) {
	dir := t.TempDir()
	if stdout, stderr, status := outcome(t, corten(t, "spec", "-b", dir)); status != 0 || stdout+stderr != "" {
		t.Fatalf("status %d, %q, %q", status, stdout, stderr)
	}
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil || !json.Valid(text) {
		t.Fatalf("%v: %s", err, text)
	}
	_, stderr, status := outcome(t, corten(t, "spec", "-b", dir))
	if status != 1 || stderr != "corten: File config.json exists. Remove it first\n" {
		t.Errorf("status %d, %q", status, stderr)
	}
}

func TestListWithoutContainers(t *testing.T) {
	dir := t.TempDir()
	for args, want := range map[string]string{"-f json": "null\n", "--format=json": "null\n", "-q": "",
		"-f table": "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"} {
		cmd := corten(t, append([]string{"list"}, strings.Fields(args)...)...)
		cmd.Args[2] = dir
		if stdout, stderr, status := outcome(t, cmd); stdout != want || stderr != "" || status != 0 {
			t.Errorf("list %s: %q, %q, %d", args, stdout, stderr, status)
		}
	}
}

// Every command explains itself, with its exit statuses.
func TestHelp(t *testing.T) {
	general, _, status := outcome(t, corten(t, "--help"))
	if word, _, _ := outcome(t, corten(t, "help")); word != general || status != 0 {
		t.Errorf("help printed %q", word)
	}
	for _, c := range commands {
		if !strings.Contains(general, "  "+c.name+" ") {
			t.Errorf("corten --help has no %s", c.name)
		}
		stdout, stderr, status := outcome(t, corten(t, c.name, "--help"))
		if status != 0 || stderr != "" || !strings.Contains(stdout, "xit status: ") {
			t.Errorf("%s --help: status %d, %q %q", c.name, status, stdout, stderr)
		}
	}
}

// A container may be called like a command or a word of the parser.
func TestIdsThatLookLikeCommands(t *testing.T) {
	for _, id := range []string{"help", "h", "state", "list", "version"} {
		if _, stderr, status := outcome(t, corten(t, "state", id)); status != 1 || stderr != "corten: container does not exist\n" {
			t.Errorf("state %s: status %d, %q", id, status, stderr)
		}
	}
}

func TestDescriptorsOfTheCallerGoNoFurther(t *testing.T) {
	// With 0 to 2 closed, the first file corten opens must not become its stdout.
	dir := t.TempDir()
	self, _ := os.Executable()
	cmd := exec.Command("/bin/sh", "-c", `exec "$0" spec -b "$1" <&- >&- 2>&-`, self, dir)
	cmd.Env = append(os.Environ(), "CORTEN_MAIN=1")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "config.json")); err != nil || !json.Valid(text) {
		t.Errorf("%v: %s", err, text)
	}
	fds := func() (open []int) {
		for fd := 3; fd < 64; fd++ {
			if flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); errno == 0 && flags&syscall.FD_CLOEXEC == 0 {
				open = append(open, fd)
			}
		}
		return open
	}
	leak, err := syscall.Dup(0) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(leak)
	if len(fds()) == 0 {
		t.Fatal("nothing leaks")
	}
	closeOnExec()
	if left := fds(); left != nil {
		t.Errorf("descriptors %v are still inherited", left)
	}
}
