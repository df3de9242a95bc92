// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// containerState is the state of a container that is being made, as the
// specification's "State" has it; pid 0 is left out.
func containerState(spec *specs.Spec, o *CreateOptions, status specs.ContainerState, pid int) specs.State {
	return specs.State{Version: specs.Version, ID: o.ID, Status: status, Pid: pid, Bundle: o.Bundle, Annotations: spec.Annotations}
}

// hookState is the state a hook reads on its standard input (runtime.md,
// State). pid is the host's, or 0: the hook runs in the container, whose pid
// the executor puts in front.
func hookState(spec *specs.Spec, o *CreateOptions, status specs.ContainerState, pid int) []byte {
	b, err := json.Marshal(containerState(spec, o, status, pid))
	if err != nil {
		panic(err) // strings and a number always marshal
	}
	return b
}

// compileHooks runs hooks as the executor: in the container's namespaces.
func compileHooks(b *plan.Builder, kind string, hooks []specs.Hook, state []byte) {
	state[0] = ',' // after {"pid":N
	for i := range hooks {
		h := &hooks[i]
		b.Run(plan.At("/hooks").Field(kind).Index(i), h.Path, hookArgs(h), h.Env, state, uint64(hookTimeout(h))*1000)
	}
}

// compileCreateContainer runs the hooks that see the host's root in the
// container's mount namespace. In the bundle, as the runtime's: never in the
// rootfs, where a relative path would be the image's (CVE-2025-23266).
func compileCreateContainer(b *plan.Builder, spec *specs.Spec, o *CreateOptions, outputs hookSlots) {
	outputs.compile(b)
	if len(spec.Hooks.StartContainer) == 0 {
		defer outputs.done(b)
	}
	if len(spec.Hooks.CreateContainer) == 0 {
		return
	}
	at := plan.At("/hooks/createContainer")
	b.Chdir(at, o.Bundle)
	// A mapped root may have no way there, nor a joined mount namespace the bundle.
	b.Tolerate("EACCES", "ENOENT")
	b.Chdir(at, "/")
	b.Else()
	compileHooks(b, "createContainer", spec.Hooks.CreateContainer, hookState(spec, o, statusCreating, 0))
}

// compileStartContainer runs the hooks that see the container as its payload will.
func compileStartContainer(b *plan.Builder, spec *specs.Spec, o *CreateOptions, outputs hookSlots) {
	if spec.Hooks == nil || len(spec.Hooks.StartContainer) == 0 {
		return
	}
	compileHooks(b, "startContainer", spec.Hooks.StartContainer, hookState(spec, o, statusCreated, 0))
	outputs.done(b)
}

func hookArgs(h *specs.Hook) []string {
	if len(h.Args) == 0 {
		return []string{h.Path}
	}
	return h.Args
}

// hookTimeout is in seconds; 0: none. The decoder's limit is 2^31-1.
func hookTimeout(h *specs.Hook) int {
	if h.Timeout == nil {
		return 0
	}
	return *h.Timeout
}

// hookKind is one of the lists of /hooks.
type hookKind struct {
	name string
	list []specs.Hook
}

// hookKinds are the six of them, in the order they run in.
func hookKinds(h *specs.Hooks) [6]hookKind {
	return [...]hookKind{{"prestart", h.Prestart}, {"createRuntime", h.CreateRuntime}, {"createContainer", h.CreateContainer}, //nolint:staticcheck // prestart is deprecated, and used
		{"startContainer", h.StartContainer}, {"poststart", h.Poststart}, {"poststop", h.Poststop}}
}

// checkHooks looks for the hooks' programs before anything is made. That of
// startContainer is a path of the container.
func checkHooks(spec *specs.Spec) error {
	if spec.Hooks == nil {
		return nil
	}
	if err := checkHookOutputs(spec.Annotations); err != nil {
		return err
	}
	for _, kind := range hookKinds(spec.Hooks) {
		if kind.name == "startContainer" {
			continue
		}
		for i := range kind.list {
			if err := mayExecute(kind.list[i].Path); err != nil {
				return &plan.Error{At: plan.At("/hooks").Field(kind.name).Index(i).Field("path"), Op: "access " + kind.list[i].Path, Err: err}
			}
		}
	}
	return nil
}

