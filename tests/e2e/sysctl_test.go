// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// sysctls are every class of key the allow-list has: name, value, file.
var sysctls = [][3]string{
	{"kernel.msgmax", "8000", "kernel/msgmax"}, {"kernel.msgmnb", "16000", "kernel/msgmnb"}, {"kernel.msgmni", "99", "kernel/msgmni"},
	{"kernel.sem", "250\t32000\t100\t77", "kernel/sem"}, {"kernel.shmall", "1000", "kernel/shmall"}, {"kernel.shmmax", "4096", "kernel/shmmax"},
	{"kernel.shmmni", "321", "kernel/shmmni"}, {"kernel/shm_rmid_forced", "1", "kernel/shm_rmid_forced"},
	{"fs.mqueue.msg_max", "33", "fs/mqueue/msg_max"}, {"fs/mqueue/queues_max", "44", "fs/mqueue/queues_max"},
	{"kernel.domainname", "example.org", "kernel/domainname"},
	{"net.ipv4.ip_forward", "1", "net/ipv4/ip_forward"}, {"net/ipv4/ping_group_range", "0\t5", "net/ipv4/ping_group_range"},
	{"net.core.somaxconn", "77", "net/core/somaxconn"}, {"net.ipv4.conf.lo.rp_filter", "2", "net/ipv4/conf/lo/rp_filter"},
}

// inUserNamespace says whether the network namespace of a user namespace has
// the file: older kernels have none of net/core there (6.1).
func inUserNamespace(file string) bool {
	return !strings.HasPrefix(file, "/proc/sys/net/") || exec.Command("unshare", "-r", "-n", "test", "-e", file).Run() == nil
}

// spec: linux.sysctl
func TestSysctlsOfTheContainersNamespacesAreSet(t *testing.T) {
	for _, user := range []bool{false, true} {
		set, files, want := map[string]string{}, "", ""
		list := sysctls
		if user {
			list = append(list[:len(list):len(list)], [3]string{"user.max_net_namespaces", "7", "user/max_net_namespaces"},
				[3]string{"user/max_user_namespaces", "0", "user/max_user_namespaces"})
		}
		for _, s := range list {
			if user && !inUserNamespace("/proc/sys/"+s[2]) {
				continue
			}
			set[s[0]] = s[1]
			files += " /proc/sys/" + s[2]
			want += s[1] + "\n"
		}
		b := bundle.New(t, bundle.Shell("cat"+files), func(s *specs.Spec) {
			s.Linux.Sysctl = set
			if user {
				bundle.UserNamespace(100000)(s)
			}
		})
		if user {
			own100000(t, b)
		}
		if out := b.RunOK(); out != want {
			t.Errorf("user namespace %v: printed\n%swant\n%s", user, out, want)
		}
	}
}

// What AppArmor does to a runtime in a container of its own: a path of a mount
// that is nowhere is refused, that of the host's /proc is not.
//
// spec: linux.sysctl
func TestSysctlsGoThroughTheHostsProcWhereItsOwnIsRefused(t *testing.T) {
	bundle.NeedStrace(t)
	for first, refused := range map[string]string{"1": "", "1..2": "config.json#/linux/sysctl/net.ipv4.ip_forward: openat2 s"} {
		b := bundle.New(t, bundle.Shell("cat /proc/sys/net/ipv4/ip_forward"), func(s *specs.Spec) {
			s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"}
		})
		out := b.Home + "/trace"
		r := b.CortenWith(bundle.Options{Wrap: []string{"strace", "-f", "-o", out, "-P", "sys/net/ipv4/ip_forward", "-e", "inject=openat2:error=EACCES:when=" + first}}, "run", "--bundle", b.Dir, b.ID)
		if refused == "" && (r.Status != 0 || r.Stdout != "1\n") || refused != "" && (r.Status != 1 || !strings.Contains(r.Stderr, refused)) {
			t.Errorf("refused %s: status %d: %s%s", first, r.Status, r.Stdout, r.Stderr)
		}
		if text := b.Text(out); strings.Count(text, "(INJECTED)") == 0 {
			t.Errorf("nothing was refused:\n%s", text)
		}
	}
}

