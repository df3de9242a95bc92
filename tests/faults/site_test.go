// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"corten/tests/bundle"
)

// limit of a command that a fault has hit, before it is said to hang.
var limit = bundle.Slow(5 * time.Second)

// site is where one container is made and broken over and over.
type site struct {
	t     *testing.T
	b     *bundle.Bundle // its payload stays
	again string         // bundle of a payload that ends
	in    *injector

	points, leaks, hangs, others int
}

func newSite(t *testing.T, in *injector, edits ...bundle.Edit) *site {
	t.Helper()
	s := &site{t: t, in: in, b: bundle.New(t, append(edits, bundle.Probe("pause"))...)}
	s.again = s.b.Home + "/again"
	ends := bundle.New(t, append(edits, bundle.Args("true"))...)
	if err := os.Rename(ends.Dir, s.again); err != nil {
		t.Fatal(err)
	}
	return s
}

// result of one command.
type result struct {
	status int
	hung   bool
	text   string // its standard error; of one that hangs, what every process does
}

// run runs a line, and kills what it has started when that hangs.
func (s *site) run(wrap []string, line string) result {
	s.t.Helper()
	return s.begin(wrap, line, "output")()
}

// begin starts a line; the result waits for its end. Its output goes to a file.
func (s *site) begin(wrap []string, line, output string) (wait func() result) {
	s.t.Helper()
	words := s.b.Command(s.words(line)...)
	words = slices.Insert(words, slices.Index(words, "--root")-1, wrap...) // behind those of a view
	out, err := os.Create(s.b.Home + "/" + output)
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, out, &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return func() (r result) {
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		patience := bundle.Patience(limit)
		if r.hung = !patience.Until(ended); r.hung {
			r.text = strings.Join(bundle.Processes(), "\n")
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
			r.status = cmd.ProcessState.ExitCode()
			return r
		}
		r.status = cmd.ProcessState.ExitCode()
		text, _ := os.ReadFile(out.Name())
		r.text = string(text)
		return r
	}
}

// left is what is still there after everything has had the time to end.
func (s *site) left(limit time.Duration) (left []string) {
	left = s.b.Leaks()
	for patience := bundle.Patience(limit); len(left) > 0 && patience.Rest(2*time.Millisecond); {
		left = s.b.Leaks()
	}
	return left
}

// visit lets a command go wrong at a point, deletes the container, and uses
// its id again.
func (s *site) visit(c *command, p point) {
	for _, line := range c.before {
		s.must(p, line)
	}
	pid := 0
	if c.attached {
		pid = s.b.State().PID
	}
	reached := s.b.Home + "/reached"
	wait := s.begin(s.in.injecting(p, pid, reached), c.line, "broken")
	if p.fault == "STOP" {
		s.release(p, reached)
	}
	r := wait()
	if os.Remove(reached) == nil { // it waits for others more often at one time than at another
		s.points++
	}
	if r.hung {
		s.hangs++
		s.fault(p, "hangs: "+r.text)
	} else if r.status != 0 && len(c.before) == 0 && !killed(p, r) && !(p.side == "runtime" && c.ends) {
		if left := s.left(limit); len(left) > 0 { // it has failed by itself: it undoes by itself
			s.leaks++
			s.fault(p, fmt.Sprintf("exit status %d and %q, but left behind:\n%s", r.status, r.text, strings.Join(left, "\n")))
		}
	}
	if r.status == 0 && p.fault != "STOP" && !s.is(c.then) && !(p.told && s.is("stopped")) {
		s.others++
		s.fault(p, fmt.Sprintf("exit status 0, but the container is not %q:\n%s", c.then, s.run(nil, "state ID").text))
	}
	s.clean(p)
}

// is reports whether the container gets to a status, in the time a signal takes.
func (s *site) is(status string) bool {
	return bundle.Eventually(func() bool {
		r := s.run(nil, "state ID")
		return r.status != 0 && status == "" || r.status == 0 && strings.Contains(r.text, `"status": "`+status+`"`)
	})
}

// release lets a command go on that waits for an executor which does not: that
// is what delete is for.
func (s *site) release(p point, reached string) {
	if bundle.Eventually(func() bool { _, err := os.Stat(reached); return err == nil }) {
		s.must(p, "delete --force ID")
	}
}

// killed reports whether the runtime was: Go ends a program that gets no thread.
func killed(p point, r result) bool {
	return p.side == "runtime" && (p.fault == "KILL" || r.status == 2 && strings.Contains(r.text, "\nfatal error: "))
}

// clean deletes by force, and looks for what is left.
func (s *site) clean(p point) {
	if !s.must(p, "delete --force ID") {
		s.repair()
		return
	}
	if left := s.left(limit); len(left) > 0 {
		s.leaks++
		s.fault(p, "delete --force has left behind:\n"+strings.Join(left, "\n"))
		s.repair()
		return
	}
	if !s.must(p, "run --bundle TRUE ID") || len(s.left(limit)) > 0 {
		s.repair()
	}
}

// must runs a line that has to succeed.
func (s *site) must(p point, line string) bool {
	r := s.run(nil, line)
	switch {
	case r.hung:
		s.hangs++
		s.fault(p, line+" hangs: "+r.text)
	case r.status != 0:
		s.others++
		s.fault(p, fmt.Sprintf("%s: exit status %d: %s", line, r.status, r.text))
	}
	return !r.hung && r.status == 0
}

// fault fails the test, and says at once where.
func (s *site) fault(p point, what string) {
	fmt.Printf("%v: %s\n", p, strings.TrimSpace(what))
	s.t.Fail()
}

// repair takes away what is left of the container, whoever made it: everybody
// else in this pid namespace, its cgroups, and its state.
func (s *site) repair() {
	for range 500 {
		for _, dir := range s.cgroups() {
			for file, text := range map[string]string{"cgroup.freeze": "0", "freezer.state": "THAWED", "cgroup.kill": "1"} {
				if f, err := os.OpenFile(dir+"/"+file, os.O_WRONLY, 0); err == nil {
					f.WriteString(text)
					f.Close()
				}
			}
		}
		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			if pid, err := strconv.Atoi(e.Name()); err == nil && pid != os.Getpid() {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		for _, dir := range s.cgroups() {
			syscall.Rmdir(dir)
		}
		entries, _ = os.ReadDir(s.b.Root)
		for _, e := range entries {
			if e.Name() != ".cache" {
				os.RemoveAll(filepath.Join(s.b.Root, e.Name()))
			}
		}
		if len(s.b.Leaks()) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("cannot be cleaned up: %s", strings.Join(s.b.Leaks(), "\n"))
}

// cgroups are the container's, the innermost first.
func (s *site) cgroups() (all []string) {
	filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, s.b.ID) {
			all = append(all, path)
		}
		return nil
	})
	slices.Reverse(all)
	return all
}
