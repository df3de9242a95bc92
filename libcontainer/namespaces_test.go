// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// spaces is a config with namespaces such as "mount pid=/run/ns/pid".
func spaces(text string) *specs.Spec {
	s := &specs.Spec{Linux: &specs.Linux{}}
	for _, word := range strings.Fields(text) {
		kind, file, _ := strings.Cut(word, "=")
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.LinuxNamespaceType(kind), Path: file})
	}
	return s
}

func TestWhoMakesANamespaceAndWhenItTakesEffect(t *testing.T) {
	const ns, pid, net, user, cgroup, clock = unix.CLONE_NEWNS, unix.CLONE_NEWPID, unix.CLONE_NEWNET, unix.CLONE_NEWUSER, unix.CLONE_NEWCGROUP, unix.CLONE_NEWTIME
	for _, c := range []struct {
		spaces         string
		atClone, after uint64
		fork           bool
		made           uint64
	}{
		{"mount", ns, 0, false, 0},
		{"mount pid network", ns | pid, 0, false, net},
		{"mount pid cgroup", ns | pid, 0, false, 0},
		{"mount pid=/p", ns, 0, true, 0},
		{"mount network=/n pid", ns | pid, 0, false, 0},
		{"mount pid time", ns, pid | clock, true, 0},
		{"mount time", ns, clock, true, 0},
		{"mount pid user", 0, ns | pid, true, user},
		{"mount pid user=/u", 0, ns | pid, true, 0},
		{"mount user", 0, ns, false, user},
		{"mount user network", 0, ns, false, user | net},
		{"mount user network=/n", 0, ns, false, user},
		{"mount user=/u network", 0, ns | net, false, 0},
	} {
		n := readNamespaces(plan.NewBuilder(), spaces(c.spaces), &Host{}, false)
		if n.atClone != c.atClone || n.after != c.after || n.fork != c.fork || n.made != c.made {
			t.Errorf("%s: clone %s, unshare %s, fork %v, before %s", c.spaces, plan.CloneFlags(n.atClone), plan.CloneFlags(n.after), n.fork, plan.CloneFlags(n.made))
		}
		if n.fresh != n.made|n.atClone|n.after|n.fresh&cgroup || n.atClone&n.after != 0 || n.made&(n.atClone|n.after) != 0 {
			t.Errorf("%s: a new namespace is made never, or twice", c.spaces)
		}
	}
}

func TestAUserNamespaceIsJoinedLastByRootAndFirstByOthers(t *testing.T) {
	for rootless, want := range map[bool][]string{
		false: {"setns s1 CLONE_NEWNET", "close s1", "setns s2 CLONE_NEWPID", "close s2", "setns s0 CLONE_NEWUSER", "close s0"},
		true:  {"setns s0 CLONE_NEWUSER", "close s0", "setns s1 CLONE_NEWNET", "close s1", "setns s2 CLONE_NEWPID", "close s2"},
	} {
		b := plan.NewBuilder()
		spec := spaces("user=/u network=/n pid=/p mount")
		n := readNamespaces(b, spec, &Host{}, false)
		n.compileJoins(b, spec, !rootless)
		var got []string
		for i := range b.Steps {
			got = append(got, b.Steps[i].Call())
		}
		if !slices.Equal(got, want) {
			t.Errorf("rootless %v: %q", rootless, got)
		}
		if len(b.Inputs) != 3 || b.Inputs[1].At.String() != "/linux/namespaces/1/path" || b.Inputs[1].Path != "/n" {
			t.Errorf("inputs: %+v", b.Inputs)
		}
	}
}

func TestTheErrorOfOneNamespacePointsToItAndOfSeveralToAll(t *testing.T) {
	s := spaces("mount pid")
	for flags, want := range map[uint64]string{unix.CLONE_NEWPID: "/linux/namespaces/1", unix.CLONE_NEWPID | unix.CLONE_NEWNS: "/linux/namespaces", unix.CLONE_NEWNET: "/linux/namespaces"} {
		if got := namespaceAt(s, flags).String(); got != want {
			t.Errorf("%s: %s", plan.CloneFlags(flags), got)
		}
	}
}

func TestTimeOffsetsAreWrittenInTheKernelsForm(t *testing.T) {
	b := plan.NewBuilder()
	offsets := map[string]specs.LinuxTimeOffset{"monotonic": {Secs: -3, Nanosecs: 7}, "boottime": {Secs: 86400}}
	compileTimeOffsets(b, openTimeOffsets(b, offsets), offsets)
	var got []string
	for _, s := range b.Steps {
		if s.Op == plan.OpWrite {
			got = append(got, s.At.String()+" "+string(s.Args[1].([]byte)))
		}
	}
	if want := []string{"/linux/timeOffsets/boottime boottime 86400 0\n", "/linux/timeOffsets/monotonic monotonic -3 7\n"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
