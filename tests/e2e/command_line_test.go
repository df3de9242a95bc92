// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// pidfds listens for one, and returns what came with it and the pid it is of.
func pidfds(t *testing.T, path string) (receive func() (payload string, pid int)) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return func() (string, int) {
		t.Helper()
		conn, err := listener.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		payload, oob := make([]byte, 64), make([]byte, 64)
		n, on, _, _, err := conn.ReadMsgUnix(payload, oob)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := unix.ParseSocketControlMessage(oob[:on])
		if err != nil || len(messages) != 1 {
			t.Fatal(err, messages)
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil || len(fds) != 1 {
			t.Fatal(err, fds)
		}
		defer unix.Close(fds[0])
		text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fds[0]))
		if err != nil {
			t.Fatal(err)
		}
		pid := 0
		for line := range strings.Lines(string(text)) {
			fmt.Sscanf(line, "Pid: %d", &pid)
		}
		return string(payload[:n]), pid
	}
}

func TestAPidfdOfThePayloadIsSent(t *testing.T) {
	bundle.NeedCorten(t) // Debian's runc is older
	b := bundle.NewEmpty(t)
	flag, annotation, exec := filepath.Join(b.Home, "1.sock"), filepath.Join(b.Home, "2.sock"), filepath.Join(b.Home, "3.sock")
	spec := bundle.Base()
	spec.Process.Args = []string{"probe", "pause"}
	spec.Annotations = map[string]string{"run.oci.pidfd_receiver": annotation}
	b.Write(spec)
	if r := b.Corten("create", "--pidfd-socket", flag, "--bundle", b.Dir, b.ID); r.Status != 1 || !strings.HasPrefix(r.Stderr, "corten: --pidfd-socket: "+flag+": connect: ") {
		t.Errorf("nobody listens: status %d, %s", r.Status, r.Stderr)
	}
	byFlag := pidfds(t, flag)
	if r := b.Corten("create", "--bundle", b.Dir, b.ID); r.Status != 1 || !strings.HasPrefix(r.Stderr, "corten: config.json#/annotations/run.oci.pidfd_receiver: ") {
		t.Errorf("nobody listens: status %d, %s", r.Status, r.Stderr)
	}
	byAnnotation := pidfds(t, annotation)
	b.Create("--pidfd-socket", flag)
	for _, receive := range []func() (string, int){byFlag, byAnnotation} {
		if payload, pid := receive(); payload != "standard" || pid != b.State().PID {
			t.Errorf("%q, pid %d, not %d", payload, pid, b.State().PID)
		}
	}
	b.Start()
	byExec := pidfds(t, exec)
	file := filepath.Join(b.Home, "pid")
	b.Exec("--detach", "--pid-file", file, "--pidfd-socket", exec, "ID", "sleep", "100").OK(b)
	if payload, pid := byExec(); payload != "setns" || fmt.Sprint(pid) != b.Text(file) {
		t.Errorf("%q, pid %d, not %s", payload, pid, b.Text(file))
	}
}

