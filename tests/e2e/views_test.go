// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// cgroupMount is the /sys/fs/cgroup of the base, with other options.
func cgroupMount(kind string, options ...string) bundle.Edit {
	return func(s *specs.Spec) {
		bundle.WithoutMount("/sys/fs/cgroup")(s)
		bundle.Mount("/sys/fs/cgroup", kind, "cgroup", options...)(s)
	}
}

// The own cgroup can be written to when that is asked for and the container
// has a cgroup namespace; without one nothing can, whatever is asked for. The
// host's limits are out of reach either way.
//
// spec: mounts[].type, mounts[].options
func TestCgroupMountsInEveryKindOfNamespace(t *testing.T) {
	bundle.NeedCorten(t)
	for _, view := range bundle.Views() {
		for _, users := range []bool{false, true} {
			for _, cgroupNS := range []bool{false, true} {
				for _, option := range []string{"ro", "rw", "rrw"} {
					t.Run(fmt.Sprintf("%v/userns %v/cgroupns %v/%s", view, users, cgroupNS, option), func(t *testing.T) {
						b := bundle.New(t)
						b.View = view
						spec := bundle.Base()
						bundle.Capabilities("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE")(spec)
						cgroupMount("cgroup", "nosuid", option)(spec)
						if cgroupNS {
							bundle.Namespace(specs.CgroupNamespace, "")(spec)
						}
						if users {
							bundle.UserNamespace(100000)(spec)
							own100000(t, b)
						}
						// A directory made, in the v2 tree or in one of v1, and who is listed in it.
						bundle.Shell(`cd /sys/fs/cgroup; test -e cgroup.procs || cd pids
							grep -c . cgroup.procs >/dev/null && echo seen; mkdir x 2>&1 | grep -o 'Read-only file system\|Permission denied'; rmdir x 2>/dev/null && echo made`)(spec)
						b.Write(spec)
						want := "seen\nRead-only file system\n"
						if option != "ro" && cgroupNS {
							want = "seen\nmade\n"
							if users { // the cgroup is the host root's
								want = "seen\nPermission denied\n"
							}
						}
						if r := b.Run(); r.Stdout != want {
							t.Errorf("got %q, want %q\n%s", r.Stdout, want, r.Stderr)
						}
					})
				}
			}
		}
	}
}

// The first is made with the network namespace, the others in the container.
func TestEverySysfsShowsTheNewNetworkNamespace(t *testing.T) {
	for name, sysfs := range map[string][]string{"made early": {"ro", "noexec"}, "made late": {"ro", "noexec", "sync"}} {
		b := bundle.New(t, bundle.WithoutMount("/sys"), bundle.WithoutMount("/sys/fs/cgroup"),
			bundle.Mount("/mnt/a", "sysfs", "none", sysfs...), bundle.Mount("/mnt/b", "sysfs", "", "nosuid"), bundle.Mount("/sys", "sysfs", "sysfs"),
			bundle.Shell("for d in /mnt/a /mnt/b /sys; do echo $(ls $d/class/net) $(cat $d/class/net/lo/flags); done; probe"))
		parts := strings.SplitN(b.RunOK(), "\n", 4)
		if got := strings.Join(parts[:3], ", "); got != "lo 0x9, lo 0x9, lo 0x9" {
			t.Errorf("%s: %s", name, got)
		}
		flags := map[string]string{}
		r := bundle.ParseReport(t, parts[3])
		for _, m := range r.Mounts() {
			flags[m.Path] = " " + flagsOf(&m) + " "
		}
		for path, want := range map[string]string{"/mnt/a": " ro ", "/mnt/b": " nosuid ", "/sys": " "} {
			if got := flags[path]; !strings.Contains(got, want) || strings.Contains(got, " ro ") != (path == "/mnt/a") {
				t.Errorf("%s: %s has the flags %q", name, path, got)
			}
		}
	}
}

// The kernel lets a user namespace mount sysfs only for a network namespace of
// its own: else the container has the host's, read-only.
//
// spec: mounts[].type
func TestSysfsInAUserNamespace(t *testing.T) {
	for _, c := range []struct {
		name  string
		edits []bundle.Edit
		own   bool // a new sysfs
	}{
		{"with a new network namespace", nil, true},
		{"with the host's network", []bundle.Edit{bundle.WithoutNamespace(specs.NetworkNamespace)}, false},
		{"with a joined network", []bundle.Edit{bundle.Namespace(specs.NetworkNamespace, "/proc/self/ns/net")}, false},
		{"with the host's network, rw", []bundle.Edit{bundle.WithoutNamespace(specs.NetworkNamespace), bundle.WithoutMount("/sys"),
			bundle.Mount("/sys", "sysfs", "sysfs", "nosuid", "rrw")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !c.own {
				bundle.NeedCorten(t) // Debian's runc fails
			}
			edits := append([]bundle.Edit{bundle.UserNamespace(100000), bundle.WithoutMount("/sys/fs/cgroup"),
				bundle.Shell("ls /sys/class/net >/dev/null && echo seen; ls -A /sys/firmware | wc -l; probe")}, c.edits...)
			b := bundle.New(t, edits...)
			own100000(t, b)
			parts := strings.SplitN(b.RunOK(), "\n", 3)
			if parts[0] != "seen" || parts[1] != "0" {
				t.Errorf("printed %q", parts[:2])
			}
			r := bundle.ParseReport(t, parts[2])
			below := 0
			for _, m := range r.Mounts() {
				if m.Path == "/sys/firmware" || !strings.HasPrefix(m.Path, "/sys") {
					continue
				}
				if m.Path != "/sys" {
					below++
				}
				if flags := " " + flagsOf(&m) + " "; !strings.Contains(flags, " ro ") || m.Path == "/sys" && !strings.Contains(flags, " nosuid ") {
					t.Errorf("%+v", m)
				}
			}
			if (below == 0) != c.own {
				t.Errorf("%d mounts below /sys", below)
			}
		})
	}
}
