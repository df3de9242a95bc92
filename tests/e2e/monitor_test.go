// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// monitorEnv names the scenario that this program, run again, plays: it is then
// a container's monitor, as containerd's shim and conmon are. They are
// subreapers, have the runtime die with them, and reap the container.
const monitorEnv = "CORTEN_TESTS_MONITOR"

// monitor is in a process of its own. Its methods end it, with words on stderr.
type monitor struct {
	id, dir, home string
	command       []string // of the runtime, with its global options
	stdout        *os.File // the container's, to read
	ended         map[int]syscall.WaitStatus
}

func monitorMain(scenario string) {
	runtime.LockOSThread() // PDEATHSIG is of the thread that forks
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	m := &monitor{id: os.Getenv("MONITOR_ID"), dir: os.Getenv("MONITOR_BUNDLE"), home: os.Getenv("MONITOR_HOME"), ended: map[int]syscall.WaitStatus{}}
	m.command = strings.Split(os.Getenv("MONITOR_COMMAND"), "\n")
	scenarios[scenario](m)
	fmt.Println("done")
}

// must ends the scenario unless ok.
func (m *monitor) must(ok bool, words ...any) {
	if !ok {
		_, file, line, _ := runtime.Caller(1)
		fmt.Fprintln(os.Stderr, append([]any{fmt.Sprintf("%s:%d:", filepath.Base(file), line)}, words...)...)
		os.Exit(1)
	}
}

func (m *monitor) file(name string) string { return filepath.Join(m.home, name) }

// words are those of a command line, ID standing for the container's.
func (m *monitor) words(line string) []string {
	words := strings.Fields(line)
	for i, w := range words {
		words[i] = strings.NewReplacer("ID", m.id, "BUNDLE", m.dir, "HOME", m.home).Replace(w)
	}
	return words
}

// start runs the runtime, as go-runc and conmon do.
func (m *monitor) start(line string, in, out, errs *os.File, env ...string) *exec.Cmd {
	words := append(append([]string{}, m.command...), m.words(line)...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = env
	if in != nil {
		cmd.Stdin = in
	}
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := cmd.Start()
	m.must(err == nil, line, err)
	return cmd
}

// result of a command whose output is its own.
type result struct {
	stdout, stderr string
	status         int
}

// call runs a command on the container, with the few variables that podman and
// CRI-O give it, and its output in files.
func (m *monitor) call(line, input string) result {
	var r result
	var files [3]*os.File
	for i, name := range []string{"call.in", "call.out", "call.err"} {
		f, err := os.Create(m.file(name))
		m.must(err == nil, err)
		files[i] = f
		defer f.Close()
	}
	files[0].WriteString(input)
	files[0].Seek(0, 0)
	cmd := m.start(line, files[0], files[1], files[2], "XDG_RUNTIME_DIR="+m.home)
	r.status = m.reap(cmd.Process.Pid)
	out, _ := os.ReadFile(m.file("call.out"))
	errs, _ := os.ReadFile(m.file("call.err"))
	r.stdout, r.stderr = string(out), string(errs)
	return r
}

// ok is call of a command that must go well and be silent on stderr.
func (m *monitor) ok(line string) string {
	r := m.call(line, "")
	m.must(r.status == 0 && r.stderr == "", line, r)
	return r.stdout
}

// reap waits for a child, or for an orphan that has become one, and returns its
// exit status; 128+n for signal n. Others that end meanwhile are reaped, too: a
// dead orphan holds up the end of its pid namespace.
func (m *monitor) reap(pid int) int {
	for patience := bundle.Patience(bundle.Deadline); ; {
		if ws, ok := m.ended[pid]; ok {
			delete(m.ended, pid)
			if ws.Signaled() {
				return 128 + int(ws.Signal())
			}
			return ws.ExitStatus()
		}
		var ws syscall.WaitStatus
		got, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		m.must(err == nil || err == syscall.EINTR, "wait for", pid, err)
		if got > 0 {
			m.ended[got] = ws
			continue
		}
		m.must(patience.Rest(time.Millisecond), pid, "does not end\n", strings.Join(bundle.Processes(), "\n"))
	}
}

// create makes the container with its streams on a pipe. When the runtime is
// gone its first process is the monitor's, and where it belongs.
func (m *monitor) create(flags string) (pid int) {
	read, write, err := os.Pipe()
	m.must(err == nil, err)
	cmd := m.start("create --bundle BUNDLE --pid-file HOME/pid "+flags+" ID", nil, write, write, os.Environ()...)
	write.Close()
	m.stdout = read
	status := m.reap(cmd.Process.Pid)
	m.must(status == 0, "create", status, m.log())
	pid = m.pid("pid")
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	m.must(strings.Contains(string(text), "/"+m.id+"\n"), "cgroup", string(text))
	return pid
}

// pid reads a pid file the strict way, and finds its process to be a child.
func (m *monitor) pid(name string) int {
	text, err := os.ReadFile(m.file(name))
	m.must(err == nil, err)
	pid, err := strconv.Atoi(string(text)) // go-runc: no newline
	m.must(err == nil && pid > 0, name, string(text))
	if _, ended := m.ended[pid]; ended {
		return pid // reaped together with the runtime: it was a child
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	m.must(err == nil, err)
	parent := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))[2]
	m.must(parent == strconv.Itoa(os.Getpid()), "parent of", pid, "is", parent, "not", os.Getpid())
	return pid
}

// missing finds that there is no such file.
func (m *monitor) missing(name string) {
	_, err := os.Lstat(m.file(name))
	m.must(os.IsNotExist(err), name, "is there:", err)
}

func (m *monitor) log() string {
	text, _ := os.ReadFile(m.file("log.json"))
	return string(text)
}

// printed waits until the container has printed the text.
func (m *monitor) printed(text string) {
	m.stdout.SetReadDeadline(time.Now().Add(bundle.Deadline))
	all := ""
	for buf := make([]byte, 4096); !strings.Contains(all, text); {
		n, err := m.stdout.Read(buf)
		all += string(buf[:n])
		m.must(err == nil, "printed", strconv.Quote(all), err)
	}
}

// process writes a --process file.
func (m *monitor) process(name string, edit func(*specs.Process), args ...string) {
	p := bundle.Base().Process
	p.Args = args
	if edit != nil {
		edit(p)
	}
	text, err := json.Marshal(p)
	m.must(err == nil, err)
	m.must(os.WriteFile(m.file(name), text, 0o600) == nil, name)
}

// state is what CRI-O reads of it.
func (m *monitor) state() specs.State {
	var s specs.State
	err := json.Unmarshal([]byte(m.ok("state ID")), &s)
	m.must(err == nil && s.ID == m.id && s.Bundle == m.dir, s, err)
	return s
}
