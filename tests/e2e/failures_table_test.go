// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

const noCommand = "a file is missing, but no command"

const create = "create --bundle BUNDLE ID"

var failures = []failure{
	// Commands on a container that is not there.
	{on: "missing", args: "state ID", text: "container does not exist"},
	{on: "missing", args: "start ID", text: "container does not exist"},
	{on: "missing", args: "kill ID", text: "container does not exist"},
	{on: "missing", args: "kill ID 9", text: "container does not exist"},
	{on: "missing", args: "kill --all ID 9", text: "container does not exist"},
	{on: "missing", args: "delete ID", text: "container does not exist"},
	{on: "missing", args: "pause ID", text: "container does not exist"},
	{on: "missing", args: "resume ID", text: "container does not exist"},
	{on: "missing", args: "ps ID", text: "container does not exist"},
	{on: "missing", args: "ps --format json ID", text: "container does not exist"},
	{on: "missing", args: "update --pids-limit 5 ID", text: "container does not exist"},
	{on: "missing", args: "events --stats ID", text: "container does not exist"},
	{on: "missing", args: "exec ID true", text: "container does not exist"},
	// In the wrong state.
	{on: "created", args: create, text: "container with given ID already exists"},
	{on: "created", args: "resume ID", text: "container not paused"},
	{on: "running", args: create, text: "container with given ID already exists"},
	{on: "running", args: "start ID", text: "cannot start an already running container"},
	{on: "running", args: "delete ID", text: "is not stopped: running"},
	{on: "running", args: "resume ID", text: "container not paused"},
	{on: "paused", args: "start ID", text: "cannot start a container in the paused state"},
	{on: "paused", args: "delete ID", text: "is not stopped: paused"},
	{on: "paused", args: "pause ID", text: "container not running"},
	{on: "paused", args: "exec ID true", text: "cannot exec in a paused container (use --ignore-paused to override)"},
	{on: "stopped", args: "start ID", text: "cannot start a container that has stopped"},
	{on: "stopped", args: "kill ID", text: "container not running"},
	{on: "stopped", args: "kill ID 9", text: "container not running"},
	{on: "stopped", args: "pause ID", text: "container not running"},
	{on: "stopped", args: "resume ID", text: "container not paused"},
	{on: "stopped", args: "exec ID true", text: "cannot exec in a stopped container"},
	{on: "stopped", args: "events --stats ID", text: "is not running"},
	// Command lines.
	{on: "running", args: "state", text: "state takes exactly 1 argument", runc: `"state" requires exactly 1 argument(s)`},
	{on: "running", args: "kill ID 9 9", text: "kill takes exactly 2 arguments", runc: `"kill" requires a maximum of 2 argument(s)`},
	{on: "running", args: "kill ID BAD", text: `unknown signal "BAD"`},
	{on: "running", args: "kill --nosuch ID", text: "flag provided but not defined: -nosuch"},
	{on: "running", args: "list --format xml", text: "invalid format option"},
	{on: "running", args: "ps --format xml ID", text: "invalid format option"},
	{on: "running", args: "update --memory x ID", text: "invalid value for memory"},
	{on: "running", args: "update --pids-limit x ID", text: "invalid value for pids-limit", runc: `invalid value "x" for flag -pids-limit`},
	{on: "running", args: "update --resources HOME/none ID", text: "none not found", runc: "no such file or directory", kind: noCommand},
	{on: "running", args: "events --interval 0s ID", text: "duration interval must be greater than 0"},
	{on: "", args: "spec --bundle BUNDLE", text: "File config.json exists. Remove it first"},
	{on: "", args: "create --bundle BUNDLE a/b", text: "invalid container ID format"},
	{on: "", args: "create --bundle BUNDLE ..", text: "invalid container ID format"},
	{on: "", args: "create --bundle HOME ID", text: "JSON specification file config.json not found"},
	{on: "", args: "create --bundle HOME/none ID", text: "not found in ", runc: "no such file or directory", kind: noCommand},
	{on: "", args: "run --pid-file HOME/none/pid --bundle BUNDLE ID", text: "no such file or directory"},
	{on: "", args: "create --console-socket HOME/none --bundle BUNDLE ID", text: "--console-socket HOME/none: connect: ", runc: "cannot use console socket if runc will not detach or allocate tty", kind: "the socket is looked for first"},
	// Exec.
	{on: "running", args: "exec ID nosuch", text: `exec: "nosuch": executable file not found in $PATH`},
	{on: "running", args: "exec ID /nosuch", text: `exec: "/nosuch": `},
	{on: "running", args: "exec ID /etc", text: `exec: "/etc": `},
	{on: "running", args: "exec ID /etc/passwd", text: `exec: "/etc/passwd": permission denied`},
	{on: "running", args: "exec --user x ID true", text: "x"},
	{on: "running", args: "exec --cwd tmp ID true", text: "Cwd must be an absolute path"},
	{on: "running", args: "exec --cwd /nosuch ID true", text: "no such file or directory"},
	{on: "running", args: "exec --tty --detach ID true", text: "cannot allocate tty if runc will detach without setting console socket"},
	{on: "running", args: "exec --env X ID true", text: `"X"`},
	{on: "running", args: "exec --process HOME/none ID", text: "none not found", runc: "no such file or directory", kind: noCommand},
	{on: "running", args: "exec --process BUNDLE/config.json ID", text: "config.json#/cwd: required, but missing", runc: "Cwd property must not be empty"},
	{on: "running", args: "exec --preserve-fds 50 ID true", text: "to be passed on, is not open", runc: "unable to stat preserved-fd", kind: noCommand},
	{on: "running", args: "exec --cgroup nosuch ID true", text: "there is no such cgroup", runc: "no such file or directory", kind: noCommand},
	{on: "running", args: "exec --console-socket HOME/none ID true", text: "--console-socket HOME/none: connect: ", runc: "cannot use console socket if runc will not detach or allocate tty", kind: "the socket is looked for first"},
	// Configurations.
	{args: create, edit: bundle.Args("nosuch"), text: `exec: "nosuch": executable file not found in $PATH`},
	{args: create, edit: bundle.Args("/nosuch"), text: `exec: "/nosuch": `},
	{args: create, edit: bundle.Args("/etc/passwd"), text: `exec: "/etc/passwd": permission denied`},
	{args: create, edit: bundle.Args("/etc"), text: `exec: "/etc": `},
	{args: create, edit: bundle.Args(), text: "args must not be empty"},
	{args: create, edit: withProcess(func(p *specs.Process) { p.Cwd = "tmp" }), text: "Cwd must be an absolute path"},
	{args: create, edit: withProcess(func(p *specs.Process) { p.Cwd = "/bin/sh" }), text: "not a directory"},
	{args: create, edit: withProcess(func(p *specs.Process) { p.Env = []string{"X"} }), text: `"X"`},
	{args: create, edit: withProcess(func(p *specs.Process) { p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_X"}} }), text: "RLIMIT_X"},
	{args: create, edit: terminal, text: "cannot allocate tty if runc will detach without setting console socket"},
	{args: create, edit: func(s *specs.Spec) { s.Root.Path = "none" }, text: "no such file or directory"},
	{args: create, edit: bundle.Mount("/m", "bind", "/none", "bind"), text: "no such file or directory"},
	{args: create, edit: bundle.Mount("/m", "nofs", "x"), text: "no such device"},
	{args: create, edit: bundle.Mount("/m", "tmpfs", "x", "size=12x"), text: "invalid argument"},
	{args: create, edit: bundle.Mount("/proc/sys", "tmpfs", "x"), text: "#/mounts/7/destination: ", runc: "-"},
	{args: create, edit: bundle.Namespace(specs.IPCNamespace, "/none"), text: "no such file or directory"},
	{args: create, edit: bundle.WithoutNamespace(specs.UTSNamespace), text: "#/hostname: needs a uts namespace", runc: "unable to set hostname without a private UTS namespace"},
	{args: create, edit: func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"kernel.core_pattern": "x"} }, text: "kernel.core_pattern"},
	{args: create, edit: func(s *specs.Spec) { s.Linux.RootfsPropagation = "up" }, text: "up"},
	{args: create, edit: func(s *specs.Spec) { s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_X"} }, text: "SCMP_ACT_X"},
	{args: create, edit: func(s *specs.Spec) {
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: pointer[int64](64 << 20), Swap: pointer[int64](32 << 20)}
	}, text: "memory+swap limit should be >= memory limit", runc: "invalid argument"},
	{args: create, edit: func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/none"}}} }, text: "no such file or directory"},
	{args: create, edit: func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/false"}}} }, text: "exit status 1"},
}
