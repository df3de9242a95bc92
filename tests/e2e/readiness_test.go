// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// serviceManager listens where systemd would (sd_notify(3)).
type serviceManager struct {
	address string
	socket  *net.UnixConn
	t       *testing.T
}

func manage(t *testing.T, address string) *serviceManager {
	t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return &serviceManager{address, socket, t}
}

func (m *serviceManager) env() bundle.Options {
	return bundle.Options{Env: []string{"NOTIFY_SOCKET=" + m.address}}
}

// next is one message and how many descriptors came along, which are closed.
func (m *serviceManager) next() (text string, fds int) {
	m.t.Helper()
	b, oob := make([]byte, 4096), make([]byte, 4096)
	m.socket.SetReadDeadline(time.Now().Add(bundle.Deadline))
	n, oobn, _, _, err := m.socket.ReadMsgUnix(b, oob)
	if err != nil {
		m.t.Fatal(err)
	}
	messages, _ := unix.ParseSocketControlMessage(oob[:oobn])
	for i := range messages {
		list, _ := unix.ParseUnixRights(&messages[i])
		for _, fd := range list {
			unix.Close(fd)
			fds++
		}
	}
	return string(b[:n]), fds
}

// expect is the relay for main process pid, and nothing after it.
func (m *serviceManager) expect(pid int) {
	m.t.Helper()
	if text, fds := m.next(); text != fmt.Sprintf("MAINPID=%d\nREADY=1\n", pid) || fds != 0 {
		m.t.Errorf("message %q with %d descriptors, main process %d", text, fds, pid)
	}
	if text, fds := m.next(); text != "BARRIER=1" || fds != 1 {
		m.t.Errorf("message %q with %d descriptors", text, fds)
	}
}

func (m *serviceManager) expectNothing() {
	m.t.Helper()
	m.socket.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	b := make([]byte, 4096)
	if n, err := m.socket.Read(b); err == nil {
		m.t.Errorf("message %q", b[:n])
	}
}

const ready = "X=1\nREADY=1\nMAINPID=1\nFDSTORE=1"

func TestAPayloadTellsTheServiceManagerThatItIsReady(t *testing.T) {
	bundle.NeedCorten(t)
	payload := bundle.Probe("notify-pause", "STATUS=not yet", ready, "BARRIER=1")
	guest := func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} }
	for _, c := range []struct {
		name     string
		abstract bool
		edits    []bundle.Edit
	}{
		{"root", false, nil},
		{"abstract name", true, nil},
		{"another user in a user namespace", false, []bundle.Edit{bundle.UserNamespace(100000), guest, bundle.Mount("/run", "tmpfs", "tmpfs", "mode=755")}},
		{"read-only root without /run/notify", false, []bundle.Edit{func(s *specs.Spec) { s.Root.Readonly = true }}},
		{"no pid namespace", false, []bundle.Edit{bundle.WithoutNamespace(specs.PIDNamespace)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle.New(t, append([]bundle.Edit{payload}, c.edits...)...)
			address := b.Home + "/manager"
			if c.abstract {
				address = "@" + b.ID
			}
			m := manage(t, address)
			if c.abstract {
				t.Cleanup(func() { m.socket.Close() })
			}

			b.CortenWith(m.env(), "create", "--bundle", b.Dir, b.ID).OK(b)
			pid := b.State().PID
			p := b.Begin(m.env(), "start", b.ID)
			m.expect(pid)
			p.Wait().OK(b)
			b.Corten("delete", "--force", b.ID).OK(b)

			p = b.Begin(m.env(), "run", "--detach", "--bundle", b.Dir, b.ID)
			if text, _ := m.next(); text != fmt.Sprintf("MAINPID=%d\nREADY=1\n", b.State().PID) {
				t.Errorf("message %q", text)
			}
			m.next()
			p.Wait().OK(b)
			if !bundle.Eventually(func() bool { return strings.Contains(p.Stdout(), "told") }) || !strings.Contains(p.Stdout(), "barrier 1") {
				t.Errorf("the payload says %q", p.Stdout())
			}
			b.Corten("delete", "--force", b.ID).OK(b)

			// In the foreground the manager goes on watching corten.
			p = b.Begin(m.env(), "run", "--bundle", b.Dir, b.ID)
			m.expect(p.Cmd.Process.Pid)
			p.WaitFor("barrier 1\ntold\n")
			p.Signal(unix.SIGTERM)
			if r := p.Wait(); r.Status != 143 {
				t.Errorf("exit status %d: %s", r.Status, r.Stderr)
			}
			m.expectNothing()
			if c.abstract {
				m.socket.Close() // before abstract sockets are counted
			}
		})
	}
}

