// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// bench has what all contenders share.
type bench struct {
	dir    string   // temporary
	floor  string   // path of the floor program
	hello  string   // path of a Go program that does nothing
	output *os.File // stdin and stdout of what is measured
	errors *os.File // its stderr
}

const cgroupRoot = "/sys/fs/cgroup"

func newBench() (*bench, error) {
	dir, err := os.MkdirTemp("", "corten-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, floor: filepath.Join(dir, "floor"), hello: filepath.Join(dir, "hello")}
	if b.output, err = os.Create(filepath.Join(dir, "output")); err != nil {
		return nil, err
	}
	if b.errors, err = os.Create(filepath.Join(dir, "stderr")); err != nil {
		return nil, err
	}
	if out, err := exec.Command("gcc", "-static", "-O2", "-o", b.floor, "tests/bench/floor/floor.c").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gcc tests/bench/floor/floor.c: %w\n%s", err, out)
	}
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", b.hello, "./tests/bench/hello").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build ./tests/bench/hello: %w\n%s", err, out)
	}
	// What the runtimes keep is in memory, as it is below /run.
	if err := os.Mkdir(b.roots(), 0o711); err != nil {
		return nil, err
	}
	if err := unix.Mount("roots", b.roots(), "tmpfs", 0, ""); err != nil {
		return nil, fmt.Errorf("mount %s: %w", b.roots(), err)
	}
	engine, err := b.engine()
	if err != nil {
		return nil, err
	}
	for name, edit := range map[string]bundle.Edit{
		"plain": func(*specs.Spec) {},
		"sleep": bundle.Args("sleep", "1000"),
		"devices": func(s *specs.Spec) {
			s.Linux.Resources = &specs.LinuxResources{Devices: engine.Linux.Resources.Devices}
		},
		"engine": func(s *specs.Spec) {
			args, linux := s.Process.Args, *engine.Linux
			*s = *engine
			linux.Resources, linux.CgroupsPath = nil, "" // there need not be controllers
			s.Process.Args, s.Linux = args, &linux
		},
		"users": bundle.UserNamespace(100000),
		"binds": func(s *specs.Spec) {
			for i := range 100 {
				bundle.Mount(fmt.Sprintf("/dev/bind-%d", i), "bind", b.floor, "bind", "ro")(s)
			}
		},
		"small": func(*specs.Spec) {},
	} {
		if err := b.makeBundle(name, edit); err != nil {
			return nil, err
		}
	}
	return b, b.makeNothing()
}

// roots is the directory of the runtimes' --root.
func (b *bench) roots() string { return filepath.Join(b.dir, "roots") }

func (b *bench) remove() {
	b.output.Close()
	b.errors.Close()
	unix.Unmount(b.roots(), unix.MNT_DETACH)
	os.RemoveAll(b.dir)
}

// makeBundle makes the spec's default bundle, edited, with busybox and `true` as
// payload.
func (b *bench) makeBundle(name string, edit bundle.Edit) error {
	spec := bundle.Base()
	spec.Root.Readonly = true
	spec.Process.Args = []string{"true"}
	spec.Linux.Resources = nil
	bundle.Namespace(specs.CgroupNamespace, "")(spec)
	edit(spec)
	for _, d := range []string{"bin", "proc", "sys", "dev", "etc", "data"} {
		if err := os.MkdirAll(filepath.Join(b.bundle(name), "rootfs", d), 0o755); err != nil {
			return err
		}
	}
	for _, applet := range []string{"true", "sleep"} {
		if out, err := exec.Command("cp", "/bin/busybox", filepath.Join(b.bundle(name), "rootfs/bin", applet)).CombinedOutput(); err != nil {
			return fmt.Errorf("cp /bin/busybox: %w: %s", err, out)
		}
	}
	return b.configure(name, spec)
}

func (b *bench) configure(name string, spec *specs.Spec) error {
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.bundle(name), "config.json"), text, 0o644)
}

func (b *bench) bundle(name string) string { return filepath.Join(b.dir, name) }

// engine is docker's captured configuration, without its hook: its mounts,
// capabilities, sysctls, seccomp profile. The sources of its volumes are made.
func (b *bench) engine() (*specs.Spec, error) {
	text, err := os.ReadFile("tests/data/docker/config.json")
	if err != nil {
		return nil, err
	}
	var spec specs.Spec
	if err := json.Unmarshal(text, &spec); err != nil {
		return nil, err
	}
	spec.Hooks = nil
	for i, m := range spec.Mounts {
		if m.Type != "bind" {
			continue
		}
		source := filepath.Join(b.dir, m.Source)
		spec.Mounts[i].Source = source
		if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
			return nil, err
		}
		if m.Destination == "/data" {
			err = os.Mkdir(source, 0o755)
		} else {
			err = os.WriteFile(source, nil, 0o644)
		}
		if err != nil {
			return nil, err
		}
	}
	return &spec, nil
}

// contenders are the floor and the runtimes that are there.
func (b *bench) contenders(corten string, extra []string) []*contender {
	all := []*contender{{name: "floor", path: b.floor}}
	add := func(name, path string) {
		found, err := exec.LookPath(path)
		if err == nil {
			found, err = filepath.Abs(found)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: without %s: %v\n", name, err)
			return
		}
		c := &contender{name: name, path: found, root: filepath.Join(b.roots(), name)}
		for i := range all {
			if all[i].name == name {
				all[i] = c
				return
			}
		}
		all = append(all, c)
	}
	add("corten", corten)
	add("crun", "crun")
	add("runc", "runc")
	for _, e := range extra {
		name, path, _ := strings.Cut(e, "=")
		add(name, path)
	}
	return all
}

