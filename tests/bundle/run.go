// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Deadline of one command of the runtime.
var Deadline = Slow(30 * time.Second)

// Slow is d, or $CORTEN_SLOW times d on a machine that is as much slower than
// any of today: the deadlines of a test only end what hangs.
func Slow(d time.Duration) time.Duration {
	if factor, err := strconv.Atoi(os.Getenv("CORTEN_SLOW")); err == nil {
		d *= time.Duration(factor)
	}
	return d
}

// Result is what a command of the runtime left behind.
type Result struct {
	Stdout, Stderr string
	Status         int // exit status, 128+n for signal n, -1 when it never ended
}

// Options of a command. The zero value: no input, the tests' environment.
type Options struct {
	Stdin      io.Reader
	Env        []string // added
	Dir        string
	ExtraFiles []*os.File // from fd 3 on
	Stdout     *os.File   // instead of Result.Stdout
	Deadline   time.Duration
	Wrap       []string // words before the runtime's path
}

// Corten runs the runtime with the bundle's --root and waits for it.
func (b *Bundle) Corten(args ...string) Result {
	b.t.Helper()
	return b.CortenWith(Options{}, args...)
}

// CortenWith is Corten with options.
func (b *Bundle) CortenWith(o Options, args ...string) Result {
	b.t.Helper()
	return b.Begin(o, args...).Wait()
}

// Run runs the container in the foreground: `run FLAGS --bundle DIR ID`.
func (b *Bundle) Run(flags ...string) Result {
	b.t.Helper()
	return b.Corten(b.verb("run", flags)...)
}

// RunOK is Run that must exit 0; it returns stdout.
func (b *Bundle) RunOK(flags ...string) string {
	b.t.Helper()
	return b.Run(flags...).OK(b).Stdout
}

// Create creates the container; its stdout and stderr go to files that Output reads.
func (b *Bundle) Create(flags ...string) {
	b.t.Helper()
	b.Corten(b.verb("create", flags)...).OK(b)
}

// Start starts the created container.
func (b *Bundle) Start() {
	b.t.Helper()
	b.Corten("start", b.ID).OK(b)
}

// Detach runs the container and leaves it running.
func (b *Bundle) Detach(flags ...string) {
	b.t.Helper()
	b.Run(append([]string{"--detach"}, flags...)...).OK(b)
}

// Exec runs a command in the container: `exec FLAGS-AND-WORDS`, the id being
// put where the word "ID" stands.
func (b *Bundle) Exec(words ...string) Result {
	b.t.Helper()
	args := []string{"exec"}
	for _, w := range words {
		if w == "ID" {
			w = b.ID
		}
		args = append(args, w)
	}
	return b.Corten(args...)
}

func (b *Bundle) verb(verb string, flags []string) []string {
	args := append([]string{verb}, flags...)
	return append(args, "--bundle", b.Dir, b.ID)
}

// OK fails the test unless the command's exit status is 0.
func (r Result) OK(b *Bundle) Result {
	b.t.Helper()
	if r.Status != 0 {
		b.t.Fatalf("exit status %d\nstderr: %s\nstdout: %s", r.Status, r.Stderr, tail(r.Stdout, 2000))
	}
	return r
}

// Process is a command of the runtime that has not been waited for.
type Process struct {
	Cmd    *exec.Cmd
	b      *Bundle
	out    string
	err    string
	limit  time.Duration
	exited chan error
	check  *checked
}

// Uses makes the bundle's commands those of another runtime.
func (b *Bundle) Uses(path string) { b.runtime = path }

// Command is the words of a command line of the runtime.
func (b *Bundle) Command(args ...string) []string {
	words := slices.Concat(b.in, b.View.command(), b.as)
	if b.runtime == "" {
		b.runtime = Runtime(b.t)
	}
	words = append(words, b.runtime, "--root", b.Root)
	return append(words, args...)
}

// Begin starts the runtime without waiting. Its output goes to files, so that
// a container which keeps them open keeps nobody waiting.
func (b *Bundle) Begin(o Options, args ...string) *Process {
	b.t.Helper()
	b.runs++
	p := &Process{b: b, limit: o.Deadline, exited: make(chan error, 1)}
	if p.limit == 0 {
		p.limit = Deadline
	}
	p.out = filepath.Join(b.Home, fmt.Sprintf("out.%d", b.runs))
	p.err = filepath.Join(b.Home, fmt.Sprintf("err.%d", b.runs))
	words := append(append([]string{}, o.Wrap...), b.Command(args...)...)
	p.check = b.check(o, args)
	p.Cmd = exec.Command(words[0], words[1:]...)
	p.Cmd.Env = append(os.Environ(), o.Env...)
	p.Cmd.Dir, p.Cmd.Stdin, p.Cmd.ExtraFiles = o.Dir, o.Stdin, o.ExtraFiles
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := os.Create(p.err)
	b.must(err)
	defer stderr.Close()
	p.Cmd.Stderr = stderr
	if p.Cmd.Stdout = o.Stdout; o.Stdout == nil {
		stdout, err := os.Create(p.out)
		b.must(err)
		defer stdout.Close()
		p.Cmd.Stdout = stdout
	}
	b.must(p.Cmd.Start())
	go func() { p.exited <- p.Cmd.Wait() }()
	return p
}