func TestStartWaitsUntilThePayloadIsReady(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.NewEmpty(t)
	dir, m := b.Volume("sync"), manage(t, b.Home+"/manager")
	spec := bundle.Base()
	bundle.Mount("/sync", "bind", dir, "bind")(spec)
	bundle.Shell("echo here >/sync/here; until test -e /sync/go; do sleep 0.02; done; exec probe notify-pause " + "READY=1")(spec)
	b.Write(spec)
	b.CortenWith(m.env(), "create", "--bundle", b.Dir, b.ID).OK(b)
	p := b.Begin(m.env(), "start", b.ID)
	if !bundle.Eventually(func() bool { _, err := os.Stat(dir + "/here"); return err == nil }) {
		t.Fatal("the payload does not run")
	}
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Cmd.Process.Pid)); err != nil || strings.Contains(string(stat), ") Z") {
		t.Fatal("start did not wait")
	}
	os.WriteFile(dir+"/go", nil, 0o644)
	m.expect(b.State().PID)
	p.Wait().OK(b)
}

func TestAPayloadThatIsNeverReadyKeepsNobodyWaiting(t *testing.T) {
	bundle.NeedCorten(t)
	for name, payload := range map[string]bundle.Edit{"says nothing": bundle.Shell("exit 7"),
		"says other things": bundle.Probe("notify", "READY=0", "READY=11", "XREADY=1", "STOPPING=1", "BARRIER=1")} {
		t.Run(name, func(t *testing.T) {
			b := bundle.New(t, payload)
			m := manage(t, b.Home+"/manager")
			b.CortenWith(m.env(), "create", "--bundle", b.Dir, b.ID).OK(b)
			b.CortenWith(m.env(), "start", b.ID).OK(b)
			b.Corten("delete", "--force", b.ID).OK(b)
			b.CortenWith(m.env(), "run", "--bundle", b.Dir, b.ID)
			m.expectNothing()
		})
	}
}

// Neither the container nor a missing manager is the start's trouble.
func TestTheNotifySocketCanNeitherBeReplacedNorHoldUpAStart(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Shell("ls /run/notify; touch /run/notify/x 2>&1; rm /run/notify/notify.sock 2>&1; exec probe notify READY=1"), bundle.Capabilities())
	r := b.CortenWith(bundle.Options{Env: []string{"NOTIFY_SOCKET=/nonexistent"}}, "--debug", "run", "--bundle", b.Dir, b.ID).OK(b)
	if strings.Count(r.Stdout, "Read-only file system") != 2 || !strings.HasPrefix(r.Stdout, "notify.sock\n") || !strings.HasSuffix(r.Stdout, "READY=1: ok\n") {
		t.Errorf("%q", r.Stdout)
	}
	if !strings.Contains(r.Stderr, "NOTIFY_SOCKET /nonexistent: connect: no such file or directory") {
		t.Errorf("stderr %q", r.Stderr)
	}
	r = b.CortenWith(bundle.Options{Env: []string{"NOTIFY_SOCKET=vsock:2:1"}}, "--debug", "run", "--bundle", b.Dir, b.ID)
	if !strings.Contains(r.Stderr, `NOTIFY_SOCKET "vsock:2:1" is neither a path nor an abstract name`) {
		t.Errorf("stderr %q", r.Stderr)
	}
}

// A container that may remount puts files beside the socket: delete copes.
func TestDeleteRemovesANotifyDirectoryTheContainerHasFilled(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Shell("mount -o remount,bind,rw /run/notify && mkdir -p /run/notify/a/b && ln -s / /run/notify/c; ls /run/notify | wc -l"),
		bundle.Capabilities("CAP_SYS_ADMIN"))
	m := manage(t, b.Home+"/manager")
	if out := b.CortenWith(m.env(), "run", "--bundle", b.Dir, b.ID).OK(b).Stdout; out != "3\n" {
		t.Errorf("it has %q files", out)
	}
}

func TestALongStateDirectoryHasItsNotifySocket(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe("notify", "READY=1"))
	m := manage(t, b.Home+"/manager")
	b.Root = b.Home + strings.Repeat("/long", 40)
	p := b.Begin(m.env(), "run", "--bundle", b.Dir, b.ID)
	m.expect(p.Cmd.Process.Pid)
	p.Wait().OK(b)
}

func TestExecHasNothingOfTheServiceManagers(t *testing.T) {
	b := bundle.New(t, bundle.Probe("notify-pause", "READY=1"))
	m := manage(t, b.Home+"/manager")
	listening := bundle.Options{Env: m.env().Env, ExtraFiles: []*os.File{os.Stdin},
		Wrap: []string{"sh", "-c", `LISTEN_FDS=1 LISTEN_FDNAMES=a LISTEN_PID=$$ exec "$@"`, "sh"}}
	p := b.Begin(listening, "run", "--detach", "--bundle", b.Dir, b.ID)
	m.next()
	m.next()
	p.Wait().OK(b)
	r := bundle.ParseReport(t, b.CortenWith(listening, "exec", b.ID, "/bin/probe").OK(b).Stdout)
	if len(r.FDs) != 3 || slices.ContainsFunc(r.Env, func(e string) bool {
		return strings.HasPrefix(e, "LISTEN_") || strings.HasPrefix(e, "NOTIFY_")
	}) {
		t.Errorf("env %q, descriptors %+v", r.Env, r.FDs)
	}
}
