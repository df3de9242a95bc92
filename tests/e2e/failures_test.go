// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// failure is a command that must fail. Unless said otherwise, runc fails with
// the same status and the same text, and engines take both messages for the
// same kind of failure.
type failure struct {
	on   string // container: missing, created, running, paused, stopped; "": a bundle alone
	args string // ID, BUNDLE and HOME stand for the bundle's
	edit bundle.Edit
	text string // part of the message
	runc string // part of runc's, where it differs; "-": it does not fail
	kind string // engines tell runc's apart from ours: why
}

// status is what every failure of the command exits with.
func (f *failure) status() int {
	if strings.HasPrefix(f.args, "exec ") {
		return 255
	}
	return 1
}

// stage is a runtime with a container in every state.
type stage struct {
	t          *testing.T
	runtime    string
	containers map[string]*bundle.Bundle
}

func newStage(t *testing.T, runtime string) *stage {
	t.Helper()
	s := &stage{t, runtime, map[string]*bundle.Bundle{}}
	for _, state := range []string{"", "missing", "created", "running", "paused", "stopped"} {
		b := bundle.New(t, bundle.Probe("pause"))
		b.Uses(runtime)
		s.containers[state] = b
		switch state {
		case "created":
			b.Create()
		case "running", "paused", "stopped":
			b.Detach()
			if !bundle.Eventually(func() bool { return b.Output(0) == "ready\n" }) {
				t.Fatal(b.Output(0))
			}
		}
	}
	s.containers["paused"].Corten("pause", s.containers["paused"].ID).OK(s.containers["paused"])
	s.containers["stopped"].Corten("kill", s.containers["stopped"].ID, "KILL").OK(s.containers["stopped"])
	s.containers["stopped"].WaitStatus("stopped")
	return s
}

// outcome of a failure: what engines see of it.
type outcome struct {
	bundle.Result
	log     string // the file of --log
	message string // of it, as containerd reads it
}

func (s *stage) run(f *failure) outcome {
	s.t.Helper()
	b := s.containers[f.on]
	spec := bundle.Base()
	spec.Process.Args = []string{"probe", "pause"}
	if f.edit != nil {
		f.edit(spec)
	}
	if f.on == "" {
		b.Write(spec)
	}
	log := filepath.Join(b.Home, "log.json")
	os.Remove(log)
	words := append([]string{"--log", log, "--log-format", "json"}, strings.Fields(strings.NewReplacer("ID", b.ID, "BUNDLE", b.Dir, "HOME", b.Home).Replace(f.args))...)
	o := outcome{Result: b.Corten(words...)}
	if f.on == "" && o.Status == 0 {
		b.Corten("delete", "--force", b.ID).OK(b)
	} else if out := b.Corten("list", "-q").Stdout; f.on == "" && out != "" {
		s.t.Errorf("%s %s: left %s", s.runtime, f.args, out)
	}
	text, _ := os.ReadFile(log)
	o.log = string(text)
	o.message, _ = lastError(o.log)
	return o
}

// lastError is how containerd's shim reads the log (features.md 2.1): a stream
// of objects, of which the last error counts; anything else in it is an error.
func lastError(log string) (message string, err error) {
	for d := json.NewDecoder(strings.NewReader(log)); ; {
		var entry struct {
			Level, Msg string
			Time       time.Time
		}
		if err := d.Decode(&entry); errors.Is(err, io.EOF) {
			return message, nil
		} else if err != nil {
			return "", err
		}
		if entry.Level == "error" {
			message = strings.TrimSpace(entry.Msg)
		}
	}
}

// wholeError is how podman does (2.4): the whole log is one object.
func wholeError(log string) (string, error) {
	var entry struct{ Level, Msg, Time string }
	err := json.Unmarshal([]byte(log), &entry)
	return entry.Msg, err
}

