// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// links of /proc/self/ns by the spec's names.
var links = map[specs.LinuxNamespaceType]string{
	specs.PIDNamespace: "pid", specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts",
	specs.MountNamespace: "mnt", specs.CgroupNamespace: "cgroup", specs.UserNamespace: "user", specs.TimeNamespace: "time",
}

func own(t *testing.T, name string) string {
	t.Helper()
	link, err := os.Readlink("/proc/self/ns/" + name)
	if err != nil {
		t.Skipf("the kernel has no %s namespaces", name)
	}
	return link
}

// spec: linux.namespaces[].type
func TestNamespacesAskedForAreNewAndNoOthers(t *testing.T) {
	r := bundle.New(t, bundle.Probe(), bundle.Namespace(specs.CgroupNamespace, "")).Report()
	for kind, name := range links {
		wantNew := kind != specs.UserNamespace && kind != specs.TimeNamespace
		if isNew := r.NS[name] != own(t, name); isNew != wantNew {
			t.Errorf("%s: new %v, want %v", kind, isNew, wantNew)
		}
	}
	b := bundle.New(t, bundle.Probe(), bundle.UserNamespace(100000), bundle.Namespace(specs.TimeNamespace, ""))
	own100000(t, b)
	r = b.Report()
	for _, name := range []string{"user", "time"} {
		if r.NS[name] == own(t, name) {
			t.Errorf("%s: not new", name)
		}
	}
}

// The runtime makes a network namespace, and the sysfs that shows it, while it does
// other things.
func TestACallThatFailsOfANewNetworkNamespaceIsNamed(t *testing.T) {
	inject := bundle.Injector(t)
	for _, c := range []struct {
		call, at int
		errno    unix.Errno
		want     string
	}{
		{unix.SYS_UNSHARE, 1, unix.ENOSPC, "/linux/namespaces/1: unshare CLONE_NEWNET: no space left"},
		{unix.SYS_SOCKET, 1, unix.EMFILE, "/linux/namespaces/1: socket AF_INET: too many open files"},
		{unix.SYS_IOCTL, 1, unix.EPERM, "/linux/namespaces/1: ioctl SIOCSIFFLAGS: operation not permitted"},
		{unix.SYS_FSOPEN, 1, unix.EPERM, `/mounts/5/type: fsopen "sysfs": operation not permitted`},
		{unix.SYS_FSCONFIG, 1, unix.EINVAL, `/mounts/5/source: fsconfig SET_STRING "source": invalid argument`},
		{unix.SYS_FSCONFIG, 2, unix.EPERM, "/mounts/5/type: fsconfig CREATE: operation not permitted"},
		{unix.SYS_FSMOUNT, 1, unix.ENOMEM, "/mounts/5/options: fsmount: cannot allocate memory"},
	} {
		b := bundle.New(t, bundle.Probe())
		wrap := []string{inject, "runtime", fmt.Sprint(c.call), fmt.Sprint(c.at), fmt.Sprint(int(c.errno)), b.Home + "/reached"}
		r := b.CortenWith(bundle.Options{Wrap: wrap}, "run", "--bundle", b.Dir, b.ID)
		if r.Status == 0 || !strings.Contains(r.Stderr, "config.json#"+c.want) {
			t.Errorf("status %d, %q, want %q", r.Status, r.Stderr, c.want)
		}
	}
}

// spec: hostname, domainname
func TestTheNamesOfTheHostAreTheContainers(t *testing.T) {
	for _, user := range []bool{false, true} {
		b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) {
			s.Hostname, s.Domainname = strings.Repeat("h", 64), "example.org"
			if user {
				bundle.UserNamespace(100000)(s)
			}
		})
		if user {
			own100000(t, b)
		}
		if r := b.Report(); r.Hostname != strings.Repeat("h", 64) || r.Domainname != "example.org" {
			t.Errorf("hostname %q, domainname %q", r.Hostname, r.Domainname)
		}
	}
	// Of a joined namespace as well.
	pid := holder(t, "--uts")
	b := bundle.New(t, bundle.Probe(), bundle.Namespace(specs.UTSNamespace, fmt.Sprintf("/proc/%d/ns/uts", pid)), func(s *specs.Spec) {
		s.Hostname, s.Domainname = "joined", "example.net"
	})
	if r := b.Report(); r.Hostname != "joined" || r.Domainname != "example.net" {
		t.Errorf("hostname %q, domainname %q", r.Hostname, r.Domainname)
	}
}

func TestNamespacesNotAskedForAreTheCallers(t *testing.T) {
	for _, kind := range []specs.LinuxNamespaceType{specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace} {
		t.Run(string(kind), func(t *testing.T) {
			b := bundle.New(t, bundle.Probe(), bundle.WithoutNamespace(kind), func(s *specs.Spec) {
				if kind == specs.UTSNamespace {
					s.Hostname = ""
				}
			})
			if got, want := b.Report().NS[links[kind]], own(t, links[kind]); got != want {
				t.Errorf("%s, want the caller's %s", got, want)
			}
		})
	}
}

