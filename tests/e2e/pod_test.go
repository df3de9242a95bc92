// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// A container that joins another's user, pid, network, ipc and uts namespaces, as
// in a pod of an engine, has mounts of its own and works as any.
//
// spec: linux.namespaces[].type, linux.namespaces[].path, hostname, linux.sysctl, linux.timeOffsets{}.secs
func TestAContainerOfAPodSharesItsNamespaces(t *testing.T) {
	bundle.NeedCorten(t) // names and clocks of joined namespaces
	own(t, "time")
	first := bundle.New(t, bundle.Shell("sysctl -w net.ipv4.ip_default_ttl=99; exec probe pause"), bundle.UserNamespace(100000),
		func(s *specs.Spec) { s.Linux.ReadonlyPaths = nil })
	own100000(t, first)
	first.Detach()
	pid := first.State().PID
	edits := []bundle.Edit{bundle.Probe("pause"), bundle.Namespace(specs.TimeNamespace, ""), func(s *specs.Spec) {
		s.Hostname, s.Process.User = "second", specs.User{UID: 7, GID: 8, AdditionalGids: []uint32{9}}
		s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1"}
		s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 100000}, "boottime": {Secs: 200000}}
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 70, Hard: 80}}
	}}
	shared := []specs.LinuxNamespaceType{specs.UserNamespace, specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace}
	for _, kind := range shared {
		edits = append(edits, bundle.Namespace(kind, namespacePath(pid, kind)))
	}
	b := bundle.New(t, edits...)
	own100000(t, b)
	b.Create()
	b.Start()
	r := bundle.ParseReport(t, b.Exec("ID", "probe").OK(b).Stdout)
	for _, kind := range shared {
		want, err := os.Readlink(namespacePath(pid, kind))
		if err != nil || r.NS[links[kind]] != want {
			t.Errorf("%s is %s, want %s", kind, r.NS[links[kind]], want)
		}
	}
	if mnt, _ := os.Readlink(namespacePath(pid, specs.MountNamespace)); r.NS["mnt"] == mnt {
		t.Error("the mounts are shared, too")
	}
	if r.Hostname != "second" || r.Status("Uid") != "7 7 7 7" || r.Status("Groups") != "9" || r.Monotonic < 100000 || r.Boottime < 200000 || r.Rlimits[7].Soft != 70 {
		t.Errorf("hostname %s, Uid %s, Groups %s, clocks %d %d, limit %v", r.Hostname, r.Status("Uid"), r.Status("Groups"), r.Monotonic, r.Boottime, r.Rlimits[7])
	}
	seen := first.Exec("ID", "sh", "-c", "hostname; ps | grep -c 'probe pause'; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced").OK(first).Stdout
	if !strings.HasPrefix(seen, "second\n") || !strings.HasSuffix(seen, "\n1\n1\n") {
		t.Errorf("the first container sees %q", seen)
	}
	if out := b.Exec("ID", "sh", "-c", "cat /proc/1/comm").OK(b).Stdout; out != "probe\n" {
		t.Errorf("process 1 seen from the second is %q", out)
	}
}

// Of namespaces that belong to the host's user namespace, the names and the
// network's sysctls can be set although the container's has no right to them.
//
// spec: hostname, domainname, linux.namespaces[].path
func TestNamespacesOfTheHostKeepWorkingBesideAUserNamespace(t *testing.T) {
	bundle.NeedCorten(t)
	pid := pod(t)
	b := bundle.New(t, bundle.Probe(), bundle.UserNamespace(100000), bundle.WithoutMount("/sys", "/sys/fs/cgroup"),
		bundle.Namespace(specs.UTSNamespace, namespacePath(pid, specs.UTSNamespace)),
		bundle.Namespace(specs.NetworkNamespace, namespacePath(pid, specs.NetworkNamespace)),
		bundle.Namespace(specs.TimeNamespace, ""), func(s *specs.Spec) {
			s.Hostname, s.Domainname = "outside", "example"
			s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 100000}}
		})
	own100000(t, b)
	if r := b.Report(); r.Hostname != "outside" || r.Domainname != "example" || r.Monotonic < 100000 {
		t.Errorf("hostname %s, domainname %s, clock %d", r.Hostname, r.Domainname, r.Monotonic)
	}
}

// spec: linux.sysctl
func TestSysctlsAreSetWithoutAPIDNamespaceToMountProcOf(t *testing.T) {
	b := bundle.New(t, bundle.Shell("cat /proc/sys/net/ipv4/ip_forward"), bundle.UserNamespace(100000),
		bundle.WithoutNamespace(specs.PIDNamespace), bundle.WithoutMount("/proc"), func(s *specs.Spec) {
			s.Mounts = append([]specs.Mount{{Destination: "/proc", Type: "bind", Source: "/proc", Options: []string{"rbind"}}}, s.Mounts...)
			s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
			s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
		})
	own100000(t, b)
	if out := b.RunOK(); out != "1\n" {
		t.Errorf("printed %q", out)
	}
}

// What the kernel refuses there has an error that says what to do.
//
// spec: linux.namespaces[].type
func TestAFileSystemOfAForeignNamespaceIsRefusedWithAHint(t *testing.T) {
	bundle.NeedCorten(t) // the words
	for kind, want := range map[specs.LinuxNamespaceType]string{specs.PIDNamespace: "#/mounts/0/type: fsconfig proc create", specs.IPCNamespace: "#/mounts/4/type: fsconfig mqueue create"} {
		b := bundle.New(t, bundle.Args("true"), bundle.UserNamespace(100000), bundle.WithoutNamespace(kind))
		own100000(t, b)
		r := b.Run()
		refused(t, r, want+": operation not permitted")
		refused(t, r, "hint: a user namespace mounts file systems of its own pid, network and ipc namespaces only: bind the host's")
	}
}

