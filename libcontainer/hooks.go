// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// containerState is the state of a container that is being made, as the
// specification's "State" has it; pid 0 is left out.
func containerState(spec *specs.Spec, o *CreateOptions, status specs.ContainerState, pid int) specs.State {
	return specs.State{Version: specs.Version, ID: o.ID, Status: status, Pid: pid, Bundle: o.Bundle, Annotations: spec.Annotations}
}

// hookState is the state a hook reads on its standard input.
func hookState(spec *specs.Spec, o *CreateOptions, status specs.ContainerState, pid int) []byte {
	b, err := json.Marshal(containerState(spec, o, status, pid))
	if err != nil {
		panic(err) // strings and a number always marshal
	}
	return b
}

// compileHooks runs hooks as the executor: in the container's namespaces.
func compileHooks(b *plan.Builder, kind string, hooks []specs.Hook, state []byte) {
	for i, h := range hooks {
		timeout := uint64(0)
		if h.Timeout != nil {
			timeout = uint64(*h.Timeout) * 1000
		}
		b.Run(plan.At("/hooks").Field(kind).Index(i), h.Path, hookArgs(&h), h.Env, state, timeout)
	}
}

func hookArgs(h *specs.Hook) []string {
	if len(h.Args) == 0 {
		return []string{h.Path}
	}
	return h.Args
}

// hookOutput is how much of what a hook prints is kept for its error.
const hookOutput = 4096

// runHooks runs hooks in the runtime's namespaces, in order, up to the first
// that fails. The environment is exactly the hook's: an image must not choose
// what the host's programs load (CVE-2025-23266).
func runHooks(kind string, hooks []specs.Hook, state []byte) error {
	for i := range hooks {
		if err := runHook(&hooks[i], state); err != nil {
			return &plan.Error{At: plan.At("/hooks").Field(kind).Index(i), Op: "run " + hooks[i].Path, Err: err}
		}
	}
	return nil
}

func runHook(h *specs.Hook, state []byte) error {
	env := h.Env
	if env == nil {
		env = []string{}
	}
	output := &tail{}
	cmd := exec.Cmd{Path: h.Path, Args: hookArgs(h), Env: env, Stdin: strings.NewReader(string(state)), Stdout: output, Stderr: output,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}, WaitDelay: 100 * time.Millisecond}
	if err := cmd.Start(); err != nil {
		return err
	}
	timedOut := false
	if h.Timeout != nil {
		limit := time.AfterFunc(time.Duration(*h.Timeout)*time.Second, func() {
			timedOut = true
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the whole group: its children hold the pipes
		})
		defer limit.Stop()
	}
	// A daemon left behind may hold the pipes open: WaitDelay ends the wait.
	err := cmd.Wait()
	switch {
	case timedOut:
		return fmt.Errorf("hook ran past specified timeout of %ds%s", *h.Timeout, output)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return fmt.Errorf("%w%s", err, output)
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(b []byte) (int, error) {
	if t.b = append(t.b, b...); len(t.b) > hookOutput {
		t.b = t.b[len(t.b)-hookOutput:]
	}
	return len(b), nil
}

func (t *tail) String() string {
	if text := strings.TrimSpace(string(t.b)); text != "" {
		return fmt.Sprintf(", output: %q", text)
	}
	return ""
}

// checkHooks looks for the hooks' programs before anything is made.
func checkHooks(spec *specs.Spec) error {
	if spec.Hooks == nil {
		return nil
	}
	h := spec.Hooks
	for _, kind := range [...]struct {
		name string
		list []specs.Hook
	}{{"prestart", h.Prestart}, {"createRuntime", h.CreateRuntime}, {"createContainer", h.CreateContainer}, {"poststart", h.Poststart}, {"poststop", h.Poststop}} { //nolint:staticcheck // prestart is deprecated, and used
		for i := range kind.list {
			if _, err := os.Stat(kind.list[i].Path); err != nil {
				return &plan.Error{At: plan.At("/hooks").Field(kind.name).Index(i).Field("path"), Op: "stat " + kind.list[i].Path, Err: errors.Unwrap(err)}
			}
		}
	}
	return nil
}
