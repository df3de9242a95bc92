// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"path"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// hookOutputs are the annotations that name what hooks have as descriptors 1
// and 2: files to append to, in place of the pipe that their error quotes.
var hookOutputs = [...]string{"run.oci.hooks.stdout", "run.oci.hooks.stderr"}

func hookOutputAt(i int) plan.Pointer { return plan.At("/annotations").Field(hookOutputs[i]) }

// validateHookOutputs wants absolute paths: hooks start in several directories.
func validateHookOutputs(annotations map[string]string) error {
	for i, name := range hookOutputs {
		if file := annotations[name]; file != "" && !path.IsAbs(file) {
			return refuse(hookOutputAt(i), "want an absolute path, got %q", file)
		}
	}
	return nil
}

// checkHookOutputs looks, before anything is made, whether they can be opened.
func checkHookOutputs(annotations map[string]string) error {
	for i, name := range hookOutputs {
		file, mode := annotations[name], uint32(unix.W_OK)
		if file == "" {
			continue
		}
		err := unix.Faccessat(unix.AT_FDCWD, file, mode, unix.AT_EACCESS)
		if err == unix.ENOENT {
			err = unix.Faccessat(unix.AT_FDCWD, path.Dir(file), mode|unix.X_OK, unix.AT_EACCESS)
		}
		if err != nil {
			return &plan.Error{At: hookOutputAt(i), Op: "open " + strconv.Quote(file), Err: err}
		}
	}
	return nil
}

// openAppend opens a file to append to, made if it is missing. It waits for
// nobody to read a FIFO.
func openAppend(name string) (int, error) {
	return unix.Open(name, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o644)
}

// openHookOutputs opens them for a hook of the runtime; -1 where there is none.
func openHookOutputs(annotations map[string]string) (fds [2]int, err error) {
	fds = [2]int{-1, -1}
	for i, name := range hookOutputs {
		file := annotations[name]
		if file == "" {
			continue
		}
		if fds[i], err = openAppend(file); err != nil {
			return fds, &plan.Error{At: hookOutputAt(i), Op: "open " + file, Err: err}
		}
	}
	return fds, nil
}

// hookSlots are the same files for the executor, which runs the hooks of the
// container; None where there is none.
type hookSlots [2]plan.Slot

func readHookSlots(b *plan.Builder, spec *specs.Spec) hookSlots {
	slots := hookSlots{plan.None, plan.None}
	if h := spec.Hooks; h == nil || len(h.CreateContainer)+len(h.StartContainer) == 0 {
		return slots
	}
	for i, name := range hookOutputs {
		if file := spec.Annotations[name]; file != "" {
			slots[i] = b.Input(plan.Input{At: hookOutputAt(i), Kind: plan.KindAppend, Path: file})
		}
	}
	return slots
}

// compile gives the files to the hooks that follow.
func (slots hookSlots) compile(b *plan.Builder) {
	for i, slot := range slots {
		if slot != plan.None {
			b.HookOutput(hookOutputAt(i), slot, uint64(1+i))
		}
	}
}

// done closes them after the last hook.
func (slots hookSlots) done(b *plan.Builder) {
	for i, slot := range slots {
		if slot != plan.None {
			b.HookOutput(hookOutputAt(i), plan.Cwd, uint64(1+i))
			b.Done(hookOutputAt(i), slot)
		}
	}
}