// holder is a process in new namespaces of the kinds unshare(1) is told.
func holder(t *testing.T, flags ...string) int {
	t.Helper()
	cmd := exec.Command("unshare", append(flags, "sleep", "1000")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); cmd.Wait() })
	pid := cmd.Process.Pid
	asleep := func() bool {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return string(comm) == "sleep\n"
	}
	if !bundle.Eventually(asleep) {
		t.Fatal("unshare: no sleep")
	}
	return pid
}

// spec: linux.namespaces[].path
func TestNamespacesAreJoinedByPath(t *testing.T) {
	pid := holder(t, "--net", "--ipc", "--uts", "--cgroup", "--mount", "--user", "--time")
	for _, file := range []string{"uid_map", "gid_map"} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, file), []byte("0 0 65536"), 0); err != nil {
			t.Fatal(err)
		}
	}
	for kind, link := range links {
		if kind == specs.PIDNamespace {
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			if kind == specs.CgroupNamespace || kind == specs.TimeNamespace {
				bundle.NeedCorten(t) // newer than Debian's runc
				own(t, link)
			}
			path := fmt.Sprintf("/proc/%d/ns/%s", pid, link)
			want, err := os.Readlink(path)
			if err != nil {
				t.Fatal(err)
			}
			b := bundle.New(t, bundle.Probe(), bundle.Namespace(kind, path))
			if got := b.Report().NS[link]; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

func TestAPIDNamespaceIsJoinedByPath(t *testing.T) {
	first := bundle.New(t, bundle.Probe("pause"))
	first.Detach()
	path := fmt.Sprintf("/proc/%d/ns/pid", first.State().PID)
	want, _ := os.Readlink(path)
	b := bundle.New(t, bundle.Probe(), bundle.Namespace(specs.PIDNamespace, path))
	if r := b.Report(); r.NS["pid"] != want || r.PID == 1 {
		t.Errorf("pid %d in %s, want %s", r.PID, r.NS["pid"], want)
	}
}

// spec: linux.namespaces[].type, linux.namespaces[].path
func TestANamespacePathThatIsWrongIsRefused(t *testing.T) {
	bundle.NeedCorten(t)
	fifo := t.TempDir() + "/fifo"
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for kind, link := range links {
		other := "/proc/self/ns/uts"
		if link == "uts" {
			other = "/proc/self/ns/net"
		}
		for path, want := range map[string]string{
			other:            "is a namespace of another type: CLONE_NEW",
			"/no/such/ns":    "no such file or directory",
			"/etc/passwd":    `"/etc/passwd" is not a namespace`,
			fifo:             "is not a namespace",
			"proc/self/ns/x": "want an absolute path",
		} {
			t.Run(string(kind)+" "+path, func(t *testing.T) {
				b := bundle.New(t, bundle.Args("true"), bundle.Namespace(kind, path), bundle.WithoutMount("/sys/fs/cgroup"))
				r := b.Run()
				if r.Status == 0 || !strings.Contains(r.Stderr, want) || !regexp.MustCompile(`#/linux/namespaces/\d+/path: `).MatchString(r.Stderr) {
					t.Errorf("exit status %d: %s", r.Status, r.Stderr)
				}
			})
		}
		t.Run(string(kind)+" twice", func(t *testing.T) {
			b := bundle.New(t, bundle.Args("true"), bundle.Namespace(kind, ""), func(s *specs.Spec) {
				s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
			})
			if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, string(kind)+" occurs twice") {
				t.Errorf("exit status %d: %s", r.Status, r.Stderr)
			}
		})
	}
}

func TestAUserNamespaceHasItsMappings(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), bundle.UserNamespace(100000), bundle.WithoutMount("/sys/fs/cgroup"))
	own100000(t, b)
	r := b.Report()
	for _, file := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		if got := strings.Join(strings.Fields(r.Files[file]), " "); got != "0 100000 65536" {
			t.Errorf("%s: %q", file, got)
		}
	}
	if r.NS["user"] == own(t, "user") || r.Status("Uid") != "0 0 0 0" {
		t.Errorf("user namespace %s, Uid %s", r.NS["user"], r.Status("Uid"))
	}
	if m := r.Mount("/proc"); m == nil || m.Type != "proc" {
		t.Errorf("/proc: %+v", m)
	}
}

// own100000 gives the rootfs to the ids mapped to root.
func own100000(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	ownRootfs(t, b, 100000, 100000)
}

func TestDevicesWorkInAUserNamespace(t *testing.T) {
	b := bundle.New(t, bundle.Shell("echo x >/dev/null && probe stat /dev/null | cut -c1-5; probe open-read /dev/zero; readlink /dev/stdin"),
		bundle.UserNamespace(100000))
	own100000(t, b)
	if out := b.RunOK(); !strings.HasSuffix(out, "ok\n/proc/self/fd/0\n") {
		t.Errorf("printed %q", out)
	}
}

func TestCapabilitiesInAUserNamespaceAreThoseAskedFor(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), bundle.UserNamespace(100000), bundle.Capabilities("CAP_SYS_ADMIN"))
	own100000(t, b)
	if got := b.Report().Caps("Eff"); got != 1<<21 {
		t.Errorf("CapEff %x", got)
	}
}

