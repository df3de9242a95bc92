// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// traceEvent is a complete event of Chrome's trace format.
type traceEvent struct {
	Name, Cat, Ph string
	Ts, Dur       float64 // microseconds
	PID           int
	Args          struct{ Field string }
}

// traceOf reads the events of a trace, whose array is open at its end.
func traceOf(t *testing.T, file string) (events []traceEvent) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.TrimSuffix(strings.TrimSpace(string(text)), ",") + "]"
	if err := json.Unmarshal([]byte(whole), &events); err != nil {
		t.Fatalf("%v in\n%s", err, whole)
	}
	return events
}

// The phases of the runtime and the steps of the executor leave less than a
// twentieth of the time unaccounted for.
func TestATraceAccountsForTheTimeOfARun(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Args("true"), bundle.Namespace(specs.TimeNamespace, ""), func(s *specs.Spec) {
		s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 1000}}
		s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{Path: "/bin/true"}}}
	})
	file := filepath.Join(b.Home, "trace.json")
	b.Corten("--trace", file, "run", "--bundle", b.Dir, b.ID).OK(b)
	var end, accounted, first float64
	var last string
	var executor []traceEvent
	for _, e := range traceOf(t, file) {
		if e.Ph != "X" || e.Dur < 0 {
			t.Errorf("event %+v", e)
		}
		switch {
		case e.Cat == "executor":
			executor = append(executor, e)
		case first == 0:
			first, accounted = e.Ts, e.Dur
		default:
			accounted += e.Dur
			last = e.Name
		}
		end = max(end, e.Ts+e.Dur)
	}
	if accounted < 0.95*(end-first) {
		t.Errorf("%.0f of %.0f microseconds are accounted for", accounted, end-first)
	}
	if last != "end of the process" {
		t.Errorf("the trace ends with %q", last)
	}
	for i := 1; i < len(executor); i++ {
		if was := executor[i-1]; was.Ts+was.Dur-executor[i].Ts > 1 {
			t.Errorf("%q ends after %q begins", was.Name, executor[i].Name)
		}
	}
	for _, want := range []struct{ name, field string }{
		{"pivot_root", "config.json#/root"}, {`sethostname "box"`, "config.json#/hostname"}, {`run "/bin/true"`, "config.json#/hooks/createContainer/0"},
		{`execve ["true"]`, "config.json#/process/args"}} {
		if !slices.ContainsFunc(executor, func(e traceEvent) bool {
			return strings.Contains(e.Name, want.name) && strings.HasPrefix(e.Args.Field, want.field)
		}) {
			t.Errorf("no step %s of %s", want.name, want.field)
		}
	}
}

func TestTheCommandsOfALifeShareATrace(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe("pause"))
	file := filepath.Join(b.Home, "trace.json")
	traceEvent := bundle.Options{Env: []string{"CORTEN_TRACE=" + file}}
	for _, words := range [][]string{{"create", "--bundle", b.Dir, b.ID}, {"start", b.ID}, {"exec", b.ID, "true"}, {"delete", "--force", b.ID}} {
		b.CortenWith(traceEvent, words...).OK(b)
	}
	pids := map[int]bool{}
	for _, e := range traceOf(t, file) {
		pids[e.PID] = true
	}
	if len(pids) != 6 { // four commands, two executors
		t.Errorf("%d processes have a part in the trace", len(pids))
	}
}

func TestATracedCommandEndsWithTheStatusItHasWithoutATrace(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Shell("exit 37"))
	file := filepath.Join(b.Home, "trace.json")
	for _, c := range []struct {
		words  []string
		status int
	}{{[]string{"run", "--bundle", b.Dir, b.ID}, 37}, {[]string{"state", "nobody"}, 1}, {[]string{"list"}, 0}} {
		if r := b.Corten(append([]string{"--trace", file}, c.words...)...); r.Status != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.words[0], r.Status, c.status, r.Stderr)
		}
		if events := traceOf(t, file); events[len(events)-1].Name != "end of the process" {
			t.Errorf("%s: the trace ends with %q", c.words[0], events[len(events)-1].Name)
		}
	}
}

func TestATraceThatCannotBeWrittenStopsTheCommand(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Args("true"))
	refused(t, b.Corten("--trace", b.Home+"/not/there", "run", "--bundle", b.Dir, b.ID), "open "+b.Home+"/not/there: no such file or directory")
	refused(t, b.Corten("state", b.ID), "container does not exist")
}