// Wait waits for the command to end. Past its deadline it is killed, and the
// test fails with what every process was doing.
func (p *Process) Wait() Result {
	p.b.t.Helper()
	patience := Patience(p.limit)
	if !patience.Until(p.exited) {
		doing := Processes()
		syscall.Kill(-p.Cmd.Process.Pid, syscall.SIGKILL)
		p.b.t.Fatalf("%s: still running after %v\n%s\nstdout: %s\nstderr: %s", strings.Join(p.Cmd.Args, " "),
			p.limit, strings.Join(doing, "\n"), tail(p.Stdout(), 2000), tail(read(p.err), 2000))
	}
	ws := p.Cmd.ProcessState.Sys().(syscall.WaitStatus)
	r := Result{Status: ws.ExitStatus()}
	if ws.Signaled() {
		r.Status = 128 + int(ws.Signal())
	}
	r.Stdout, r.Stderr = p.Stdout(), read(p.err)
	p.compare(r)
	return r
}

// Stdout is what has come so far.
func (p *Process) Stdout() string { return read(p.out) }

// WaitFor waits until stdout has the text.
func (p *Process) WaitFor(text string) {
	p.b.t.Helper()
	if !Eventually(func() bool { return strings.Contains(p.Stdout(), text) }) {
		p.b.t.Fatalf("no %q on stdout, but:\n%s\nstderr: %s", text, tail(p.Stdout(), 2000), tail(read(p.err), 2000))
	}
}

// Signal sends a signal to the runtime, not to its process group.
func (p *Process) Signal(n syscall.Signal) {
	p.b.t.Helper()
	p.b.must(p.Cmd.Process.Signal(n))
}

// Output is the stdout of the n-th command of the runtime from the last; 0 is the last.
func (b *Bundle) Output(n int) string {
	return read(filepath.Join(b.Home, fmt.Sprintf("out.%d", b.runs-n)))
}

// State is the decoded output of `state`.
type State struct {
	OCIVersion, ID, Status, Bundle, Rootfs, Created, Owner string
	PID                                                    int
	Annotations                                            map[string]string
}

// State asks the runtime.
func (b *Bundle) State() State {
	b.t.Helper()
	var s State
	out := b.Corten("state", b.ID).OK(b).Stdout
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		b.t.Fatalf("state: %v\n%s", err, out)
	}
	return s
}

// WaitStatus waits until the container's status is the one given.
func (b *Bundle) WaitStatus(status string) {
	b.t.Helper()
	if !Eventually(func() bool { return b.State().Status == status }) {
		b.t.Fatalf("status is %s, not %s\n%s", b.State().Status, status, strings.Join(Processes(), "\n"))
	}
}

// Eventually tries for Slow(5 s) until the condition holds.
func Eventually(condition func() bool) bool {
	for patience := Patience(Slow(5 * time.Second)); ; {
		if condition() {
			return true
		}
		if !patience.Rest(10 * time.Millisecond) {
			return condition()
		}
	}
}

// Processes describes every process but the tests' own: pid, parent, state,
// name, and where it waits.
func Processes() []string {
	var all []string
	for _, pid := range pids() {
		stat := read(fmt.Sprintf("/proc/%d/stat", pid))
		open, end := strings.Index(stat, "("), strings.LastIndex(stat, ")")
		if open < 0 || end < 0 {
			continue
		}
		fields := strings.Fields(stat[end+1:])
		line := strings.ReplaceAll(read(fmt.Sprintf("/proc/%d/cmdline", pid)), "\x00", " ")
		all = append(all, fmt.Sprintf("%d parent %s %s (%s) %s waits in %s", pid, fields[1], fields[0],
			stat[open+1:end], line, read(fmt.Sprintf("/proc/%d/wchan", pid))))
	}
	return all
}

func pids() []int {
	var all []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != os.Getpid() {
			all = append(all, pid)
		}
	}
	return all
}

func read(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

// Text is a file's content without the newline at its end; the test fails if
// it cannot be read.
func (b *Bundle) Text(path string) string {
	b.t.Helper()
	text, err := os.ReadFile(path)
	b.must(err)
	return strings.TrimSuffix(string(text), "\n")
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// Raw is a file's whole content; the test fails if it cannot be read.
func (b *Bundle) Raw(path string) string {
	b.t.Helper()
	text, err := os.ReadFile(path)
	b.must(err)
	return string(text)
}