func TestTheConfigurationMayHaveAnotherName(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.NewEmpty(t)
	spec := bundle.Base()
	spec.Process.Args, spec.Process.Env = []string{"probe", "pause"}, []string{"PATH=/bin", "FROM=another"}
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(b.Home, "another.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	// A relative one is the caller's, not the bundle's.
	b.CortenWith(bundle.Options{Dir: b.Home}, "create", "--config", "another.json", "--bundle", b.Dir, b.ID).OK(b)
	b.Start()
	if out := b.Exec("ID", "sh", "-c", "echo $FROM").OK(b).Stdout; out != "another\n" {
		t.Errorf("exec has FROM=%s", out)
	}
	r := b.Corten("run", "--config", file+".no", "--bundle", b.Dir, b.AnotherID())
	if r.Status != 1 || r.Stderr != "corten: JSON specification file another.json.no not found in "+b.Home+"\n" {
		t.Errorf("status %d, %q", r.Status, r.Stderr)
	}
}

// What the bundle says now is what an exec without --process is like.
func TestExecIsLikeTheBundlesProcessOfToday(t *testing.T) {
	b := running(t)
	spec := bundle.Base()
	spec.Process.Env, spec.Process.Cwd = []string{"PATH=/bin", "WHEN=now"}, "/tmp"
	spec.Process.User = specs.User{UID: 5, GID: 6}
	b.Write(spec)
	const script = "echo $WHEN; pwd; id -u"
	if out := b.Exec("ID", "sh", "-c", script).OK(b).Stdout; out != "now\n/tmp\n5\n" {
		t.Errorf("printed %q", out)
	}
	if !bundle.IsCorten(t) {
		return
	}
	b.WriteText([]byte(`{"ociVersion":"1.0.0","process":{"cwd":5}}`))
	if r := b.Exec("ID", "true"); r.Status != 255 || !strings.HasPrefix(r.Stderr, "corten: config.json#/process/cwd: ") {
		t.Errorf("with a broken one: status %d, %q", r.Status, r.Stderr)
	}
	if err := os.Remove(filepath.Join(b.Dir, "config.json")); err != nil {
		t.Fatal(err)
	}
	if out := b.Exec("ID", "sh", "-c", script).OK(b).Stdout; out != "\n/\n0\n" {
		t.Errorf("without the bundle's: printed %q", out)
	}
}

// A payload that gives controllers to cgroups below its own has moved into one
// of them: that is where an exec goes, unless it is told where to.
func TestExecFollowsTheContainerIntoItsCgroup(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe("pause"))
	if b.View = bundle.V2; len(bundle.Views()) == 1 {
		b.View = bundle.Host
	}
	controller := ""
	for _, name := range []string{"pids", "memory", "hugetlb", "cpu", "rdma", "misc"} {
		if has, unified := b.View.Has(name); has && unified {
			controller = name
		}
	}
	if controller == "" {
		t.Skip("the v2 hierarchy has no controller")
	}
	b.Detach()
	path := ""
	for line := range strings.Lines(b.Text(fmt.Sprintf("/proc/%d/cgroup", b.State().PID))) {
		if rest, found := strings.CutPrefix(line, "0::"); found {
			path = strings.TrimSpace(rest)
		}
	}
	dir := bundle.CgroupDir("", path)
	if err := os.Mkdir(filepath.Join(dir, "init"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	write("init/cgroup.procs", fmt.Sprint(b.State().PID))
	write("cgroup.subtree_control", "+"+controller)
	if out := b.Exec("ID", "cat", "/proc/self/cgroup").OK(b).Stdout; !strings.Contains(out, "0::"+path+"/init\n") {
		t.Errorf("exec is in\n%s", out)
	}
	if r := b.Exec("--cgroup", "/", "ID", "true"); r.Status != 255 || !strings.Contains(r.Stderr, "device or resource busy") {
		t.Errorf("exec --cgroup /: status %d, %s", r.Status, r.Stderr)
	}
	write("cgroup.subtree_control", "-"+controller)
}

// On v1 each hierarchy may be told where.
func TestExecTakesACgroupForEachControllerOfV1(t *testing.T) {
	bundle.NeedCorten(t)
	if has, unified := bundle.Host.Has("pids"); !has || unified {
		t.Skip("this machine has no cgroup v1")
	}
	b := running(t)
	for _, controller := range []string{"pids", "freezer"} {
		if err := os.Mkdir(filepath.Join(cgroupOf(t, b, controller), "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out := b.Exec("--cgroup", "pids:sub", "ID", "cat", "/proc/self/cgroup").OK(b).Stdout
	if !strings.Contains(out, ":pids:") || strings.Count(out, "/"+b.ID+"/sub\n") != 1 {
		t.Errorf("exec is in\n%s", out)
	}
	if out := b.Exec("--cgroup", "pids,freezer:/sub", "ID", "cat", "/proc/self/cgroup").OK(b).Stdout; strings.Count(out, "/"+b.ID+"/sub\n") != 2 {
		t.Errorf("exec is in\n%s", out)
	}
	for _, word := range []string{"nosuch:sub", "pids,nosuch:sub", "memory:sub", "pids:../sub"} {
		if r := b.Exec("--cgroup", word, "ID", "true"); r.Status != 255 || !strings.HasPrefix(r.Stderr, "corten: --cgroup ") {
			t.Errorf("%s: status %d, %s", word, r.Status, r.Stderr)
		}
	}
}

func TestKillAndDeleteTakeARegularExpression(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe("pause"))
	first, second := b.AnotherID(), b.AnotherID()
	for _, id := range []string{first, second, b.ID} {
		b.Corten("run", "-d", "--bundle", b.Dir, id).OK(b)
	}
	two := "^(" + first + "|" + second + ")$"
	if r := b.Corten("delete", "--regex", two); r.Status != 1 || strings.Count(r.Stderr, "cannot delete container") != 2 || strings.Count(r.Stderr, "\n") != 1 {
		t.Errorf("delete of running ones: status %d, %q", r.Status, r.Stderr)
	}
	b.Corten("kill", "-r", two, "KILL").OK(b)
	status := func() string { return b.Corten("list", "-f", "json").Stdout }
	if !bundle.Eventually(func() bool { return strings.Count(status(), `"stopped"`) == 2 }) || b.State().Status != "running" {
		t.Errorf("after kill: %s", status())
	}
	b.Corten("delete", "-r", two).OK(b)
	if out := b.Corten("list", "-q").OK(b).Stdout; out != b.ID+"\n" {
		t.Errorf("left: %q", out)
	}
	b.Corten("delete", "-r", "-f", "nobody").OK(b)
	b.Corten("delete", "-r", "-f", ".").OK(b)
	if out := b.Corten("list", "-q").OK(b).Stdout; out != "" {
		t.Errorf("left: %q", out)
	}
}

func TestTheLogMayBeTheJournal(t *testing.T) {
	bundle.NeedCorten(t)
	if err := syscall.Mount("run", "/run", "tmpfs", 0, "mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount("/run", syscall.MNT_DETACH) })
	b := bundle.New(t)
	if r := b.Corten("--log", "journald:box", "state", b.ID); r.Status != 1 || !strings.HasPrefix(r.Stderr, "corten: --log: connect /run/systemd/journal/socket: ") {
		t.Errorf("without a journal: status %d, %q", r.Status, r.Stderr)
	}
	if err := os.MkdirAll("/run/systemd/journal", 0o755); err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/run/systemd/journal/socket", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	b.WriteText([]byte(`{"ociVersion":"1.0.0","root":{"path":"rootfs"},"process":{"args":["x"],"cwd":"tmp\n"}}`))
	if r := b.Corten("--log", "journald:box", "create", "--bundle", b.Dir, b.ID); r.Status != 1 || strings.Count(r.Stderr, "\n") != 1 {
		t.Errorf("status %d, %q", r.Status, r.Stderr)
	}
	buf := make([]byte, 1<<16)
	n, err := socket.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	entry := map[string]string{}
	for rest := buf[:n]; len(rest) > 0; {
		name, after, _ := strings.Cut(string(rest), "\n")
		size := binary.LittleEndian.Uint64([]byte(after))
		entry[name], rest = after[8:8+size], []byte(after[8+size+1:])
	}
	if entry["PRIORITY"] != "3" || entry["ID"] != "box" || entry["SYSLOG_IDENTIFIER"] != "corten" || entry["CORTEN_FIELD"] != "/process/cwd" ||
		!strings.HasPrefix(entry["MESSAGE"], "config.json#/process/cwd: ") {
		t.Errorf("entry %q", entry)
	}
}

// Without a cgroup a container lives, is joined, killed and deleted as ever; a
// limit has nowhere to be.
func TestCgroupsCanBeDisabled(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe("pause"))
	b.Corten("--cgroup-manager", "disabled", "--systemd-cgroup", "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
	if text := b.Text(fmt.Sprintf("/proc/%d/cgroup", b.State().PID)); text != b.Text("/proc/self/cgroup") {
		t.Errorf("it is in\n%s", text)
	}
	b.Exec("ID", "true").OK(b)
	if r := b.Corten("pause", b.ID); r.Status != 1 {
		t.Errorf("pause: status %d", r.Status)
	}
	if out := b.Corten("ps", "-f", "json", b.ID).OK(b).Stdout; out != fmt.Sprintf("[%d]\n", b.State().PID) {
		t.Errorf("ps: %q", out)
	}
	b.Corten("kill", "--all", b.ID, "KILL").OK(b)
	b.WaitStatus("stopped")
	b.Corten("delete", b.ID).OK(b)
	limited := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) { s.Linux.Resources.Pids = &specs.LinuxPids{Limit: pointer[int64](5)} })
	r := limited.Corten("--cgroup-manager=disabled", "run", "--bundle", limited.Dir, limited.ID)
	if r.Status != 1 || !strings.HasPrefix(r.Stderr, "corten: config.json#/linux/resources/pids/limit: ") || !strings.Contains(r.Stderr, "--cgroup-manager=disabled") {
		t.Errorf("status %d, %q", r.Status, r.Stderr)
	}
}

func TestAnExecEndsWithItsParentWhenAsked(t *testing.T) {
	bundle.NeedCorten(t)
	b := running(t)
	const family = "sleep 1001 & (sleep 1002 &); setsid sleep 1003 & sh -c 'setsid sleep 1004 & sleep 1005' & exec probe pause"
	p := b.Begin(bundle.Options{}, "exec", "--kill-with-parent", b.ID, "sh", "-c", family)
	p.WaitFor("ready\n")
	p.Signal(syscall.SIGKILL)
	p.Wait()
	alone := fmt.Sprintf("[%d]\n", b.State().PID)
	if !bundle.Eventually(func() bool { return b.Corten("ps", "-f", "json", b.ID).OK(b).Stdout == alone }) {
		t.Errorf("left: %s", b.Corten("ps", b.ID).Stdout)
	}
	// And its status is its own as ever.
	if r := b.Exec("--kill-with-parent", "ID", "sh", "-c", "exit 3"); r.Status != 3 {
		t.Errorf("status %d, %s", r.Status, r.Stderr)
	}
}

// corten_start moves them before Go's runtime sees them.
func TestTheArgumentsAndTheEnvironmentArriveWhole(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Args("sleep", "1000"))
	b.Corten("run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
	words := make([]string, 500)
	for i := range words {
		words[i] = fmt.Sprint("word", i)
	}
	bare := []string{"env", "-i"}
	many := append(bare, words...)
	for i := range words {
		many[len(bare)+i] += "=" + strings.Repeat("x", i)
	}
	for _, c := range [][]string{bare, many} {
		o := bundle.Options{Wrap: c}
		want := strings.Join(words, " ") + "\n"
		if got := b.CortenWith(o, append([]string{"exec", b.ID, "echo"}, words...)...).OK(b).Stdout; got != want {
			t.Errorf("%d variables: the process printed %q", len(c)-len(bare), got)
		}
		for _, at := range []int{len(bare), len(c)} {
			o.Wrap = slices.Insert(slices.Clone(c), at, "CORTEN_TRACE=/not/there")
			refused(t, b.CortenWith(o, "state", b.ID), "open /not/there: no such file or directory")
		}
	}
}