func (c *contender) words(words ...string) []string {
	return append([]string{c.path, "--root", c.root}, words...)
}

func (b *bench) lastError() string {
	text, _ := os.ReadFile(b.errors.Name())
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

func id(c *contender, round int) string {
	return fmt.Sprintf("bench-%d-%s-%d", os.Getpid(), c.name, round)
}

func runTask(name, bundle string, floor bool) task {
	return task{name: name, floor: floor, words: func(b *bench, c *contender, round int) [][]string {
		if c.name == "floor" {
			return [][]string{{c.path, "run", b.bundle(bundle), filepath.Join(cgroupRoot, id(c, round)), "true"}}
		}
		return [][]string{c.words("run", "--bundle", b.bundle(bundle), id(c, round))}
	}}
}

// many is how many containers there are when they are listed, and when one
// more runs beside them.
const many = 500

func tasks() []task {
	beside := runTask(fmt.Sprintf("run beside %d containers", many), "plain", true)
	beside.before = func(b *bench, c *contender) error {
		if c.name != "corten" {
			return nil
		}
		return beginMany(b, c)
	}
	beside.after = endMany
	// Half before and half after it: between the two rows the machine is no other.
	run := runTask("run", "plain", true)
	run.share = 2
	return []task{
		run,
		beside,
		run,
		runTask("run with device rules", "devices", false),
		runTask("run as an engine configures it", "engine", false),
		runTask("run with 100 bind mounts", "binds", false),
		runTask("run in a user namespace", "users", false),
		{name: "exec", floor: true, before: beginExec, after: endExec,
			words: func(b *bench, c *contender, round int) [][]string {
				if c.name == "floor" {
					return [][]string{{c.path, "exec", strconv.Itoa(c.pid), filepath.Join(cgroupRoot, "bench-exec"), "true"}}
				}
				return [][]string{c.words("exec", id(c, 0), "true")}
			}},
		{name: "create, start, state, kill, state, delete", words: func(b *bench, c *contender, round int) [][]string {
			return [][]string{
				c.words("create", "--bundle", b.bundle("sleep"), id(c, round)),
				c.words("start", id(c, round)),
				c.words("state", id(c, round)),
				c.words("kill", id(c, round), "KILL"),
				c.words("state", id(c, round)),
				c.words("delete", "--force", id(c, round)),
			}
		}},
		{name: "32 runs, 8 at a time", abreast: 8, share: 2, words: func(b *bench, c *contender, round int) (all [][]string) {
			for i := range 32 {
				all = append(all, c.words("run", "--bundle", b.bundle("plain"), fmt.Sprintf("%s-%d", id(c, round), i)))
			}
			return all
		}},
		// Its floor is a Go program that does nothing.
		{name: "state", floor: true, before: beginExec, after: endExec,
			words: func(b *bench, c *contender, round int) [][]string {
				if c.name == "floor" {
					return [][]string{{b.hello}}
				}
				return [][]string{c.words("state", id(c, 0))}
			}},
		{name: fmt.Sprintf("list -q of %d", many), share: 4, before: beginMany, after: endMany,
			words: func(b *bench, c *contender, round int) [][]string { return [][]string{c.words("list", "-q")} }},
	}
}

func beginMany(b *bench, c *contender) error {
	for i := range many {
		if err := b.command(c.words("run", "--detach", "--bundle", b.bundle("sleep"), id(c, -i-1))); err != nil {
			return err
		}
	}
	return nil
}

func endMany(b *bench, c *contender) {
	if c.name == "floor" {
		return
	}
	names, _ := os.ReadDir(c.root)
	for _, n := range names {
		exec.Command(c.path, "--root", c.root, "delete", "--force", n.Name()).Run()
	}
}

// beginExec starts the container to exec into. The floor program has one that
// its own run made, in a cgroup of a fixed name.
func beginExec(b *bench, c *contender) error {
	if c.name == "floor" {
		cmd := exec.Command(c.path, "run", b.bundle("plain"), filepath.Join(cgroupRoot, "bench-exec"), "sleep", "1000")
		if err := cmd.Start(); err != nil {
			return err
		}
		for range 500 {
			text, _ := os.ReadFile(filepath.Join(cgroupRoot, "bench-exec/cgroup.procs"))
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
				if string(comm) == "sleep\n" {
					c.pid = pid
					return nil
				}
			}
			exec.Command("sleep", "0.01").Run()
		}
		return fmt.Errorf("no container")
	}
	return b.command(c.words("run", "--detach", "--bundle", b.bundle("sleep"), id(c, 0)))
}

// discard undoes what a failed round left.
func discard(c *contender, round int) {
	if c.name != "floor" {
		exec.Command(c.path, "--root", c.root, "delete", "--force", id(c, round)).Run()
	}
	os.Remove(filepath.Join(cgroupRoot, id(c, round)))
}

func endExec(b *bench, c *contender) {
	if c.name != "floor" {
		exec.Command(c.path, "--root", c.root, "delete", "--force", id(c, 0)).Run()
		return
	}
	if c.pid > 0 {
		os.WriteFile(filepath.Join(cgroupRoot, "bench-exec/cgroup.kill"), []byte("1"), 0)
	}
	for range 100 {
		if os.Remove(filepath.Join(cgroupRoot, "bench-exec")) == nil {
			return
		}
		exec.Command("sleep", "0.01").Run()
	}
}
