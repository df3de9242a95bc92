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
	output *os.File // stdin and stdout of what is measured
	errors *os.File // its stderr
}

const cgroupRoot = "/sys/fs/cgroup"

func newBench() (*bench, error) {
	dir, err := os.MkdirTemp("", "corten-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, floor: filepath.Join(dir, "floor")}
	if b.output, err = os.Create(filepath.Join(dir, "output")); err != nil {
		return nil, err
	}
	if b.errors, err = os.Create(filepath.Join(dir, "stderr")); err != nil {
		return nil, err
	}
	if out, err := exec.Command("gcc", "-static", "-O2", "-o", b.floor, "tests/bench/floor/floor.c").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gcc tests/bench/floor/floor.c: %w\n%s", err, out)
	}
	profile, err := engineProfile()
	if err != nil {
		return nil, err
	}
	for name, edit := range map[string]bundle.Edit{
		"plain":   func(*specs.Spec) {},
		"sleep":   bundle.Args("sleep", "1000"),
		"seccomp": func(s *specs.Spec) { s.Linux.Seccomp = profile },
		"users":   bundle.UserNamespace(100000),
		"binds": func(s *specs.Spec) {
			for i := range 100 {
				bundle.Mount(fmt.Sprintf("/dev/bind-%d", i), "bind", b.floor, "bind", "ro")(s)
			}
		},
	} {
		if err := b.makeBundle(name, edit); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *bench) remove() {
	b.output.Close()
	b.errors.Close()
	os.RemoveAll(b.dir)
}

// makeBundle makes the spec's default bundle, edited, with busybox and `true` as
// payload.
func (b *bench) makeBundle(name string, edit bundle.Edit) error {
	spec := bundle.Base()
	spec.Root.Readonly = true
	spec.Process.Args = []string{"true"}
	bundle.Namespace(specs.CgroupNamespace, "")(spec)
	edit(spec)
	if !mayLockMemory() {
		spec.Linux.Resources = nil
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	for _, d := range []string{"bin", "proc", "sys", "dev"} {
		if err := os.MkdirAll(filepath.Join(b.bundle(name), "rootfs", d), 0o755); err != nil {
			return err
		}
	}
	for _, applet := range []string{"true", "sleep"} {
		if out, err := exec.Command("cp", "/bin/busybox", filepath.Join(b.bundle(name), "rootfs/bin", applet)).CombinedOutput(); err != nil {
			return fmt.Errorf("cp /bin/busybox: %w: %s", err, out)
		}
	}
	return os.WriteFile(filepath.Join(b.bundle(name), "config.json"), text, 0o644)
}

// mayLockMemory says whether crun can load a device program: Debian's raises
// RLIMIT_MEMLOCK for it. Where it may not, the bundle has no device rules.
func mayLockMemory() bool {
	var limit unix.Rlimit
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil && limit.Max == unix.RLIM_INFINITY ||
		unix.Capget(&header, &sets[0]) == nil && sets[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

func (b *bench) bundle(name string) string { return filepath.Join(b.dir, name) }

// engineProfile is docker's default filter, from the captured configuration.
func engineProfile() (*specs.LinuxSeccomp, error) {
	text, err := os.ReadFile("tests/data/docker/config.json")
	if err != nil {
		return nil, err
	}
	var spec specs.Spec
	err = json.Unmarshal(text, &spec)
	return spec.Linux.Seccomp, err
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
		c := &contender{name: name, path: found, root: filepath.Join(b.dir, "root-"+name)}
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

// listed is how many containers there are when they are listed.
const listed = 150

func tasks() []task {
	return []task{
		runTask("run", "plain", true),
		runTask("run with an engine's seccomp profile", "seccomp", false),
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
		runTask("run with 100 bind mounts", "binds", false),
		runTask("run in a user namespace", "users", false),
		{name: "32 runs, 8 at a time", abreast: 8, share: 4, words: func(b *bench, c *contender, round int) (all [][]string) {
			for i := range 32 {
				all = append(all, c.words("run", "--bundle", b.bundle("plain"), fmt.Sprintf("%s-%d", id(c, round), i)))
			}
			return all
		}},
		{name: "state", before: beginExec, after: endExec,
			words: func(b *bench, c *contender, round int) [][]string { return [][]string{c.words("state", id(c, 0))} }},
		{name: fmt.Sprintf("list -q of %d", listed), share: 4, before: beginList, after: endList,
			words: func(b *bench, c *contender, round int) [][]string { return [][]string{c.words("list", "-q")} }},
	}
}

func beginList(b *bench, c *contender) error {
	for i := range listed {
		if err := b.command(c.words("create", "--bundle", b.bundle("plain"), id(c, i))); err != nil {
			return err
		}
	}
	return nil
}

func endList(b *bench, c *contender) {
	for i := range listed {
		discard(c, i)
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