// spec: linux.timeOffsets{}.secs, linux.timeOffsets{}.nanosecs
func TestTimeOffsetsMoveTheClocks(t *testing.T) {
	bundle.NeedCorten(t) // newer than Debian's runc
	own(t, "time")
	plain := bundle.New(t, bundle.Probe()).Report()
	for _, c := range []struct {
		offsets             map[string]specs.LinuxTimeOffset
		monotonic, boottime int64
		file                string // of timens_offsets
	}{
		{map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 7200}, "boottime": {Secs: 86400, Nanosecs: 5}}, 7200, 86400,
			"monotonic 7200 0 boottime 86400 5"},
		{map[string]specs.LinuxTimeOffset{"boottime": {Secs: -1}}, 0, -1, "monotonic 0 0 boottime -1 0"},
		{map[string]specs.LinuxTimeOffset{"monotonic": {Secs: -3, Nanosecs: 999999999}}, -2, 0, "monotonic -3 999999999 boottime 0 0"},
		{map[string]specs.LinuxTimeOffset{"monotonic": {Nanosecs: 1}}, 0, 0, "monotonic 0 1 boottime 0 0"},
		{map[string]specs.LinuxTimeOffset{"boottime": {Secs: 4e9}}, 0, 4e9, "monotonic 0 0 boottime 4000000000 0"},
		{nil, 0, 0, "monotonic 0 0 boottime 0 0"},
	} {
		b := bundle.New(t, bundle.Probe(), bundle.Namespace(specs.TimeNamespace, ""), func(s *specs.Spec) { s.Linux.TimeOffsets = c.offsets })
		r := b.Report()
		if got := strings.Join(strings.Fields(r.Files["/proc/self/timens_offsets"]), " "); got != c.file {
			t.Errorf("timens_offsets: %s, want %s", got, c.file)
		}
		if moved := r.Monotonic - plain.Monotonic; moved < c.monotonic || moved > c.monotonic+60 {
			t.Errorf("%s: the monotonic clock moved by %d s", c.file, moved)
		}
		if moved := r.Boottime - plain.Boottime; moved < c.boottime || moved > c.boottime+60 {
			t.Errorf("%s: the boot clock moved by %d s", c.file, moved)
		}
	}
}

func TestATimeOffsetOutOfRangeIsRefused(t *testing.T) {
	bundle.NeedCorten(t)
	own(t, "time")
	fresh := bundle.Namespace(specs.TimeNamespace, "")
	for want, c := range map[string]struct {
		offset specs.LinuxTimeOffset
		edit   bundle.Edit
	}{
		"#/linux/timeOffsets/boottime/secs: want":           {specs.LinuxTimeOffset{Secs: 1 << 62}, fresh},
		"#/linux/timeOffsets/boottime/secs: want -":         {specs.LinuxTimeOffset{Secs: -4611686019}, fresh},
		"#/linux/timeOffsets/boottime/nanosecs":             {specs.LinuxTimeOffset{Nanosecs: 1e9}, fresh},
		"numerical result out of range":                     {specs.LinuxTimeOffset{Secs: -4e9}, fresh}, // before boot
		"#/linux/timeOffsets: needs a new time namespace":   {specs.LinuxTimeOffset{Secs: 1}, func(*specs.Spec) {}},
		"#/linux/timeOffsets: needs a new time namespace\n": {specs.LinuxTimeOffset{Secs: 1}, bundle.Namespace(specs.TimeNamespace, "/proc/self/ns/time")},
	} {
		b := bundle.New(t, bundle.Args("true"), c.edit, func(s *specs.Spec) {
			s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": c.offset}
		})
		if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, want) || !strings.Contains(r.Stderr, "#/linux/timeOffsets") {
			t.Errorf("%+v: exit status %d: %s", c.offset, r.Status, r.Stderr)
		}
	}
}

// A container's network ends with it: nothing of the runtime that waits for its end stays
// in there. What asks runs long before.
func TestARuntimeInTheForegroundIsNotInTheContainersNetwork(t *testing.T) {
	b := bundle.New(t, bundle.Args("sh", "-c", "echo ready; sleep 1000"))
	p := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
	p.WaitFor("ready")
	runtime := fmt.Sprintf("/proc/%d", p.Cmd.Process.Pid)
	inside, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", b.State().PID))
	if err != nil {
		t.Fatal(err)
	}
	outside := func() bool {
		tasks, _ := filepath.Glob(runtime + "/task/*/ns/net")
		for _, task := range tasks {
			if link, err := os.Readlink(task); err == nil && link == inside {
				return false
			}
		}
		open, _ := filepath.Glob(runtime + "/fd/*")
		for _, fd := range open {
			if link, err := os.Readlink(fd); err == nil && link == inside {
				return false
			}
		}
		return len(tasks) > 0
	}
	if !bundle.Eventually(outside) {
		t.Errorf("the runtime has a thread or a descriptor in %s", inside)
	}
	b.Corten("kill", b.ID, "KILL").OK(b)
	p.Wait()
}