func TestSysctlsOfAJoinedNamespaceAreSet(t *testing.T) {
	pid := holder(t, "--net", "--ipc", "--uts")
	path := func(link string) string { return fmt.Sprintf("/proc/%d/ns/%s", pid, link) }
	b := bundle.New(t, bundle.Args("true"), bundle.Namespace(specs.NetworkNamespace, path("net")), bundle.Namespace(specs.IPCNamespace, path("ipc")),
		bundle.Namespace(specs.UTSNamespace, path("uts")), func(s *specs.Spec) {
			s.Hostname = ""
			s.Linux.Sysctl = map[string]string{"net.core.somaxconn": "78", "kernel.shmmni": "322", "kernel.domainname": "example.net"}
		})
	b.RunOK()
	out, err := exec.Command("nsenter", "--target", fmt.Sprint(pid), "--net", "--ipc", "--uts", "cat", "/proc/sys/net/core/somaxconn",
		"/proc/sys/kernel/shmmni", "/proc/sys/kernel/domainname").Output()
	if err != nil || string(out) != "78\n322\nexample.net\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// hostSysctls are files that no container may change, with what they have.
func hostSysctls(t *testing.T) (text string) {
	t.Helper()
	for _, s := range append(sysctls, [3]string{"", "", "kernel/core_pattern"}, [3]string{"", "", "kernel/modprobe"}) {
		b, err := os.ReadFile("/proc/sys/" + s[2])
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		text += s[2] + " " + string(b)
	}
	return text
}

// What is the host's stays the host's: also where the namespace of a sysctl is
// joined by a path, whatever that is called.
func TestSysctlsOfTheHostAreRefused(t *testing.T) {
	bundle.NeedCorten(t)
	before := hostSysctls(t)
	bound := t.TempDir() + "/net"
	if err := os.WriteFile(bound, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "--bind", "/proc/self/ns/net", bound).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", bound).Run() })
	for _, c := range []struct {
		key  string
		kind specs.LinuxNamespaceType
		path string // "": not asked for
	}{
		{"net.ipv4.ip_forward", specs.NetworkNamespace, ""}, {"net.ipv4.ip_forward", specs.NetworkNamespace, "/proc/self/ns/net"},
		{"net.ipv4.ip_forward", specs.NetworkNamespace, "/proc/1/ns/net"}, {"net.ipv4.ip_forward", specs.NetworkNamespace, "/proc/thread-self/ns/net"},
		{"net.ipv4.ip_forward", specs.NetworkNamespace, bound},
		{"kernel.shmmni", specs.IPCNamespace, ""}, {"kernel.shmmni", specs.IPCNamespace, "/proc/self/ns/ipc"},
		{"fs.mqueue.msg_max", specs.IPCNamespace, ""}, {"fs.mqueue.msg_max", specs.IPCNamespace, "/proc/1/ns/ipc"},
		{"kernel.domainname", specs.UTSNamespace, ""}, {"kernel.domainname", specs.UTSNamespace, "/proc/self/ns/uts"},
		{"user.max_net_namespaces", specs.UserNamespace, ""}, {"user.max_net_namespaces", specs.UserNamespace, "/proc/self/ns/user"},
	} {
		t.Run(c.key+" "+c.path, func(t *testing.T) {
			b := bundle.New(t, bundle.Args("true"), bundle.WithoutNamespace(c.kind), func(s *specs.Spec) {
				s.Hostname = ""
				s.Linux.Sysctl = map[string]string{c.key: "5"}
				if c.path != "" {
					bundle.Namespace(c.kind, c.path)(s)
				}
			})
			if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "#/linux/sysctl/"+c.key+": ") {
				t.Errorf("exit status %d: %s", r.Status, r.Stderr)
			}
		})
	}
	if after := hostSysctls(t); after != before {
		t.Errorf("the host's are\n%swere\n%s", after, before)
	}
}