// mayExecute is what execve(2) will say of a file's kind and mode.
func mayExecute(name string) error {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return syscall.EACCES
	}
	return unix.Faccessat(unix.AT_FDCWD, name, unix.X_OK, unix.AT_EACCESS)
}

// runtimeHooks are hooks to run in the runtime's namespaces, and what ends them.
type runtimeHooks struct {
	bundle      string // their working directory
	state       []byte
	annotations map[string]string
	ends        hookEnds
}

// run runs hooks in order, up to the first that fails.
func (r *runtimeHooks) run(kind string, hooks []specs.Hook) error {
	for i := range hooks {
		if err := r.one(kind, i, &hooks[i]); err != nil {
			return err
		}
	}
	return nil
}

// one runs a hook. The environment is exactly the hook's: an image must not
// choose what the host's programs load (CVE-2025-23266).
func (r *runtimeHooks) one(kind string, i int, h *specs.Hook) error {
	outputs, err := openHookOutputs(r.annotations)
	defer shut(&outputs[0])
	defer shut(&outputs[1])
	if err != nil {
		return err
	}
	p, err := startHook(h, r.directory(), r.state, outputs)
	if err == nil {
		err = p.finish(h, &r.ends)
	}
	if err != nil {
		return &plan.Error{At: plan.At("/hooks").Field(kind).Index(i), Op: "run " + h.Path, Err: err}
	}
	return nil
}

// directory is the bundle, which after the container's end may be gone.
func (r *runtimeHooks) directory() string {
	if info, err := os.Stat(r.bundle); err == nil && info.IsDir() {
		return r.bundle
	}
	return "/"
}

// before runs the hooks that precede the container's: prestart, createRuntime.
func (s *spawn) before(o *CreateOptions) error {
	h := s.spec.Hooks
	r := &runtimeHooks{annotations: s.spec.Annotations, bundle: o.Bundle, state: hookState(s.spec, o, statusCreating, s.executor.PID),
		ends: hookEnds{container: s.executor.Pidfd, catcher: s.catcher}}
	if err := r.run("prestart", h.Prestart); err != nil { //nolint:staticcheck // deprecated, and used
		return err
	}
	return r.run("createRuntime", h.CreateRuntime)
}

// ofHook reports whether err is the failure of a hook.
func ofHook(err error) bool {
	var e *plan.Error
	return errors.As(err, &e) && strings.HasPrefix(e.At.String(), "/hooks/")
}

// poststart runs the hooks that follow the payload's start. The caller holds no
// lock, so that kill and delete do not wait for them.
func (c *container) poststart(ends hookEnds) error {
	if !c.Poststart {
		return nil
	}
	config, err := c.config()
	if err != nil {
		return err
	}
	r := &runtimeHooks{annotations: config.Annotations, bundle: c.Bundle, state: hookState(config.Spec, &CreateOptions{ID: c.id, Bundle: c.Bundle}, statusRunning, c.PID), ends: ends}
	return r.run("poststart", config.Hooks.Poststart)
}

// poststop runs the hooks of a container that was created, each of them: a
// failure is a warning (runtime-spec, runtime.md, step 13).
func (r *Runtime) poststop(c *container) error {
	if !c.made || !c.Poststop {
		return nil
	}
	config, err := c.config()
	if err != nil {
		return err
	}
	run := &runtimeHooks{annotations: config.Annotations, bundle: c.Bundle, state: hookState(config.Spec, &CreateOptions{ID: c.id, Bundle: c.Bundle}, statusStopped, 0), ends: hookEnds{container: -1}}
	for i := range config.Hooks.Poststop {
		if err := run.one("poststop", i, &config.Hooks.Poststop[i]); err != nil {
			r.warn("%v", err)
		}
	}
	return nil
}
