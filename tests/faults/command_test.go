// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// command is a command line that goes wrong. In the words, ID is the
// container's id, PAUSE and TRUE are bundles: of a payload that stays, and one
// that ends.
type command struct {
	name     string
	before   []string // commands that bring the container there
	line     string
	then     string // its status when the command exits 0; "": there is none any more
	attached bool   // to the container's executor, which runs already
	rich     bool   // of a container that uses more of config.json
	ends     bool   // it removes the container itself, which may be what fails
}

const (
	created = "create --bundle PAUSE ID"
	running = "run --detach --bundle PAUSE ID"
)

var commands = []command{
	{name: "create", line: created, then: "created"},
	{name: "run", line: "run --bundle TRUE ID", ends: true},
	{name: "run --detach", line: running, then: "running"},
	{name: "start", before: []string{created}, line: "start ID", attached: true, then: "running"},
	{name: "exec", before: []string{running}, line: "exec ID true", then: "running"},
	{name: "exec --detach", before: []string{running}, line: "exec --detach ID /bin/probe pause", then: "running"},
	{name: "exec --kill-with-parent", before: []string{running}, line: "exec --kill-with-parent ID true", then: "running"},
	{name: "kill", before: []string{running}, line: "kill ID KILL", then: "stopped"},
	{name: "kill --all", before: []string{running}, line: "kill --all ID KILL", then: "stopped"},
	{name: "delete", before: []string{created}, line: "delete ID"},
	{name: "delete --force", before: []string{running}, line: "delete --force ID"},
	{name: "delete --force, paused", before: []string{running, "pause ID"}, line: "delete --force ID"},
	{name: "pause", before: []string{running}, line: "pause ID", then: "paused"},
	{name: "resume", before: []string{running, "pause ID"}, line: "resume ID", then: "running"},
	{name: "update", before: []string{running}, line: "update --memory 64M --pids-limit 50 --cpu-share 512 ID", then: "running"},
	{name: "create, rich", line: created, rich: true, then: "created"},
	{name: "run, rich", line: "run --bundle TRUE ID", rich: true, ends: true},
	{name: "start, rich", before: []string{created}, line: "start ID", attached: true, rich: true, then: "running"},
	{name: "exec, rich", before: []string{running}, line: "exec ID true", rich: true, then: "running"},
	{name: "delete --force, rich", before: []string{running}, line: "delete --force ID", rich: true},
	{name: "pause, rich", before: []string{running}, line: "pause ID", rich: true, then: "paused"},
}

// newRichSite has a user namespace, hooks, a filter and, where the
// machine can show it, control groups of version 2 alone.
func newRichSite(t *testing.T, in *injector) *site {
	t.Helper()
	s := newSite(t, in, bundle.UserNamespace(100000), bundle.Seccomp(specs.LinuxSyscall{Names: []string{"keyctl"}, Action: specs.ActErrno}), rich)
	if slices.Contains(bundle.Views(), bundle.V2) {
		s.b.View = bundle.V2
	}
	return s
}

func rich(spec *specs.Spec) {
	hooks := []specs.Hook{{Path: "/bin/true"}}
	spec.Hooks = &specs.Hooks{CreateRuntime: hooks, CreateContainer: hooks, StartContainer: hooks, Poststart: hooks, Poststop: hooks}
	spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "0"}
}

// words are those of a line, for a site.
func (s *site) words(line string) []string {
	return strings.Fields(strings.NewReplacer("PAUSE", s.b.Dir, "TRUE", s.again, "ID", s.b.ID).Replace(line))
}