// The groups of the payload are those of config.json, whatever the caller's are
// and although the user namespace that is joined denies setgroups(2).
//
// spec: process.user.additionalGids, linux.namespaces[].path
// cve: CVE-2022-36109, CVE-2014-8989, CVE-2023-25173
func TestNoGroupOfTheCallerGoesIntoTheContainer(t *testing.T) {
	callers := bundle.Options{Wrap: []string{"setpriv", "--groups", "0,4242,4343"}}
	for name, c := range map[string]struct {
		users bundle.Edit
		deny  bool
	}{
		"no user namespace":                 {func(*specs.Spec) {}, false},
		"a new one":                         {bundle.UserNamespace(100000), false},
		"a joined one":                      {bundle.Namespace(specs.UserNamespace, namespacePath(pod(t, bundle.UserNamespace(100000)), specs.UserNamespace)), false},
		"a joined one without setgroups(2)": {bundle.Namespace(specs.UserNamespace, namespacePath(denied(t), specs.UserNamespace)), true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, gids := range [][]uint32{nil, {5, 6}} {
				b := bundle.New(t, bundle.Shell("probe >/dev/stdout; exec sleep 100"), c.users, bundle.WithoutMount("/dev/pts"),
					func(s *specs.Spec) { s.Process.User.AdditionalGids = gids })
				own100000(t, b)
				r := b.CortenWith(callers, "run", "--detach", "--bundle", b.Dir, b.ID)
				if c.deny && gids != nil {
					refused(t, r, "#/process/user/additionalGids")
					refused(t, r, "hint: the user namespace denies setgroups(2)")
					continue
				}
				r.OK(b)
				want := strings.Trim(fmt.Sprint(gids), "[]")
				if !bundle.Eventually(func() bool { return strings.HasSuffix(b.Output(0), "}\n") }) {
					t.Fatal("no report")
				}
				if got := bundle.ParseReport(t, b.Output(0)).Status("Groups"); got != want {
					t.Errorf("Groups %q, want %q", got, want)
				}
				r = b.CortenWith(callers, "exec", b.ID, "probe").OK(b)
				if got := bundle.ParseReport(t, r.Stdout).Status("Groups"); got != want {
					t.Errorf("exec: Groups %q, want %q", got, want)
				}
			}
		})
	}
}

// denied is the pid of a process in a user namespace that maps 0 to 9 and denies
// setgroups(2).
func denied(t *testing.T) int {
	t.Helper()
	pid := holder(t, "--user")
	for _, f := range [][2]string{{"setgroups", "deny"}, {"gid_map", "0 100000 10"}, {"uid_map", "0 100000 10"}} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, f[0]), []byte(f[1]), 0); err != nil {
			t.Fatal(err)
		}
	}
	return pid
}

// Whoever maps only himself loses setgroups(2), by which one leaves a group that
// is denied something. (CAP_SYS_ADMIN alone, for the mounts.)
//
// cve: CVE-2014-8989
func TestAnUnprivilegedCallersContainerCannotLeaveGroups(t *testing.T) {
	const uid = 1234
	b := bundle.New(t, bundle.Probe(), withMappings(mappings(t, "0-1234+1"), mappings(t, "0-1234+1")),
		bundle.WithoutMount("/dev/pts", "/sys/fs/cgroup"), func(s *specs.Spec) { s.Linux.Resources, s.Process.Rlimits = nil, nil })
	for _, dir := range []string{b.Home, b.Dir} {
		if err := os.Chown(dir, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	ownRootfs(t, b, uid, uid)
	unprivileged := func(flags ...string) bundle.Result {
		return b.CortenWith(bundle.Options{Wrap: []string{"setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups",
			"--inh-caps", "+sys_admin", "--ambient-caps", "+sys_admin"}},
			append(flags, "run", "--bundle", b.Dir, b.ID)...)
	}
	r := bundle.ParseReport(t, unprivileged().OK(b).Stdout)
	if got := r.Files["/proc/self/setgroups"]; got != "deny\n" {
		t.Errorf("setgroups %q", got)
	}
	s := bundle.Base()
	for _, edit := range []bundle.Edit{bundle.Probe(), withMappings(mappings(t, "0-1234+1"), mappings(t, "0-1234+1")),
		bundle.WithoutMount("/dev/pts", "/sys/fs/cgroup"), func(s *specs.Spec) {
			s.Linux.Resources, s.Process.Rlimits, s.Process.User.AdditionalGids = nil, nil, []uint32{0}
		}} {
		edit(s)
	}
	b.Write(s)
	refused(t, unprivileged(), "#/process/user/additionalGids")
}

// A user namespace whose map is the initial one's is still another: root there
// has no right to the host's directories of state.
func TestAnIdentityMapDoesNotMakeAUserNamespaceTheHosts(t *testing.T) {
	b := bundle.New(t, bundle.Probe())
	run := b.Volume("user")
	cmd := exec.Command("unshare", "--user", "sh", "-c", `read go && exec "$@"`, "sh", bundle.Runtime(t), "list")
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+run, "USER=somebody")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(cmd.Process.Pid, syscall.SIGKILL); cmd.Wait() })
	for _, file := range []string{"gid_map", "uid_map"} {
		written := func() bool {
			return os.WriteFile(fmt.Sprintf("/proc/%d/%s", cmd.Process.Pid, file), []byte("0 0 4294967295"), 0) == nil
		}
		if !bundle.Eventually(written) {
			t.Fatal("no " + file)
		}
	}
	stdin.Write([]byte("go\n"))
	err = cmd.Wait()
	if _, statErr := os.Stat(run + "/corten"); err != nil || statErr != nil {
		t.Errorf("%v; %v: %s", err, statErr, out.String())
	}
}