var (
	podmansDenied  = regexp.MustCompile("(?i).*permission denied.*|.*operation not permitted.*")
	podmansMissing = regexp.MustCompile("(?i).*executable file not found in.*|.*no such file or directory.*|.*open executable.*")
)

// engineKinds are what engines make of a message: podman's and docker's exit status,
// what containerd's shim makes of a kill and of a delete, what CRI-O does.
func engineKinds(message string) (list []string) {
	add := func(kind string, is bool) {
		if is {
			list = append(list, kind)
		}
	}
	lower := strings.ToLower(message)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(lower, w) {
				return true
			}
		}
		return false
	}
	switch {
	case podmansDenied.MatchString(message):
		list = append(list, "podman 126")
	case podmansMissing.MatchString(message):
		list = append(list, "podman 127")
	}
	switch {
	case has("permission denied", "is a directory"):
		list = append(list, "docker 126")
	case has("not a directory", "executable file not found", "no such file or directory", "system cannot find the file specified"):
		list = append(list, "docker 127")
	}
	add("containerd: killed already", has("os: process already finished", "container not running", "no such process"))
	add("containerd: no such container", has("does not exist"))
	add("cri-o: gone", has("no such process", "container not running", "invalid process"))
	return list
}

// check compares what corten does with what runc, if it is there, does.
func (f *failure) check(t *testing.T, ours, peers *stage) {
	t.Helper()
	own := ours.run(f)
	if own.Status != f.status() || own.Stdout != "" || !strings.Contains(own.message, strings.ReplaceAll(f.text, "HOME", ours.containers[f.on].Home)) {
		t.Errorf("exit status %d, stdout %q, message %q; want %q", own.Status, own.Stdout, own.message, f.text)
	}
	whole, err := wholeError(own.log)
	if err != nil || whole != own.message || own.message == "" {
		t.Errorf("log is not one object for podman: %v\n%s", err, own.log)
	}
	first, hint, _ := strings.Cut(own.Stderr, "\n")
	if first != "corten: "+own.message || hint != "" && (!strings.HasPrefix(hint, "  hint: ") || strings.Count(hint, "\n") != 1) {
		t.Errorf("stderr %q, log %q", own.Stderr, own.message)
	}
	if peers == nil {
		return
	}
	peer := peers.run(f)
	if f.runc == "-" {
		if peer.Status == own.Status {
			t.Errorf("runc fails, too: %s", peer.message)
		}
		return
	}
	text := f.text
	if f.runc != "" {
		text = f.runc
	}
	if peer.message == "" { // misuse, which it answers with help on stdout
		peer.message = peer.Stdout
	}
	if !strings.Contains(peer.message, text) {
		t.Errorf("runc says %q, not %q", peer.message, text)
	}
	if peer.Status != own.Status && !strings.HasPrefix(peer.Stdout, "Incorrect Usage") {
		t.Errorf("exit status %d, runc's %d", own.Status, peer.Status)
	}
	if a, b := engineKinds(own.message), engineKinds(peer.message); (strings.Join(a, ", ") == strings.Join(b, ", ")) == (f.kind != "") {
		t.Errorf("engines take %q for %q, and runc's %q for %q (%s)", own.message, a, peer.message, b, f.kind)
	}
}

func TestFailuresAreRuncsToAnEngine(t *testing.T) {
	bundle.NeedCorten(t)
	ours := newStage(t, bundle.Runtime(t))
	var peers *stage
	if path, err := exec.LookPath("runc"); err == nil {
		peers = newStage(t, path)
	} else {
		t.Log("the package runc is missing: nothing is compared with it")
	}
	for _, f := range failures {
		t.Run(f.on+" "+f.args+" "+f.text, func(t *testing.T) { f.check(t, ours, peers) })
	}
	if len(failures) < 60 {
		t.Errorf("%d failures only", len(failures))
	}
}

func withProcess(change func(*specs.Process)) bundle.Edit {
	return func(s *specs.Spec) { change(s.Process) }
}
